"""`segue songs`, `similar`, `words`, `playlists` and `continue`: asking the published version.

What a command needs beyond the command line's own is imported when it runs, so that `--help` and
the other commands start fast.
"""

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Group
from rich.text import Text

from segue.cli.main import app
from segue.cli.output import Json, note, report, table
from segue.errors import SegueError, SettingError
from segue.settings import Settings, get_settings

if TYPE_CHECKING:
    from segue.serving.bundle import Bundle
    from segue.serving.names import Song

Metric = Annotated[
    Literal["cosine", "euclidean"],
    typer.Option(help="How near is measured: the angle, or the distance."),
]
Count = Annotated[int, typer.Option("-k", min=1, max=1_000_000, help="How many.")]
Version = Annotated[
    str | None, typer.Option("--version", help="Ask this version, not the published one.")
]
_SONG = "A song: its URI, its open.spotify.com link, or words that find it."

_FIRST = "`make demo` makes one of the sample, `segue run --source DIR` one of your playlists"
_NAMES = ("title", "artist")
_WIDEST = 60
"""Characters of a name that a table shows."""


@app.command()
def songs(
    query: Annotated[list[str], typer.Argument(help="Words of title and artist.")],
    k: Count = 20,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Search songs by title or artist."""
    from segue.serving.search import search_songs

    bundle = open_version(version)
    found = search_songs(bundle, " ".join(query), k)
    shown = bundle.names.songs(found.rows)
    if shown and not found.complete:
        note("Nothing has all of these words; what has most of them:")
    document = {"version": bundle.version, "songs": [_song(song) for song in shown]}
    rows = [[*map(_name, (s.title, s.artist, s.album)), s.playlists] for s in shown]
    report(
        document,
        lambda: (
            table([*_NAMES, "album", ("playlists", "right")], rows)
            if rows
            else Text("No song has these words.")
        ),
        as_json=as_json,
    )


@app.command()
def similar(
    song: Annotated[list[str], typer.Argument(help=_SONG)],
    k: Count = 10,
    metric: Metric = "cosine",
    by: Annotated[
        Literal["playlists", "lyrics"],
        typer.Option(help="What makes songs alike: the playlists they are in, or their words."),
    ] = "playlists",
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show the songs nearest to a song."""
    from segue.serving.queries import similar_songs

    bundle = open_version(version)
    asked = understood(bundle, " ".join(song))
    tracks, scores = similar_songs(bundle, asked.track, k, metric, by=by)
    ranked = _ranked(bundle, tracks, scores)
    document = {
        "version": bundle.version,
        "song": _song(asked),
        "metric": metric,
        "by": by,
        "similar": ranked,
    }
    report(
        document,
        lambda: Group(
            _title("Songs with words like" if by == "lyrics" else "Songs like", [asked], bundle),
            _ranking(ranked, "distance" if metric == "euclidean" else "score"),
        ),
        as_json=as_json,
    )


@app.command()
def words(
    word: Annotated[str, typer.Argument(help="A word of lyrics.")],
    k: Count = 10,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show the words that lyrics use like a word."""
    from segue.serving.queries import similar_words

    bundle = open_version(version)
    found = similar_words(bundle, word, k)
    ranked = [{"word": near, "score": _score(score)} for near, score in found]
    rows = [[_name(near), f"{score:.3f}"] for near, score in found]
    report(
        {"version": bundle.version, "word": word, "similar": ranked},
        lambda: Group(
            Text(f"Words used like “{_name(word)}”; {bundle.version}", style="bold"),
            table(["word", ("score", "right")], rows),
        ),
        as_json=as_json,
    )


@app.command()
def playlists(
    of: Annotated[
        list[str], typer.Argument(metavar="PID|SONG…", help="A playlist's pid, or songs.")
    ],
    k: Count = 10,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show the playlists nearest to a playlist, or to some songs."""
    from segue.serving.queries import similar_playlists

    bundle = open_version(version)
    pid = int(of[0]) if len(of) == 1 and re.fullmatch(r"\d{1,18}", of[0]) else None
    row = None if pid is None else bundle.row_of(pid)
    if row is None:
        if pid is not None:
            note(f"There is no playlist {pid}; it is taken for the words of a song.")
        # "1979" is a song as well.
        asked = _understood_all(bundle, of)
        found = similar_playlists(bundle, k, songs=[song.track for song in asked])
        title = _title("Playlists like", asked, bundle)
    else:
        found = similar_playlists(bundle, k, pid=pid)
        name = _name(bundle.names.playlist_names([row])[0])
        title = Text(f"Playlists like {pid} “{name}”, {bundle.version}", style="bold")
    ranked: list[dict[str, Any]] = [
        {"pid": int(bundle.pids[r]), "name": name, "score": _score(score), "shared": int(shared)}
        for r, name, score, shared in zip(
            found.rows, bundle.names.playlist_names(found.rows), found.scores, found.shared,
            strict=True,
        )
    ]  # fmt: skip
    rows = [[p["pid"], _name(p["name"]), f"{p['score']:.3f}", p["shared"]] for p in ranked]
    shown = table([("pid", "right"), "name", ("score", "right"), ("shared songs", "right")], rows)
    report(
        {"version": bundle.version, "playlists": ranked},
        lambda: Group(title, shown),
        as_json=as_json,
    )


@app.command("continue")
def continue_(
    song: Annotated[list[str] | None, typer.Argument(metavar="SONG…", help=_SONG)] = None,
    title: Annotated[
        str | None,
        typer.Option("--title", help="The playlist's title, for when there are no songs."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1_000_000, help="How many.")] = 500,
    metric: Metric = "cosine",
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Recommend songs to go on with after some songs."""
    from segue.serving.queries import continuation

    if not song and not (title or "").strip():
        raise SettingError("name at least one song, or a --title")
    bundle = open_version(version)
    asked = _understood_all(bundle, song or [])
    answer = continuation(bundle, [s.track for s in asked], n, title=title, metric=metric)
    if answer.note:
        note(f"How this was made: {answer.note}.")
    ranked = _ranked(bundle, answer.tracks, answer.scores)
    header = "playlists" if answer.model == "popularity" else "score"
    heading = _title("To go on after", asked, bundle) if asked else Text(f"For “{title}”")
    report(
        {"version": bundle.version, "model": answer.model, "tracks": ranked},
        lambda: Group(heading, _ranking(ranked, header)),
        as_json=as_json,
    )


def open_version(version: str | None) -> "Bundle":
    """The bundle of `version`, or of the published one."""
    from segue.lake import Lake
    from segue.serving.bundle import open_bundle

    settings = get_settings()
    return open_bundle(Lake(settings.lake_url), version or published_version(settings))


def published_version(settings: Settings) -> str:
    """The published version; when MongoDB cannot be asked, the last one seen, and a note says so.

    Raises `SegueError` that says what to run when there is none.
    """
    from pymongo.errors import PyMongoError

    from segue.stack.state import mongo_uri
    from segue.store.client import connect
    from segue.store.registry import published

    seen = settings.home / "cache" / "published.json"
    try:
        current = published(connect(mongo_uri(settings), settings.mongo_database))
    except SettingError:
        raise
    except (SegueError, PyMongoError) as error:
        try:
            last = json.loads(seen.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            last = {}
        if last.get("lake") != settings.lake_url:
            raise SegueError(f"no version is known to ask. {_FIRST} ({error})") from None
        note(f"MongoDB cannot be asked ({error}); answering from {last['version']}, last seen.")
        return str(last["version"])
    if current is None:
        raise SegueError(f"no version has been published yet. {_FIRST}")
    version = str(current["version"])
    seen.parent.mkdir(parents=True, exist_ok=True)
    part = seen.with_suffix(".part")
    part.write_text(json.dumps({"version": version, "lake": settings.lake_url}))
    part.replace(seen)
    return version


def understood(bundle: "Bundle", text: str) -> "Song":
    """The song that `text` names; a note says so when others could have been meant."""
    from segue.serving.search import search_songs, track_uri

    uri = track_uri(text)
    if uri is None and re.match(r"\s*(spotify:|(https?://)?open\.spotify\.com)", text):
        raise SettingError(f"{text!r} is not a song: wanted spotify:track:… or a link to a track")
    found = search_songs(bundle, text, 4)
    if not len(found.rows):
        if uri is not None:
            raise SegueError(f"{uri} is not in version {bundle.version}")
        raise SegueError(f"no song has the words {text!r}; `segue songs WORDS` shows what there is")
    best, *others = bundle.names.songs(found.rows)
    if not found.complete:
        note(f"No song has all words of {text!r}; taking {_by(best)}.")
    own = bundle.recordings[best.track]
    other = [_by(song) for song in others if bundle.recordings[song.track] != own]
    if other:
        note(f"{text!r} was taken for {_by(best)}. It also matches {', '.join(other)}.")
    return best


def _understood_all(bundle: "Bundle", texts: list[str]) -> list["Song"]:
    return list(dict.fromkeys(understood(bundle, text) for text in texts))


def _song(song: "Song") -> dict[str, Any]:
    return {
        "uri": song.uri,
        "title": song.title,
        "artist": song.artist,
        "album": song.album,
        "playlists": song.playlists,
    }


def _ranked(bundle: "Bundle", tracks: Any, scores: Any) -> list[dict[str, Any]]:
    return [
        {"uri": s.uri, "title": s.title, "artist": s.artist, "score": _score(score)}
        for s, score in zip(bundle.names.songs(tracks), scores, strict=True)
    ]


def _score(score: float) -> float:
    return round(float(score), 6)


def _ranking(ranked: list[dict[str, Any]], header: str) -> Any:
    form = "{:.0f}" if header == "playlists" else "{:.3f}"
    rows = [[_name(r["title"]), _name(r["artist"]), form.format(r["score"])] for r in ranked]
    return table([*_NAMES, (header, "right")], rows)


def _title(words: str, asked: list["Song"], bundle: "Bundle") -> Text:
    return Text(f"{words} {', '.join(map(_by, asked))}; {bundle.version}", style="bold")


def _by(song: "Song") -> str:
    return f"“{_name(song.title)}” by {_name(song.artist)}"


def _name(name: str) -> str:
    """A name as a terminal may show it: one line, no control characters, not endless."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"
