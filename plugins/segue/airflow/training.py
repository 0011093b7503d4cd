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
    from segue.embeddings.parameters import version_parameters
    from segue.ingest.corpus import plan_with_lyrics
    from segue.lake import Lake

    settings = get_settings()
    plan = plan_with_lyrics(
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


def has_lyrics(version: str) -> int:
    """Goes on to the lyrics' vectors if there are lyrics: the songs that have some."""
    from segue.ingest.corpus import LYRICS, frozen_lyrics
    from segue.lake import Lake, committed

    lake = Lake(get_settings().lake_url)
    if frozen_lyrics(lake, version) is None:
        raise AirflowSkipException(
            f"{LYRICS} holds none: the version goes without lyrics vectors. The DAG collect_lyrics "
            "collects them once SEGUE_LYRICS_PROVIDERS names a provider"
        )
    return committed(lake, f"corpus/{version}/lyrics").rows


def build_bundle(version: str) -> None:
    """Writes the bundle that serving memory-maps: vectors, playlists, song search."""
    from segue.lake import Lake
    from segue.serving import build

    build.build_bundle(Lake(get_settings().lake_url), version)


def register_version(version: str, as_of: str) -> str:
    """Enters the version into the registry as a candidate, with what it was made from."""
    from segue.embeddings import lyrics
    from segue.embeddings.arrays import SONGS, vectors_key
    from segue.embeddings.word2vec import MODEL
    from segue.lake import Lake, committed, read_manifest
    from segue.store import registry

    lake = Lake(get_settings().lake_url)
    corpus = committed(lake, f"corpus/{version}/playlists")
    songs = committed(lake, vectors_key(MODEL, version, SONGS))
    words = read_manifest(lake, vectors_key(lyrics.MODEL, version, lyrics.WORDS))
    counts = {"song_vectors": songs.rows, "playlist_vectors": corpus.rows}
    parameters = {MODEL: songs.facts["parameters"]}
    if words is not None:
        counts |= {"word_vectors": words.rows, "lyrics_vectors": words.facts["songs"]}
        parameters |= {lyrics.MODEL: words.facts["parameters"]}
    state = registry.register(
        database(),
        version,
        logical_date=_midnight(as_of),
        vectors=counts,
        parameters=parameters,
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
