"""`segue songs`, `similar`, `playlists` and `continue`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import segue.cli.ask  # registers its commands
from segue.cli.main import app
from segue.errors import SegueError, SettingError
from segue.serving.build import build_bundle
from segue.settings import get_settings
from segue.store import registry
from segue.store.client import Database
from tests.fixtures_mongo import Mongo
from tests.lakes import VERSION, new_lake, spotify_id, track_uri, write_corpus

assert segue.cli.ask

NASTY = "[bold]\x1b[31mRed\x1b[0m\u202e\n[/bold] by Evil"
ENDLESS = f"{'very ' * 500}long by Endless"
PLAYLISTS = {
    "1 Road trip": ["Waterloo by ABBA on Waterloo", "Halo by Beyoncé", "1979 by Pumpkins"],
    "2 Party": ["Waterloo by ABBA on Waterloo", "Halo by Somebody", NASTY, ENDLESS],
    "3 Quiet": ["Halo by Beyoncé", "Help! by The Beatles"],
}

Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    lake = new_lake(home / "lake")
    write_corpus(lake, PLAYLISTS)
    build_bundle(lake, VERSION)
    return home


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SEGUE_HOME", str(home))
    monkeypatch.setenv("SEGUE_LAKE", "")
    monkeypatch.delenv("SEGUE_MONGO_URI", raising=False)
    get_settings.cache_clear()
    yield home
    (home / "cache" / "published.json").unlink(missing_ok=True)
    get_settings.cache_clear()


@pytest.fixture
def ask(here: Path) -> Ask:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--version", VERSION])

    return run


def answer(result: Result) -> dict[str, Any]:
    """The one JSON document on stdout."""
    assert result.exit_code == 0, result.exception
    document: dict[str, Any] = json.loads(result.stdout)
    assert document.pop("version") == VERSION
    return document


FRIDAY = datetime(2021, 4, 9, tzinfo=UTC)
WATERLOO = {
    "uri": track_uri("Waterloo by ABBA on Waterloo"),
    "title": "Waterloo",
    "artist": "ABBA",
    "album": "Waterloo",
    "playlists": 2,
}


def test_songs_as_json(ask: Ask) -> None:
    assert answer(ask("songs", "waterlo", "--json")) == {"songs": [WATERLOO]}
    assert answer(ask("songs", "nothing such", "--json")) == {"songs": []}


def test_similar_as_json(ask: Ask) -> None:
    document = answer(ask("similar", "waterloo", "-k", "3", "--json"))
    assert list(document) == ["song", "metric", "by", "similar"]
    assert (document["song"], document["metric"]) == (WATERLOO, "cosine")
    assert [list(song) for song in document["similar"]] == [["uri", "title", "artist", "score"]] * 3
    scores = [song["score"] for song in document["similar"]]
    assert scores == sorted(scores, reverse=True)


def test_similar_by_distance(ask: Ask) -> None:
    document = answer(ask("similar", "waterloo", "--metric", "euclidean", "--json"))
    scores = [song["score"] for song in document["similar"]]
    assert (document["metric"], scores) == ("euclidean", sorted(scores))
    assert "distance" in ask("similar", "waterloo", "--metric", "euclidean").stdout


def test_playlists_as_json(ask: Ask) -> None:
    document = answer(ask("playlists", "2", "--json"))
    assert [list(p) for p in document["playlists"]] == [["pid", "name", "score", "shared"]] * 2
    assert {p["pid"]: (p["name"], p["shared"]) for p in document["playlists"]} == {
        1: ("Road trip", 1), 3: ("Quiet", 0),
    }  # fmt: skip


def test_a_number_that_is_no_playlist_is_words(ask: Ask) -> None:
    result = ask("playlists", "1979", "-k", "1", "--json")
    assert [p["pid"] for p in answer(result)["playlists"]] == [1]


def test_continue_as_json(ask: Ask) -> None:
    document = answer(ask("continue", "waterloo", "halo beyonce", "--json"))
    assert document["model"] == "word2vec"
    assert [list(t) for t in document["tracks"]] == [["uri", "title", "artist", "score"]] * 5
    assert WATERLOO["uri"] not in {t["uri"] for t in document["tracks"]}
    assert len(answer(ask("continue", "waterloo", "-n", "2", "--json"))["tracks"]) == 2


def test_a_title_alone_can_be_continued(ask: Ask) -> None:
    result = ask("continue", "--title", "party", "--json")
    assert answer(result)["tracks"]
    assert "by the title alone" in result.stderr


@pytest.mark.parametrize("form", ["spotify:track:{}", "https://open.spotify.com/track/{}?si=1"])
def test_a_song_can_be_a_uri_or_a_link(ask: Ask, form: str) -> None:
    name = form.format(spotify_id("Waterloo by ABBA on Waterloo"))
    assert answer(ask("similar", name, "--json"))["song"] == WATERLOO


def test_a_table_says_which_song_was_understood(ask: Ask) -> None:
    first, header, *rows = ask("similar", "waterloo").stdout.splitlines()
    assert first.startswith(f"Songs like “Waterloo” by ABBA; {VERSION}")
    assert header.split() == ["title", "artist", "score"]
    assert len(rows) >= 6


def test_what_else_matched_goes_to_stderr(ask: Ask) -> None:
    result = ask("similar", "halo", "--json")
    assert answer(result)["song"]["artist"] == "Beyoncé"
    assert "It also matches “Halo” by Somebody" in " ".join(result.stderr.split())


def test_names_cannot_write_to_the_terminal(ask: Ask) -> None:
    for arguments in (("songs", "evil"), ("continue", "waterloo"), ("similar", "evil")):
        result = ask(*arguments)
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output
        assert "[bold]" in result.output


def test_a_table_fits_the_terminal_whatever_the_names(ask: Ask) -> None:
    result = ask("songs", "endless")
    assert "…" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert len(result.stdout.splitlines()) < 10


@pytest.mark.parametrize(
    ("arguments", "message", "kind"),
    [
        (("similar", "xyzzyx"), "no song has the words 'xyzzyx'", SegueError),
        (("similar", "spotify:track:" + "a" * 22), "is not in version", SegueError),
        (("similar", "spotify:album:abc"), "is not a song", SettingError),
        (("continue",), "at least one song", SettingError),
    ],
)
def test_what_cannot_be_answered_is_one_clear_error(
    ask: Ask, arguments: tuple[str, ...], message: str, kind: type[Exception]
) -> None:
    result = ask(*arguments)
    assert type(result.exception) is kind
    assert message in str(result.exception)
    assert result.stdout == ""


def test_wrong_use_exits_with_2(ask: Ask) -> None:
    assert ask("similar", "halo", "-k", "0").exit_code == 2
    assert ask("similar", "halo", "--metric", "manhattan").exit_code == 2
    assert ask("similar").exit_code == 2


@pytest.fixture
def says(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What MongoDB says is published; an exception is raised instead."""
    says: dict[str, Any] = {"published": {"version": VERSION}}

    def published(db: object) -> object:
        if isinstance(says["published"], Exception):
            raise says["published"]
        return says["published"]

    monkeypatch.setattr("segue.stack.state.mongo_uri", lambda settings: "mongodb://x")
    monkeypatch.setattr("segue.store.client.connect", lambda uri, database: None)
    monkeypatch.setattr("segue.store.registry.published", published)
    return says


