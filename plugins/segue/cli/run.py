"""`segue run`: playlists through the DAGs, followed to the end.

What the command needs beyond the command line's own is imported when it runs.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from segue.cli.main import app
from segue.cli.output import Json, note, report, stderr, table
from segue.errors import SegueError, SettingError
from segue.settings import Settings, get_settings

if TYPE_CHECKING:
    import httpx

    from segue.stack.dagruns import DagRun, TaskState

INGEST, TRAIN = "ingest_playlists", "train_models"
SHOWN_ROWS = (
    "playlists_in",
    "playlists_out",
    "playlists_quarantined",
    "files_in",
    "files_quarantined",
)


@app.command()
def run(
    source: Annotated[
        Path,
        typer.Option(help="Folder of MPD slices, or of dt=YYYY-MM-DD folders with a day's each."),
    ],
    day: Annotated[
        str, typer.Option("--date", help="Date of a folder without dt=… (default: yesterday).")
    ] = "",
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train and publish afterwards.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Drop a folder of playlists into the inbox and follow the DAG runs to their end."""
    settings = get_settings()
    document = run_source(settings, source, _day(day), train=train)
    report(document, lambda: summary(document), as_json=as_json)


def run_source(
    settings: Settings,
    source: Path,
    day: date | None,
    *,
    train: bool,
    before_training: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Ingests `source` through Airflow and trains on it; returns what `segue run --json` prints.

    `day` is the date of a folder without dt=… folders (None: yesterday). `before_training` is
    called between the two.

    Raises `SegueError` naming the task and its log when a run failed.
    """
    from segue.ingest.source import drop_into, ranges, read_source
    from segue.lake import Lake
    from segue.stack import dagruns
    from segue.stack.api import client
    from segue.stack.state import running

    if running(settings) is None:
        raise SegueError("the local stack does not run: start it with `segue up`")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    drops = read_source(source, day, default=yesterday)
    if max(drops) > yesterday:
        raise SettingError(f"--date {max(drops)}: a day is ingested once it is over (UTC)")
    with client(settings) as api:
        for dag_id in (INGEST, TRAIN):
            dagruns.wait_for_dag(api, dag_id)
        inbox = Lake(settings.inbox_url)
        for each, slices in drops.items():
            if others := drop_into(inbox, each, slices):
                note(f"The drop of {each} held these too, ingested with it: {', '.join(others)}")
        ended: list[DagRun] = []
        with progress() as show:
            for first, last in ranges(list(drops)):
                if first == last:
                    dagruns.trigger(api, INGEST, first, reader="stage")
                else:
                    dagruns.wait_for_readers(api, INGEST, first, last, "stage")
                    dagruns.backfill(api, INGEST, first, last, settings.max_active_runs)
                ended += dagruns.follow(api, INGEST, first, last, show)
                raise_if_failed(api, settings, ended)
        version = None
        if before_training is not None:
            before_training()
        if train:
            with progress() as show:
                # A training sees the days that were over at its date.
                as_of = max(drops) + timedelta(days=1)
                dagruns.trigger(api, TRAIN, as_of, reader="plan_version")
                trained = dagruns.follow(api, TRAIN, as_of, as_of, show)
                ended += trained
                raise_if_failed(api, settings, trained)
                version = dagruns.returned(api, trained[-1], "plan_version")
    rows, published = _stored(settings, ended)
    return {
        "runs": [
            {
                "dag_id": r.dag_id,
                "logical_date": r.logical_date,
                "state": r.state,
                "seconds": r.seconds,
            }
            for r in ended
        ],
        "rows": rows,
        "version": version,
        "published": version is not None and version == published,
    }


def _stored(settings: Settings, ended: "list[DagRun]") -> tuple[dict[str, int], str | None]:
    """Rows that the ingest runs among `ended` counted, and the version that is published."""
    from segue.stack.state import mongo_uri
    from segue.store.client import connect
    from segue.store.registry import published

    db = connect(mongo_uri(settings), settings.mongo_database)
    try:
        ids = [f"{r.dag_id}/{r.run_id}" for r in ended if r.dag_id == INGEST]
        rows = [f.get("rows", {}) for f in db.runs.find({"_id": {"$in": ids}})]
        current = published(db)
    finally:
        db.client.close()
    counts = {name: sum(r.get(name, 0) for r in rows) for name in SHOWN_ROWS}
    return counts, None if current is None else str(current["version"])


def raise_if_failed(api: "httpx.Client", settings: Settings, ended: "list[DagRun]") -> None:
    from segue.stack import dagruns
    from segue.stack.home import Home

    logs = Home.of(settings).logs / "airflow"
    lines = [line for r in ended if r.state != "success" for line in dagruns.failures(api, r, logs)]
    if lines:
        raise SegueError("\n  ".join(["a run failed", *lines]))


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise SettingError(f"--date {text}: not a date, YYYY-MM-DD") from None


def summary(document: dict[str, Any]) -> Group:
    """What `segue run` prints for people."""
    shown = table(
        ["DAG", "date", "state", ("time", "right")],
        [
            (r["dag_id"], r["logical_date"], r["state"], f"{r['seconds']:.0f} s")
            for r in document["runs"]
        ],
    )
    rows = document["rows"]
    total = (
        f"{rows['playlists_out']:,} of {rows['playlists_in']:,} playlists ingested, "
        f"{rows['playlists_quarantined']:,} quarantined."
    )
    lines = [Text(total)]
    if version := document["version"]:
        lines.append(Text(f"Version {version} is published."))
        if not document["published"]:
            lines[-1] = Text(
                f"Version {version} is a candidate: what is published has a later date, or a "
                f"person went back from it.\nAsk it with --version {version}, or publish it: "
                f"segue models promote {version}"
            )
    return Group(shown, *lines)


Show = Callable[["list[DagRun]", "list[TaskState]"], None]


@contextmanager
def progress() -> Iterator[Show]:
    """Bars on a terminal, a line for each change elsewhere; both on stderr."""
    from segue.stack.dagruns import ENDED

    if not stderr.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", style="dim"),
    )
    with Progress(*columns, console=stderr) as progress:
        bars: dict[str, Any] = {}

        def show(found: "list[DagRun]", tasks: "list[TaskState]") -> None:
            if not found:
                return
            dag_id = found[0].dag_id
            if dag_id not in bars:
                bars[dag_id] = progress.add_task(dag_id, total=None, now="")
            if len(found) > 1:
                total, done = len(found), sum(r.state in ENDED for r in found)
            else:
                total = len(tasks) or progress.tasks[bars[dag_id]].total or 1
                ended = sum(t.state in ("success", "skipped", "failed") for t in tasks)
                done = total if found[0].state in ENDED else ended
            now = sorted(
                {_doing(t) for t in tasks if t.state in ("running", "deferred", "up_for_retry")}
            )
            progress.update(bars[dag_id], total=total, completed=done, now=", ".join(now)[:60])

        yield show


def _lines() -> Show:
    from segue.stack.dagruns import ENDED

    seen: set[tuple[str, str, str, str]] = set()

    def show(found: "list[DagRun]", tasks: "list[TaskState]") -> None:
        dag_id = found[0].dag_id if found else ""
        events = [(dag_id, t.logical_date, t.task_id, t.state) for t in tasks]
        events = [e for e in events if e[3] in ("running", "up_for_retry", "failed")]
        shown = (*ENDED, "queued")
        events += [(dag_id, r.logical_date, "", r.state) for r in found if r.state in shown]
        for event in events:
            if event not in seen:
                seen.add(event)
                note(" ".join(part for part in event if part))

    return show


def _doing(task: "TaskState") -> str:
    return task.task_id + {"up_for_retry": " (will be tried again)", "deferred": " (waits)"}.get(
        task.state, ""
    )
