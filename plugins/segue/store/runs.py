"""What ran: rows, durations and check results of a run, written by its tasks as they go."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError

from segue.store.client import Database, Document

ROW_COUNTS = (
    "files_in",
    "files_quarantined",
    "playlists_in",
    "playlists_out",
    "playlists_quarantined",
    "tracks",
    "entries",
)
"""What `rows` of an ingest run counts."""


def record_run(
    db: Database,
    run_id: str,
    *,
    dag_id: str,
    logical_date: str,
    rows: Mapping[str, int] | None = None,
    durations: Mapping[str, float] | None = None,
    checks: Sequence[Any] | None = None,
) -> None:
    """Adds what is given to the document of the run, which the first call makes.

    `rows` (as playlists_in, playlists_out, playlists_quarantined) and `durations` (by task) are
    merged by key, so that every task adds its own and a retry replaces its own; `checks`, mappings
    or dataclasses, replace those of an earlier attempt. `run_id` must be unique over all DAGs:
    Airflow's is so in its DAG only.
    """
    known: Document = {"dag_id": dag_id, "logical_date": logical_date}
    if checks is not None:
        known["checks"] = [asdict(c) if is_dataclass(c) else dict(c) for c in checks]  # type: ignore[arg-type]
    # `$literal`: names of tasks and observed values are not ours to choose.
    stages: list[Document] = [
        {"$replaceWith": {"$mergeObjects": ["$$ROOT", {"$literal": known}]}},
        {"$set": {"recorded_at": "$$NOW"}},
    ]
    for field, values in (("rows", rows), ("durations", durations)):
        if values is not None:
            merged = {"$mergeObjects": [f"${field}", {"$literal": dict(values)}]}
            stages.append({"$set": {field: merged}})
    while True:
        try:
            db.runs.update_one({"_id": run_id}, stages, upsert=True)
            return
        except DuplicateKeyError:
            continue


def recent_runs(db: Database, dag_id: str, before_logical_date: str, n: int) -> list[Document]:
    """The last `n` runs of `dag_id` of logical dates before that one, latest first.

    One a date: of several, what was recorded last.
    """
    return list(
        db.runs.aggregate(
            [
                {"$match": {"dag_id": dag_id, "logical_date": {"$lt": before_logical_date}}},
                {"$sort": {"logical_date": -1, "recorded_at": -1, "_id": -1}},
                {"$group": {"_id": "$logical_date", "run": {"$first": "$$ROOT"}}},
                {"$sort": {"_id": -1}},
                {"$limit": n},
                {"$replaceWith": "$run"},
            ]
        )
    )


def last_runs(db: Database, n: int) -> list[Document]:
    """The `n` runs, of any DAG, that were recorded last, latest first."""
    return list(db.runs.find().sort([("recorded_at", -1), ("_id", -1)]).limit(n))
