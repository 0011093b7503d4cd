"""The Python tasks of `ingest_playlists`.

What they need is imported when they run: Airflow parses the DAG's file every few seconds.
"""

import logging
import time

from airflow.sdk import get_current_context

from segue.airflow.connections import database
from segue.errors import MalformedInput
from segue.settings import get_settings

log = logging.getLogger(__name__)


def stage(date: str) -> dict[str, int]:
    """Copies the drop's files into `landing/`, checksummed; skips what is there already."""
    from segue.ingest.inbox import read_drop
    from segue.ingest.landing import land
    from segue.lake import Lake

    settings = get_settings()
    inbox, lake = Lake(settings.inbox_url), Lake(settings.lake_url)
    drop = read_drop(inbox, date, settings.inbox_settle_seconds)
    landing = land(inbox, lake, date, drop)
    if not landing.files:
        log.info("the drop of %s is empty: the run goes on, with nothing in it", date)
    return {"files": landing.files, "copied": landing.copied, "bytes": landing.bytes_copied}


def prepare_store() -> None:
    """Creates MongoDB's collections, indexes and validators where they are missing."""
    from segue.store import collections

    collections.apply(database())


def check(date: str) -> dict[str, int]:
    """Checks the staged partition and records the run; a failed check stops it before the load."""
    from segue.ingest.checks import check_files, render_checks
    from segue.ingest.corpus import PLAYLISTS, TRACKS
    from segue.lake import Lake, Partition
    from segue.store import runs

    lake, db = Lake(get_settings().lake_url), database()
    dag_run = get_current_context()["dag_run"]
    playlists = Partition(lake, f"{PLAYLISTS}/dt={date}")
    started, facts = time.time(), playlists.committed().facts
    history = runs.recent_runs(db, dag_run.dag_id, date, 7)
    results = check_files(playlists, Partition(lake, f"{TRACKS}/dt={date}"), history)
    log.info("\n%s", render_checks(results))
    runs.record_run(
        db,
        f"{dag_run.dag_id}/{dag_run.run_id}",
        dag_id=dag_run.dag_id,
        logical_date=date,
        rows={name: facts[name] for name in runs.ROW_COUNTS},
        durations={"preprocess": facts["seconds"], "check": time.time() - started},
        checks=results,
    )
    failed = [r for r in results if not r.ok and r.severity == "error"]
    if failed:
        raise MalformedInput(
            f"{date}: nothing is loaded, {len(failed)} checks failed: "
            + "; ".join(f"{r.name}: {r.detail}" for r in failed)
        )
    return {"playlists": facts["playlists_out"], "quarantined": facts["playlists_quarantined"]}


def count_playlists() -> dict[str, int]:
    """Counts anew, for each song in MongoDB, the playlists that hold it."""
    from segue.store.counters import next_token
    from segue.store.loading import recount

    db = database()
    recount(db, next_token(db, "recount"))
    return {"playlists": db.playlists.estimated_document_count()}