def test_the_version_that_the_registry_published_is_asked(
    here: Path, mongo: Mongo, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db[f"song_vectors__{VERSION}"].insert_one({"_id": WATERLOO["uri"]})
    registry.register(db, VERSION, logical_date=FRIDAY, vectors={"song_vectors": 1})
    registry.publish(db, VERSION, FRIDAY, None)
    monkeypatch.setenv("SEGUE_MONGO_URI", mongo.uri)
    monkeypatch.setenv("SEGUE_MONGO_DATABASE", db.name)
    get_settings.cache_clear()
    assert answer(CliRunner().invoke(app, ["songs", "waterloo", "--json"]))["songs"] == [WATERLOO]


def test_the_published_version_is_asked(says: dict[str, Any]) -> None:
    assert answer(CliRunner().invoke(app, ["songs", "waterloo", "--json"]))["songs"] == [WATERLOO]


def test_without_mongodb_the_last_seen_version_is_asked_and_it_says_so(
    says: dict[str, Any],
) -> None:
    CliRunner().invoke(app, ["songs", "waterloo", "--json"])
    says["published"] = SegueError("it is down")
    result = CliRunner().invoke(app, ["songs", "waterloo", "--json"])
    assert answer(result)["songs"] == [WATERLOO]
    assert f"(it is down); answering from {VERSION}" in " ".join(result.stderr.split())


def test_a_version_seen_with_another_lake_does_not_count(
    says: dict[str, Any], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, ["songs", "waterloo"])
    says["published"] = SegueError("it is down")
    monkeypatch.setenv("SEGUE_LAKE", str(here / "another"))
    get_settings.cache_clear()
    result = CliRunner().invoke(app, ["songs", "waterloo"])
    assert "no version is known" in str(result.exception)


def test_a_wrong_mongodb_setting_is_an_error_and_no_reason_to_guess(says: dict[str, Any]) -> None:
    CliRunner().invoke(app, ["songs", "waterloo"])
    says["published"] = SettingError("SEGUE_MONGO_URI is wrong")
    assert isinstance(CliRunner().invoke(app, ["songs", "waterloo"]).exception, SettingError)


def test_before_anything_is_published_it_says_what_to_run(says: dict[str, Any]) -> None:
    says["published"] = None
    result = CliRunner().invoke(app, ["songs", "waterloo"])
    assert isinstance(result.exception, SegueError)
    assert "make demo" in str(result.exception)
    assert "segue run --source" in str(result.exception)


def test_a_command_imports_no_heavy_package(home: Path) -> None:
    script = (
        "import sys, segue.cli.ask\n"
        "from segue.cli.main import app\n"
        f"app(['similar', 'waterloo', '--json', '--version', {VERSION!r}], standalone_mode=False)\n"
        "heavy = {'airflow', 'pyspark', 'pandas', 'faiss', 's3fs'} & set(sys.modules)\n"
        "print(heavy, file=sys.stderr)\n"
    )
    environment = {**os.environ, "SEGUE_HOME": str(home), "SEGUE_LAKE": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["song"] == WATERLOO
    assert done.stderr.strip() == "set()"
