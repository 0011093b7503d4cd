"""The Python tasks of `train_models`.

What they need is imported when they run: Airflow parses the DAG's file every few seconds.
"""

import logging
from datetime import UTC, datetime, time

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from segue.airflow.connections import database
from segue.settings import get_settings

log = logging.getLogger(__name__)

_COUNTS = ("playlists", "tracks", "entries")


def plan_version(as_of: str) -> str:
    """Names the version after its date and all that goes into it; skips if that is nothing."""
    from segue.embeddings.word2vec import version_parameters
    from segue.ingest.corpus import plan_corpus
    from segue.lake import Lake

    settings = get_settings()
    plan = plan_corpus(
        Lake(settings.lake_url),
        datetime.fromisoformat(as_of),
        version_parameters(settings.word2vec_partitions),
    )
    if not plan.dates:
        raise AirflowSkipException(f"no playlists of any day before {as_of}: nothing to train on")
    log.info(
        "%s: the playlists of %d days, %s to %s",
        plan.version,
        len(plan.dates),
        plan.dates[0],
        plan.dates[-1],
    )
    return plan.version


def build_bundle(version: str) -> None:
    """Writes the bundle that serving memory-maps: vectors, playlists, song search."""
    from segue.lake import Lake
    from segue.serving import build

    build.build_bundle(Lake(get_settings().lake_url), version)


def register_version(version: str, as_of: str) -> str:
    """Enters the version into the registry as a candidate, with what it was made from."""
    from segue.embeddings.arrays import SONGS, vectors_key
    from segue.embeddings.word2vec import MODEL
    from segue.lake import Lake, committed
    from segue.store import registry

    lake = Lake(get_settings().lake_url)
    corpus = committed(lake, f"corpus/{version}/playlists")
    songs = committed(lake, vectors_key(MODEL, version, SONGS))
    state = registry.register(
        database(),
        version,
        logical_date=_midnight(as_of),
        vectors={"song_vectors": songs.rows, "playlist_vectors": corpus.rows},
        parameters={MODEL: songs.facts["parameters"]},
        lineage={"corpus_digest": corpus.digest, **corpus.facts},
    )
    log.info("%s is registered: %s", version, state)
    return version


def publish_version(version: str, as_of: str) -> None:
    """Makes the version the one that people are served, unless a newer one is."""
    from segue.lake import Lake, committed
    from segue.store import registry, runs

    db = database()
    current = registry.published(db)
    outcome = registry.publish(
        db,
        version,
        _midnight(as_of),
        expected=None if current is None else current["version"],
    )
    corpus = committed(Lake(get_settings().lake_url), f"corpus/{version}/playlists")
    dag_run = get_current_context()["dag_run"]
    runs.record_run(
        db,
        f"{dag_run.dag_id}/{dag_run.run_id}",
        dag_id=dag_run.dag_id,
        logical_date=as_of[:10],
        rows={k: corpus.facts[k] for k in _COUNTS},
    )
    if not outcome:
        # Skipped, so that the asset has no event: nothing changed for those who ask.
        raise AirflowSkipException(f"{version} is {outcome}")
    log.info("%s is %s", version, outcome)


def _midnight(as_of: str) -> datetime:
    """The date in a version's name: the same for every hour of a day that sees the same days."""
    return datetime.combine(datetime.fromisoformat(as_of).astimezone(UTC).date(), time(), UTC)
