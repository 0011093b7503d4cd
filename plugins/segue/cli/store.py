"""`segue runs` and `segue models`: what ran, and which version is published.

The driver of MongoDB is imported when a command runs, so that the others start fast.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from segue.cli.main import app
from segue.cli.output import Json, note, report, table
from segue.errors import SegueError
from segue.settings import get_settings

if TYPE_CHECKING:
    from segue.store.client import Database

models = typer.Typer(
    help="The versions, and which one is published; alone, it lists them.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models, name="models")

Version = Annotated[str, typer.Argument(metavar="V", help="A version, as `segue models` lists it.")]


@app.command()
def runs(
    last: Annotated[int, typer.Option("--last", min=1, max=1_000_000, help="How many.")] = 10,
    as_json: Json = False,
) -> None:
    """Show what ran: rows in, out and quarantined, durations, checks."""
    from segue.store.runs import last_runs

    with database() as db:
        found = last_runs(db, last)
    columns: list[str | tuple[str, str]] = [
        "DAG",
        "date",
        ("in", "right"),
        ("out", "right"),
        ("quarantined", "right"),
        ("seconds", "right"),
        "checks",
    ]
    report(
        {"runs": [_document(run, "run_id") for run in found]},
        lambda: table(columns, map(_run_row, found)) if found else Text("Nothing has run yet."),
        as_json=as_json,
    )


@models.callback()
def models_list(context: typer.Context, as_json: Json = False) -> None:
    """List the versions, latest date first."""
    if context.invoked_subcommand is not None:
        return
    from segue.store.registry import published, versions

    with database() as db:
        found, current = versions(db), published(db)
    rows = [[m["_id"], m["state"], m["logical_date"].date(), _counts(m["vectors"])] for m in found]
    report(
        {
            "published": current["version"] if current else None,
            "models": [_document(model, "version") for model in found],
        },
        lambda: (
            table(["version", "state", "date", "vectors"], rows)
            if rows
            else Text("No version yet: the DAG train_models makes them.")
        ),
        as_json=as_json,
    )


@models.command()
def show(version: Version, as_json: Json = False) -> None:
    """Show what is known of a version."""
    from segue.store.registry import published, versions

    with database() as db:
        found = {m["_id"]: m for m in versions(db)}
        current = published(db)
    if version not in found:
        raise SegueError(f"no version {version}: `segue models` lists them")
    history = [e for e in (current["history"] if current else []) if e["version"] == version]
    model = {**found[version], "history": history}
    report(_document(model, "version"), lambda: _show(model), as_json=as_json)


@models.command()
def promote(version: Version, as_json: Json = False) -> None:
    """Publish a version, whatever its date."""
    from segue.store import registry

    with database() as db:
        outcome = registry.promote(db, version)
    if outcome is registry.Outcome.UNCHANGED:
        note(f"{version} was published already.")
    report({"published": version}, lambda: Text(f"{version} is published."), as_json=as_json)


@models.command()
def rollback(as_json: Json = False) -> None:
    """Publish what was published before, and reject what is now."""
    from segue.store import registry

    with database() as db:
        version = registry.rollback(db)
    report({"published": version}, lambda: Text(f"{version} is published."), as_json=as_json)


@contextmanager
def database() -> "Iterator[Database]":
    """MongoDB of the settings, closed at the end."""
    from segue.stack.state import mongo_uri
    from segue.store.client import connect

    settings = get_settings()
    db = connect(mongo_uri(settings), settings.mongo_database)
    try:
        yield db
    finally:
        db.client.close()


def _run_row(run: dict[str, Any]) -> list[object]:
    rows = run.get("rows", {})
    counts = [rows.get(f"playlists_{what}", "") for what in ("in", "out", "quarantined")]
    seconds = round(sum(run.get("durations", {}).values()), 1)
    return [run["dag_id"], run["logical_date"], *counts, seconds, _checks(run.get("checks", []))]


def _checks(checks: list[dict[str, Any]]) -> str:
    if not checks:
        return ""
    bad = [c for c in checks if not c["ok"]]
    named = [f"{c['name']} ({'failed' if c['severity'] == 'error' else 'warning'})" for c in bad]
    return ", ".join(named) or f"{len(checks)} ok"


def _counts(vectors: dict[str, int]) -> str:
    return ", ".join(
        f"{count:,} {kind.removesuffix('_vectors')}s" for kind, count in vectors.items()
    )


def _show(model: dict[str, Any]) -> Group:
    facts = [
        [name, value]
        for name, value in _document(model, "version").items()
        if name not in ("metrics", "parameters", "lineage", "history")
    ]
    for part in ("metrics", "parameters", "lineage"):
        facts += [[f"{part}.{name}", _plain(value)] for name, value in model[part].items()]
    facts += [[e["how"], e["at"].isoformat()] for e in model["history"]]
    return Group(table(["fact", "value"], facts))


def _document(stored: dict[str, Any], key: str) -> dict[str, Any]:
    """A stored document as JSON can hold it, with its `_id` under the name `key`."""
    rest = {name: value for name, value in stored.items() if name != "_id"}
    return {key: stored["_id"], **_plain(rest)}


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
