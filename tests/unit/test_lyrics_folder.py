import asyncio
from pathlib import Path

import pytest

from segue.errors import SettingError
from segue.lyrics.lookup import Entry
from segue.lyrics.providers.folder import LARGEST_FILE, Folder


def put(folder: Path, name: str, content: str | bytes = "la la") -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def get(
    folder: Path,
    title: str = "Song",
    artist: str = "Singer",
    album: str | None = None,
    duration: float | None = None,
) -> Entry | None:
    return asyncio.run(Folder(folder).get(title, artist, album, duration))


def search(folder: Path, title: str, artist: str) -> list[str]:
    return [entry.title for entry in asyncio.run(Folder(folder).search(title, artist))]


@pytest.mark.parametrize(
    ("name", "album"),
    [
        ("Singer - Song.lrc", ""),
        ("Singer - Song.TXT", ""),
        ("Singer/Song.txt", ""),
        ("Singer/Singer - Song.txt", ""),
        ("Singer/Album/Song.lrc", "Album"),
        ("Singer/Album/01 Song.lrc", "Album"),
        ("Singer/Album/1-02. Song.lrc", "Album"),
        ("Singer/Album/03 - Song.lrc", "Album"),
        ("Singer/Album/04 Singer - Song.lrc", "Album"),
        ("Library/Singer/Album/Song.lrc", "Album"),
    ],
)
def test_folders_and_the_files_name_say_whose_song_it_is(
    tmp_path: Path, name: str, album: str
) -> None:
    put(tmp_path, name)
    assert get(tmp_path) == Entry("Song", "Singer", album, None, False, "la la", None)


def test_a_number_that_is_the_title_stays(tmp_path: Path) -> None:
    put(tmp_path, "Jay/99 Problems.txt")
    put(tmp_path, "Prince/Hits/1999.txt")
    assert get(tmp_path, "99 Problems", "Jay") is not None
    assert get(tmp_path, "1999", "Prince") is not None


def test_tags_count_more_than_names_and_stamps_are_stripped(tmp_path: Path) -> None:
    text = "[ti:Song]\n[ar:Singer]\n[al:Album]\n[length: 03:20]\n[00:01.00]One\n[Chorus]\n"
    put(tmp_path, "track01.lrc", text)
    entry = get(tmp_path, album="album", duration=201.5)
    assert entry is not None
    assert (entry.duration, entry.plain, entry.synced) == (200.0, "One\n[Chorus]", text)
    assert get(tmp_path, album="Other") is None
    assert get(tmp_path, duration=203.0) is None


def test_a_file_that_says_nothing_of_album_and_length_fits_any(tmp_path: Path) -> None:
    put(tmp_path, "Singer - Song.txt")
    assert get(tmp_path, album="Album", duration=100.0) is not None


def test_a_file_marked_instrumental_is_one(tmp_path: Path) -> None:
    put(tmp_path, "Singer - Song.lrc", "[au: instrumental]")
    entry = get(tmp_path)
    assert entry is not None
    assert (entry.instrumental, entry.plain) == (True, None)


@pytest.mark.parametrize(
    "content",
    [
        "Café".encode(),
        b"\xef\xbb\xbf" + "Café".encode(),
        "Café".encode("utf-16"),
        "Café".encode("cp1252"),
    ],
)
def test_the_usual_encodings_are_read(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "Singer - Song.txt", content)
    entry = get(tmp_path)
    assert entry is not None
    assert entry.plain == "Café"


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02", b"\xff\xfe\x00", b"a" * (LARGEST_FILE + 1)], ids=["0", "1", "big"]
)
def test_a_file_that_is_no_lyric_is_left_out_with_a_warning_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    put(tmp_path, "Singer - Bad.txt", content)
    put(tmp_path, "Singer - Song.txt")
    assert get(tmp_path) is not None
    assert get(tmp_path, "Bad") is None
    assert "Singer - Bad.txt is left out" in caplog.text


def test_what_can_not_be_opened_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "Singer - Gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "Singer - Folder.txt").mkdir()
    put(tmp_path, "nameless.txt")
    put(tmp_path, "Singer - Song.txt")
    assert get(tmp_path) is not None
    for name in ("Gone.txt", "nameless.txt"):
        assert f"{name} is left out" in caplog.text


def test_other_files_are_not_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "Singer - Song.mp3", b"\x00")
    put(tmp_path, ".Singer - Song.txt")
    put(tmp_path, ".trash/Song.txt")
    assert get(tmp_path) is None
    assert get(tmp_path, artist=".trash") is None
    assert caplog.text == ""


def test_a_search_finds_the_words_of_title_and_artist(tmp_path: Path) -> None:
    put(tmp_path, "The Singers - My Song.txt")
    put(tmp_path, "Other - My Song.txt")
    assert search(tmp_path, "song", "singers") == ["My Song"]
    assert search(tmp_path, "song my", "") == ["My Song", "My Song"]
    assert search(tmp_path, "son", "singers") == []
    assert search(tmp_path, "?", "singers") == []


def test_a_missing_folder_is_refused_with_the_settings_name(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="SEGUE_LYRICS_FOLDER"):
        Folder(tmp_path / "nowhere")
