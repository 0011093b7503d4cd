"""Lyrics in the bundle, and what is asked of them: songs by their words, words by their use."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import segue.cli.ask  # registers its commands
from segue.cli.main import app
from segue.errors import MalformedInput, SegueError, SettingError
from segue.lake import Lake
from segue.serving.build import build_bundle
from segue.serving.bundle import Bundle, open_bundle
from segue.serving.queries import similar_songs, similar_words
from segue.settings import get_settings
from tests.lakes import (
    VERSION,
    new_lake,
    npy_bytes,
    track_uri,
    write_corpus,
    write_lyrics_vectors,
    write_partition,
)

assert segue.cli.ask

PLAYLISTS = {
    "1 All": ["Sea by A", "Shore by B", "Shore - Remastered 2009 by B", "Fire by C", "Mute by D"],
    "2 Some": ["Sea by A", "Fire by C"],
}
LYRICS = {
    "Sea by A": [1.0, 0.0],
    "Shore by B": [0.9, 0.1],
    "Shore - Remastered 2009 by B": [0.9, 0.2],
    "Fire by C": [0.0, 3.0],
}
WORDS = {
    "love": [1.0, 0.0],
    "don't": [0.5, 0.5],
    "heart": [0.9, 0.1],
    "hurts": [0.1, 0.9],
    "aşık": [0.0, 1.0],
    "ışık": [0.2, 1.0],
    "glove": [-1.0, 0.0],
    "o": [-1.0, 0.1],
    "aga\u202epi": [-1.0, 0.2],
}


def write(lake: Lake, *, lyrics: bool = True) -> list[str]:
    """A corpus, with lyrics or without, and its bundle; its songs by track index."""
    order = write_corpus(lake, PLAYLISTS)
    if lyrics:
        write_lyrics_vectors(lake, order, LYRICS, WORDS)
    build_bundle(lake, VERSION)
    return order


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write(new_lake(home / "lake"))
    return home


@pytest.fixture
def bundle(home: Path) -> Bundle:
    return open_bundle(new_lake(home / "lake"), VERSION)


@pytest.fixture
def without(tmp_path: Path) -> Bundle:
    lake = new_lake(tmp_path)
    write(lake, lyrics=False)
    return open_bundle(lake, VERSION)


def track(bundle: Bundle, song: str) -> int:
    found = bundle.names.track_of(track_uri(song))
    assert found is not None
    return found


def titles(bundle: Bundle, tracks: np.ndarray) -> list[str]:
    return [f"{song.title} by {song.artist}" for song in bundle.names.songs(tracks)]


def test_a_bundle_holds_words_and_the_songs_lyrics(bundle: Bundle) -> None:
    assert bundle.lyrics is not None
    assert bundle.lyrics.words == list(WORDS)
    assert bundle.lyrics.word_vectors.shape == (len(WORDS), 32)
    fire = track(bundle, "Fire by C")
    assert list(bundle.lyrics.vectors[fire, :2]) == [0, 3]
    assert list(bundle.lyrics.units[fire, :2]) == [0, 1]
    assert not bundle.lyrics.vectors[track(bundle, "Mute by D")].any()


def test_a_bundle_without_lyrics_has_none_and_its_digest_changes_with_them(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    order = write(lake, lyrics=False)
    before = build_bundle(lake, VERSION)
    assert open_bundle(lake, VERSION).lyrics is None
    write_lyrics_vectors(lake, order, LYRICS, WORDS)
    after = build_bundle(lake, VERSION)
    assert (after.facts["words"], after.facts["songs_with_lyrics"]) == (len(WORDS), 4)
    assert before.digest != after.digest
    assert open_bundle(lake, VERSION).lyrics is not None


def test_words_alone_are_lyrics_half_committed_and_do_not_count(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    order = write(lake, lyrics=False)
    write_lyrics_vectors(lake, order, LYRICS, WORDS)
    lake.remove(f"models/lyrics/{VERSION}/songs")
    build_bundle(lake, VERSION)
    assert open_bundle(lake, VERSION).lyrics is None


def test_no_words_and_no_lyrics_make_an_empty_bundle_of_them(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    order = write_corpus(lake, PLAYLISTS)
    write_lyrics_vectors(lake, order, {}, {})
    build_bundle(lake, VERSION)
    bundle = open_bundle(lake, VERSION)
    assert bundle.lyrics is not None
    assert bundle.lyrics.words == []
    with pytest.raises(SegueError, match="do not have the word 'love'"):
        similar_words(bundle, "love", 3)


def test_lyrics_of_other_songs_than_the_corpus_are_refused(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    order = write_corpus(lake, PLAYLISTS)
    write_lyrics_vectors(lake, order, LYRICS, WORDS)
    wrong = {"vectors.npy": npy_bytes(np.zeros((3, 32), np.float32))}
    write_partition(lake, f"models/lyrics/{VERSION}/songs", wrong)
    with pytest.raises(MalformedInput, match="holds 3 rows, the corpus has 5"):
        build_bundle(lake, VERSION)


def test_a_bundle_with_lyrics_comes_from_s3(s3_url: str, tmp_path: Path) -> None:
    lake = Lake(s3_url)
    write(lake)
    fetched = open_bundle(lake, VERSION, cache=tmp_path, keep=1)
    assert fetched.lyrics is not None
    assert fetched.lyrics.words == list(WORDS)


def test_songs_alike_by_lyrics_come_nearest_first_and_each_recording_once(bundle: Bundle) -> None:
    tracks, scores = similar_songs(bundle, track(bundle, "Sea by A"), 10, by="lyrics")
    assert titles(bundle, tracks) == ["Shore by B", "Fire by C"]
    assert scores == pytest.approx([0.9 / np.hypot(0.9, 0.1), 0])


def test_lyrics_have_a_distance_too(bundle: Bundle) -> None:
    sea = track(bundle, "Sea by A")
    tracks, scores = similar_songs(bundle, sea, 10, "euclidean", by="lyrics")
    assert titles(bundle, tracks) == ["Shore by B", "Fire by C"]
    assert scores == pytest.approx([np.hypot(0.1, 0.1), np.hypot(1, 3)])


def test_a_song_without_lyrics_is_an_error_that_names_it(bundle: Bundle) -> None:
    with pytest.raises(SegueError, match="“Mute” by D has no lyrics in version"):
        similar_songs(bundle, track(bundle, "Mute by D"), 3, by="lyrics")
    assert len(similar_songs(bundle, track(bundle, "Mute by D"), 3)[0]) == 3


def test_a_version_without_lyrics_says_how_to_get_them(without: Bundle) -> None:
    with pytest.raises(SegueError, match="was trained without lyrics: set SEGUE_LYRICS_PROVIDERS"):
        similar_words(without, "love", 3)
    with pytest.raises(SegueError, match="was trained without lyrics"):
        similar_songs(without, 0, 3, by="lyrics")


def test_songs_are_alike_by_nothing_else(bundle: Bundle) -> None:
    with pytest.raises(SettingError, match="by: 'tempo' is none of playlists, lyrics"):
        similar_songs(bundle, 0, 3, by="tempo")  # type: ignore[arg-type]


def test_similar_words_come_nearest_first_without_the_word_itself(bundle: Bundle) -> None:
    found = similar_words(bundle, "love", 2)
    assert [word for word, _ in found] == ["heart", "don't"]
    assert [score for _, score in found] == pytest.approx([0.9 / np.hypot(0.9, 0.1), 0.5**0.5])
    assert len(similar_words(bundle, "love", 100)) == len(WORDS) - 1


@pytest.mark.parametrize(
    ("asked", "word"),
    [("LOVE", "love"), (" love ", "love"), ("Don’t", "don't"), ("IŞIK", "ışık"), ("AŞIK", "aşık")],
)
def test_a_word_is_found_in_any_case_and_with_any_apostrophe(
    bundle: Bundle, asked: str, word: str
) -> None:
    assert similar_words(bundle, asked, 3) == similar_words(bundle, word, 3)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("lovve", "; did you mean love, glove?"),
        ("hart", "; did you mean heart?"),
        ("heurts", "; did you mean hurts, heart?"),
        ("zzzzzz", ""),
    ],
)
def test_an_unknown_word_is_an_error_with_the_nearest_spellings(
    bundle: Bundle, asked: str, hint: str
) -> None:
    with pytest.raises(SegueError) as raised:
        similar_words(bundle, asked, 3)
    assert str(raised.value).endswith(
        f"do not have the word '{asked}', or have it too seldom{hint}"
    )


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    monkeypatch.setenv("SEGUE_HOME", str(home))
    monkeypatch.setenv("SEGUE_LAKE", "")
    get_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, [*arguments, "--version", VERSION])
    get_settings.cache_clear()


def test_words_as_json(ask: Callable[..., Result]) -> None:
    document = json.loads(ask("words", "LOVE", "-k", "1", "--json").stdout)
    assert document == {
        "version": VERSION,
        "word": "LOVE",
        "similar": [{"word": "heart", "score": 0.993884}],
    }


def test_words_as_a_table_that_cannot_write_to_the_terminal(ask: Callable[..., Result]) -> None:
    result = ask("words", "love", "-k", "100")
    first, header, *rows = result.stdout.splitlines()
    assert first == f"Words used like “love”; {VERSION}"
    assert header.split() == ["word", "score"]
    assert len(rows) >= len(WORDS) - 1
    assert "\u202e" not in result.stdout


def test_similar_by_lyrics_as_json_and_as_a_table(ask: Callable[..., Result]) -> None:
    document = json.loads(ask("similar", "sea", "--by", "lyrics", "--json").stdout)
    assert document["by"] == "lyrics"
    assert [song["title"] for song in document["similar"]] == ["Shore", "Fire"]
    table = ask("similar", "sea", "--by", "lyrics").stdout
    assert table.startswith(f"Songs with words like “Sea” by A; {VERSION}")


def test_an_unknown_word_is_one_clear_error(ask: Callable[..., Result]) -> None:
    result = ask("words", "lovve")
    assert isinstance(result.exception, SegueError)
    assert result.stdout == ""
