"""`segue lyrics`: collect them, what is known of them, and of one song's.

What a command needs beyond the command line's own is imported when it runs.
"""

from typing import Annotated, Any

import typer

from segue.cli import ask, run, store
from segue.cli.main import app
from segue.cli.output import Json, report, table
from segue.errors import SegueError, SettingError
from segue.settings import Settings, get_settings

DAG = "collect_lyrics"
_ORDER = (
    "songs", "found", "instrumental", "not_found", "failed", "pending", "skipped", "unasked",
    "hit_rate", "requests", "requests_per_second", "latency_p50_ms", "latency_p95_ms", "batches",
    "batches_failed", "songs_covered", "entries_covered", "songs_left", "hours_left",
)  # fmt: skip

SHOWN = 100
"""Characters of a text that are shown: lyrics are other people's."""

lyrics = typer.Typer(
    help="Lyrics: `collect` them, see what is known; alone, it shows the status.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(lyrics, name="lyrics")


@lyrics.callback()
def _status_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        status()


@lyrics.command()
def collect(
    most: Annotated[
        int | None,
        typer.Option("--max", min=1, help="Songs, at most (default: SEGUE_LYRICS_MAX_SONGS)."),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(help="lrclib, dump, folder (default: SEGUE_LYRICS_PROVIDERS)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look lyrics up now, those of the songs in most playlists first, and follow the run."""
    settings = get_settings()
    conf: dict[str, Any] = {"max_songs": most, "provider": provider}
    if not (provider or settings.lyrics_providers):
        raise SettingError(
            "no provider: set SEGUE_LYRICS_PROVIDERS=lrclib (the open service), or dump, or "
            "folder, or name one with --provider"
        )
    counts = collect_lyrics(settings, conf={k: v for k, v in conf.items() if v is not None})
    report(counts, lambda: _table(counts), as_json=as_json)


def collect_lyrics(settings: Settings, *, conf: dict[str, Any]) -> dict[str, Any]:
    """Runs `collect_lyrics` with the parameters `conf`, follows it, and returns what it did.

    Raises `SegueError` naming the task and its log when the run failed.
    """
    from segue.stack import dagruns
    from segue.stack.api import client
    from segue.stack.state import running

    if running(settings) is None:
        raise SegueError("the local stack does not run: start it with `segue up`")
    with client(settings) as api:
        dagruns.wait_for_dag(api, DAG)
        with run.progress() as show:
            ended = dagruns.follow_run(api, dagruns.trigger_now(api, DAG, conf), show)
        run.raise_if_failed(api, settings, [ended])
        did = dagruns.returned(api, ended, "summarise")
    return dict(did) if did else {"songs_left": 0}


@lyrics.command()
def status(as_json: Json = False) -> None:
    """Show how many songs have lyrics, and what share of the playlists' entries they cover."""
    from segue.store.lyrics import coverage

    with store.database() as db:
        known = coverage(db)
    report(known, lambda: _table(known), as_json=as_json)


@lyrics.command()
def show(
    song: Annotated[list[str], typer.Argument(help="Its URI, its link, or words that find it.")],
    as_json: Json = False,
) -> None:
    """Show what is known of a song's lyrics, and how they begin."""
    from segue.serving.search import track_uri

    words = " ".join(song)
    # A URI needs no search, and so no version that is published.
    uri = track_uri(words) or ask.understood(ask.open_version(None), words).uri
    with store.database() as db:
        track = db.tracks.find_one({"_id": uri}, {"track_name": 1, "artist_name": 1})
        found = db.lyrics.find_one({"_id": uri}) or {}
    if track is None:
        raise SegueError(f"{uri} is in no playlist that was ingested")
    text = found.get("text") or ""
    known: dict[str, Any] = {
        "uri": uri,
        "title": track["track_name"],
        "artist": track["artist_name"],
        "status": found.get("status", "pending"),
        **{name: found.get(name) for name in ("provider", "method", "score", "language", "error")},
        "attempts": found.get("attempts", 0),
        "begins": " / ".join(text.split("\n"))[:SHOWN] or None,
    }
    report(known, lambda: _table(known), as_json=as_json)


def _table(facts: dict[str, Any]) -> Any:
    # What came through Airflow has lost its order.
    names = sorted(facts, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    rows = [
        (name.replace("_", " "), _shown(name, facts[name]))
        for name in names
        if facts[name] is not None
    ]
    return table(["", ("", "left")], rows)


def _shown(name: str, value: Any) -> str:
    if name in ("entries_covered", "hit_rate"):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)
