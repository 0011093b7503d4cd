"""`segue lyrics`: what it prints of what the store knows."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from segue.cli import lyrics as command, store
from segue.cli.main import app
from segue.lyrics.lookup import Outcome
from segue.store.client import Database
from segue.store.lyrics import LyricsStore
from tests.integration.test_store_lyrics import songs

TEXT = "\n".join(f"line {n} of a song that nobody sings" for n in range(50))


class _Borrowed:
    """The test's database, which the command must not close."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def __enter__(self) -> Database:
        return self.db

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def known(db: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    songs(db, a=3, b=1)
    LyricsStore(db, "run", keep="text").save([Outcome("a", "found", "lrclib", "album", 1.0, TEXT)])
    monkeypatch.setattr(store, "database", lambda: _Borrowed(db))
    return db


def segue(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["lyrics", *arguments])


def test_the_status_as_json(known: Database) -> None:
    assert json.loads(segue("status", "--json").stdout) == {
        "songs": 2,
        "found": 1,
        "instrumental": 0,
        "not_found": 0,
        "failed": 0,
        "pending": 1,
        "entries_covered": 0.75,
    }


def test_the_status_for_people(known: Database) -> None:
    assert "75.0%" in segue().stdout


def test_a_song_shows_how_its_lyrics_begin_and_no_more(
    known: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Song:
        uri, title, artist = "a", "A", "Somebody"

    monkeypatch.setattr(command.ask, "open_version", lambda version: None)
    monkeypatch.setattr(command.ask, "understood", lambda bundle, text: Song)
    shown = json.loads(segue("show", "a", "--json").stdout)
    assert (shown["status"], shown["provider"], shown["method"]) == ("found", "lrclib", "album")
    assert shown["begins"].startswith("line 0 of a song")
    assert len(shown["begins"]) == 100
    assert "line 3" not in segue("show", "a").stdout


def test_a_song_that_is_named_by_its_uri_needs_no_published_version(known: Database) -> None:
    uri = f"spotify:track:{'7' * 22}"
    songs(known, **{uri: 1})
    shown = json.loads(segue("show", uri, "--json").stdout)
    assert (shown["uri"], shown["title"], shown["status"]) == (uri, uri, "pending")


def test_a_song_that_the_store_does_not_know_is_named(known: Database) -> None:
    uri = f"spotify:track:{'8' * 22}"
    assert uri in str(segue("show", uri).exception)


def test_collecting_without_a_provider_says_which_setting_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = segue("collect")
    assert "SEGUE_LYRICS_PROVIDERS" in str(result.exception)
