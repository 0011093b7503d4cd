"""DAG runs of the local stack: start them, follow them, say why they failed."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx

from segue.errors import SegueError

ENDED = frozenset({"success", "failed"})
_NOT_BEGUN = frozenset({"none", "scheduled", "queued"})


@dataclass(frozen=True)
class DagRun:
    """A run as Airflow tells it."""

    dag_id: str
    run_id: str
    logical_date: str
    state: str
    seconds: float


@dataclass(frozen=True)
class TaskState:
    """A task of a run."""

    run_id: str
    logical_date: str
    task_id: str
    state: str
    tries: int
    map_index: int = -1


def wait_for_dag(api: httpx.Client, dag_id: str, *, seconds: float = 120) -> None:
    """Returns once Airflow has parsed `dag_id`; raises `SegueError` with its import error."""
    deadline = time.monotonic() + seconds
    while api.get(f"/api/v2/dags/{dag_id}").status_code != httpx.codes.OK:
        if time.monotonic() > deadline:
            errors = api.get("/api/v2/importErrors").json().get("import_errors", [])
            why = "; ".join(e["stack_trace"].strip().splitlines()[-1] for e in errors)
            raise SegueError(f"Airflow does not know the DAG {dag_id}: {why or 'not parsed yet'}")
        time.sleep(1)


def backfill(
    api: httpx.Client, dag_id: str, first: date, last: date, max_active: int, *, seconds: float = 90
) -> None:
    """Starts a backfill of every date from `first` to `last`; runs that ended run again.

    Airflow has one backfill of a DAG at a time, and closes it up to half a minute after its last
    run: that is waited for. Raises `SegueError` when one is still under way after `seconds`.
    """
    body = {
        "dag_id": dag_id,
        "from_date": _midnight(first),
        "to_date": _midnight(last),
        "reprocess_behavior": "completed",
        "max_active_runs": max_active,
    }
    deadline = time.monotonic() + seconds
    while (answer := api.post("/api/v2/backfills", json=body)).status_code == httpx.codes.CONFLICT:
        if time.monotonic() > deadline:
            raise SegueError(
                f"a backfill of {dag_id} is under way: wait for it, or cancel it in the UI"
            )
        time.sleep(1)
    _ok(answer)


def trigger(api: httpx.Client, dag_id: str, day: date, reader: str) -> None:
    """Starts the run of midnight of `day`, or runs it again if there is one.

    One under way whose task `reader` has not begun will see what was brought, and is left to it;
    any other is waited for and then run again.
    """
    wait_for_readers(api, dag_id, day, day, reader)
    answer = api.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": _midnight(day)})
    if answer.status_code != httpx.codes.CONFLICT:
        _ok(answer)
        return
    for run in runs(api, dag_id, day, day):
        if run.state in ENDED:
            body = {"dry_run": False}
            _ok(api.post(f"/api/v2/dags/{dag_id}/dagRuns/{run.run_id}/clear", json=body))


def trigger_now(api: httpx.Client, dag_id: str, conf: dict[str, Any]) -> DagRun:
    """Starts a run of this moment with the parameters `conf`, and returns it."""
    body = {"logical_date": datetime.now(UTC).isoformat(), "conf": conf}
    return _run(_ok(api.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)).json())


def wait_for_readers(
    api: httpx.Client, dag_id: str, first: date, last: date, reader: str, *, interval: float = 1.5
) -> None:
    """Returns once no run of those dates is under way whose task `reader` has begun."""
    while any(
        task.task_id == reader and task.state not in _NOT_BEGUN
        for run in runs(api, dag_id, first, last)
        if run.state not in ENDED
        for task in task_states(api, run)
    ):
        time.sleep(interval)


def runs(api: httpx.Client, dag_id: str, first: date, last: date) -> list[DagRun]:
    """The runs of the midnights from `first` to `last`, oldest first."""
    query = {"logical_date_gte": _midnight(first), "logical_date_lte": _midnight(last)}
    return [_run(r) for r in pages(api, f"/api/v2/dags/{dag_id}/dagRuns", "dag_runs", query)]


def follow(
    api: httpx.Client,
    dag_id: str,
    first: date,
    last: date,
    on_change: Callable[[list[DagRun], list[TaskState]], None],
    *,
    interval: float = 1.5,
) -> list[DagRun]:
    """Waits until all runs of those dates have ended and returns them.

    `on_change` is told the runs and the tasks of those under way whenever one changed.
    """
    return _follow(api, lambda: runs(api, dag_id, first, last), on_change, interval)


def follow_run(
    api: httpx.Client,
    run: DagRun,
    on_change: Callable[[list[DagRun], list[TaskState]], None],
    *,
    interval: float = 1.5,
) -> DagRun:
    """Waits until `run` has ended and returns it; `on_change` as in `follow`."""
    path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}"
    (ended,) = _follow(api, lambda: [_run(_ok(api.get(path)).json())], on_change, interval)
    return ended


def _follow(
    api: httpx.Client,
    ask: Callable[[], list[DagRun]],
    on_change: Callable[[list[DagRun], list[TaskState]], None],
    interval: float,
) -> list[DagRun]:
    before: Any = None
    while True:
        now = ask()
        active = [r for r in now if r.state not in ENDED]
        tasks = [t for r in active for t in task_states(api, r)]
        shown = ([(r.run_id, r.state) for r in now], tasks)
        if shown != before:
            on_change(now, tasks)
            before = shown
        if now and not active:
            return now
        time.sleep(interval)


def task_states(api: httpx.Client, run: DagRun) -> list[TaskState]:
    """The tasks of `run`."""
    path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
    return [
        TaskState(
            run.run_id,
            run.logical_date,
            t["task_id"],
            t["state"] or "none",
            t["try_number"],
            t["map_index"],
        )
        for t in pages(api, path, "task_instances", {})
    ]


def failures(api: httpx.Client, run: DagRun, logs: Path) -> list[str]:
    """For each failed task of `run` its name, why it failed, and where its log is."""
    lines = []
    for t in task_states(api, run):
        if t.state == "failed":
            folder = logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={t.task_id}"
            folder = folder if t.map_index < 0 else folder / f"map_index={t.map_index}"
            log = folder / f"attempt={t.tries}.log"
            lines.append(f"{run.dag_id} {run.logical_date}: {t.task_id}: {why_failed(log)}")
            lines.append(f"  log {log}")
    return lines or [f"{run.dag_id} {run.logical_date}: {run.state}"]


def why_failed(log: Path) -> str:
    """The error that a task's log ends with: what the job said of it, else the exception."""
    why = "failed"
    with suppress(OSError):
        for line in log.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            text = str(event.get("event", ""))
            if text.startswith("segue: "):
                return text.removeprefix("segue: ")
            if detail := event.get("error_detail"):
                why = f"{detail[0]['exc_type']}: {detail[0]['exc_value']}".splitlines()[0]
    return why


def returned(api: httpx.Client, run: DagRun, task_id: str) -> Any:
    """What the task returned, None if nothing."""
    task = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}"
    answer = api.get(f"{task}/xcomEntries/return_value")
    return answer.json()["value"] if answer.status_code == httpx.codes.OK else None


def pages(api: httpx.Client, path: str, field: str, query: dict[str, Any]) -> Iterator[Any]:
    """Every element of `field` of the answers to a paged query."""
    offset = 0
    while True:
        answer = _ok(api.get(path, params={**query, "limit": 100, "offset": offset})).json()
        yield from answer[field]
        offset += len(answer[field])
        if not answer[field] or offset >= answer["total_entries"]:
            return


def _run(r: dict[str, Any]) -> DagRun:
    start, end = (_moment(r[f]) for f in ("start_date", "end_date"))
    seconds = ((end or datetime.now(UTC)) - start).total_seconds() if start else 0.0
    return DagRun(
        r["dag_id"], r["dag_run_id"], r["logical_date"][:10], r["state"], round(seconds, 1)
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _ok(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise SegueError(
            f"Airflow answered {answer.status_code} to {answer.url.path}: {answer.text[:500]}"
        )
    return answer
