"""LRCLIB's dump: schema and rules are those of the server's migrations and source."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from segue.errors import SettingError
from segue.lyrics.lookup import Entry, ProviderFailed
from segue.lyrics.names import normalise
from segue.lyrics.providers.dump import Dump

SCHEMA = """
    CREATE TABLE tracks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, name_lower TEXT, artist_name TEXT,
        artist_name_lower TEXT, album_name TEXT, album_name_lower TEXT, duration FLOAT,
        last_lyrics_id INTEGER, created_at DATETIME, updated_at DATETIME,
        UNIQUE (name_lower, artist_name_lower, album_name_lower, duration)
    );
    CREATE TABLE lyrics (
        id INTEGER PRIMARY KEY AUTOINCREMENT, plain_lyrics TEXT, synced_lyrics TEXT,
        track_id INTEGER, has_plain_lyrics BOOLEAN, has_synced_lyrics BOOLEAN,
        instrumental BOOLEAN, source TEXT, created_at DATETIME, updated_at DATETIME
    );
    CREATE TRIGGER set_tracks_last_lyrics_id AFTER INSERT ON lyrics BEGIN
        UPDATE tracks SET last_lyrics_id = NEW.id WHERE tracks.id = NEW.track_id;
    END;
    CREATE INDEX idx_tracks_name_lower ON tracks (name_lower);
    CREATE INDEX idx_tracks_artist_name_lower ON tracks (artist_name_lower);
    CREATE INDEX idx_tracks_album_name_lower ON tracks (album_name_lower);
    CREATE INDEX idx_tracks_duration ON tracks (duration);
"""
FULL_TEXT = """
    CREATE VIRTUAL TABLE tracks_fts USING fts5(
        name_lower, album_name_lower, artist_name_lower, content='tracks', content_rowid='id'
    );
    INSERT INTO tracks_fts (tracks_fts) VALUES ('rebuild');
"""


@dataclass(frozen=True)
class Row:
    title: str
    artist: str = "Singer"
    album: str = "Album"
    duration: float | None = 200.0
    texts: tuple[str | None, ...] = ("la la",)
    instrumental: bool = False


def write(file: Path, rows: Sequence[Row], *, full_text: bool = True) -> Path:
    with sqlite3.connect(file) as database:
        database.executescript(SCHEMA)
        for row in rows:
            names = [v for n in (row.title, row.artist, row.album) for v in (n, normalise(n))]
            track = database.execute(
                "INSERT OR IGNORE INTO tracks (name, name_lower, artist_name, artist_name_lower, "
                "album_name, album_name_lower, duration) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*names, row.duration),
            )
            for text in row.texts if track.rowcount else ():
                database.execute(
                    "INSERT INTO lyrics (plain_lyrics, track_id, instrumental) VALUES (?, ?, ?)",
                    (text, track.lastrowid, row.instrumental),
                )
        if full_text:
            database.executescript(FULL_TEXT)
    database.close()
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "db #1?.sqlite3"


def get(
    dump: Dump, title: str, artist: str = "Singer", album: str | None = None,
    duration: float | None = None,
) -> Entry | None:  # fmt: skip
    return asyncio.run(dump.get(title, artist, album, duration))


def search(dump: Dump, title: str, artist: str = "") -> list[str]:
    return [entry.title for entry in asyncio.run(dump.search(title, artist))]


def test_names_are_compared_as_the_server_normalises_them(file: Path) -> None:
    dump = Dump(write(file, [Row("Déjà-Vu!", "Beyoncé")]))
    assert get(dump, "DEJA VU", "beyonce") == Entry(
        "Déjà-Vu!", "Beyoncé", "Album", 200.0, False, "la la", None
    )
    assert get(dump, "Deja", "Beyoncé") is None
    assert get(dump, "???", "Beyoncé") is None
    assert get(dump, "\ud800", "Beyoncé") is None


def test_album_and_duration_narrow_only_if_given_and_the_lowest_id_wins(file: Path) -> None:
    rows = [Row("S", album="One", duration=None), Row("S", album="Two"), Row("S", album="Three")]
    dump = Dump(write(file, rows))
    assert [
        entry.album if entry else None
        for entry in (
            get(dump, "S"),
            get(dump, "S", duration=202.0),
            get(dump, "S", duration=202.1),
            get(dump, "S", album="three", duration=198.0),
            get(dump, "S", album="..."),
            get(dump, "S", album="four"),
        )
    ] == ["One", "Two", None, "Three", "One", None]


def test_the_latest_lyrics_count_and_a_track_may_have_none(file: Path) -> None:
    dump = Dump(write(file, [Row("A", texts=("old", "new")), Row("B", texts=())]))
    found, bare = get(dump, "A"), get(dump, "B")
    assert found is not None
    assert found.plain == "new"
    assert bare is not None
    assert (bare.plain, bare.synced, bare.instrumental) == (None, None, False)


def test_instrumentals_say_so(file: Path) -> None:
    found = get(Dump(write(file, [Row("A", texts=(None,), instrumental=True)])), "A")
    assert found is not None
    assert found.instrumental


def test_questions_asked_together_each_get_their_own_answer(file: Path) -> None:
    dump = Dump(write(file, [Row(f"Song {n}") for n in range(50)]))

    async def ask() -> list[Entry | None]:
        names = [f"Song {n}" for n in reversed(range(60))]
        return list(await asyncio.gather(*(dump.get(n, "Singer", None, 200.0) for n in names)))

    found = asyncio.run(ask())
    assert [entry and entry.title for entry in found] == [None] * 10 + [
        f"Song {n}" for n in reversed(range(50))
    ]


def test_a_question_that_is_given_up_leaves_the_others_answered(file: Path) -> None:
    dump = Dump(write(file, [Row("A"), Row("B")]))

    async def ask() -> Entry | None:
        given_up = asyncio.create_task(dump.get("A", "Singer", None, None))
        kept = asyncio.create_task(dump.get("B", "Singer", None, None))
        await asyncio.sleep(0)
        given_up.cancel()
        return await kept

    found = asyncio.run(ask())
    assert found is not None
    assert found.title == "B"


def test_a_search_finds_the_title_as_a_phrase_and_the_artists_words(file: Path) -> None:
    rows = [Row("Love Me Do", "The Beatles"), Row("Do Love Me", "The Beatles"), Row("Love Me Do")]
    dump = Dump(write(file, rows))
    assert search(dump, "Love me", "Beatles") == ["Love Me Do", "Do Love Me"]
    assert search(dump, "me do", "beatles the") == ["Love Me Do"]
    assert len(search(dump, "Love Me Do")) == 2


def test_a_search_gives_no_more_than_the_servers_twenty(file: Path) -> None:
    assert len(search(Dump(write(file, [Row(f"Song {n}") for n in range(30)])), "Song", "s")) == 0
    dump = Dump(file)
    assert len(search(dump, "Song", "Singer")) == 20


HOSTILE = [
    *('"', 'a" OR name_lower : "', "NEAR(a b)", "a*", "-a", "a AND", "^a", "{a b} : c"),
    *("'; DROP TABLE tracks; --", "\x1b[31m", "\x00", "\ud800", "♥"),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_search_for_signs_that_mean_something_to_sqlite_is_harmless(
    file: Path, hostile: str
) -> None:
    dump = Dump(write(file, [Row("Song")]))
    assert search(dump, hostile, hostile) == []
    assert isinstance(search(dump, "Song", hostile), list)
    assert get(dump, hostile, hostile) is None


def test_without_the_full_text_table_a_search_finds_nothing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dump = Dump(write(file, [Row("Song")], full_text=False))
    assert search(dump, "Song", "Singer") == []
    assert "tracks_fts" in caplog.text
    assert get(dump, "Song") is not None


def test_the_file_is_not_written_and_nothing_appears_beside_it(file: Path) -> None:
    write(file, [Row("Song")])
    before = file.read_bytes()
    file.chmod(0o444)
    dump = Dump(file)
    get(dump, "Song")
    dump.close()
    assert file.read_bytes() == before
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_what_is_not_the_dump_is_refused_with_the_settings_name(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"SEGUE_LYRICS_DUMP: .* is not a file"):
        Dump(tmp_path)
    text = tmp_path / "text"
    text.write_text("not a database, but long enough to be read as one" * 100)
    with pytest.raises(SettingError, match=r"SEGUE_LYRICS_DUMP: .* not an SQLite database"):
        Dump(text)
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(SettingError, match=r"SEGUE_LYRICS_DUMP: .* no table tracks"):
        Dump(empty)
    other = tmp_path / "other"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE tracks (id INTEGER PRIMARY KEY, name TEXT)")
    with pytest.raises(SettingError, match=r"SEGUE_LYRICS_DUMP: .* table tracks lacks name_lower"):
        Dump(other)


def test_a_dump_without_an_index_by_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "slow"
    with sqlite3.connect(file) as database:
        database.executescript(
            SCHEMA.split("CREATE TRIGGER")[0].replace(
                "updated_at DATETIME,\n        UNIQUE (name_lower, artist_name_lower, "
                "album_name_lower, duration)", "updated_at DATETIME",
            )
        )  # fmt: skip
    with pytest.raises(SettingError, match=r"SEGUE_LYRICS_DUMP: .* has no index by names"):
        Dump(file)


def test_a_dump_in_use_is_refused(file: Path) -> None:
    write(file, [Row("Song")])
    file.with_name(f"{file.name}-wal").write_bytes(b"something")
    with pytest.raises(SettingError, match="is in use"):
        Dump(file)


def test_a_damaged_page_fails_the_look_up_and_says_so(file: Path) -> None:
    write(file, [Row(f"Song {n}") for n in range(2_000)])
    dump = Dump(file)
    data = bytearray(file.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    file.write_bytes(data)
    with pytest.raises(ProviderFailed, match="could not be read") as failure:
        get(dump, "Song 1000")
    assert not failure.value.transient


def by_the_servers_rules(
    rows: Sequence[Row], title: str, artist: str, album: str | None, duration: float | None
) -> Row | None:
    """The server's `get`, slowly: every row in turn."""
    if not normalise(title) or not normalise(artist):
        return None
    for row in rows:
        if (normalise(row.title), normalise(row.artist)) != (normalise(title), normalise(artist)):
            continue
        if album is not None and normalise(album) and normalise(row.album) != normalise(album):
            continue
        if duration is not None and (
            row.duration is None or row.duration < duration - 2 or row.duration > duration + 2
        ):
            continue
        return row
    return None


NAMES = st.text(st.sampled_from("aAàÀbıİßΣσё人🎵'’-. &\t\u0301\x00"), max_size=3) | st.sampled_from(
    ["Song", "song!", "SÖNG", "so'ng", ""]
)
LENGTHS = st.none() | st.sampled_from([1.0, 198.0, 199.5, 200.0, 202.0, 202.001, 3600.0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dumps")


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.builds(Row, NAMES, NAMES, NAMES, LENGTHS), max_size=8),
    questions=st.lists(st.tuples(NAMES, NAMES, st.none() | NAMES, LENGTHS), min_size=1, max_size=8),
)
def test_the_dump_answers_as_the_server_would(
    folder: Path,
    rows: list[Row],
    questions: list[tuple[str, str, str | None, float | None]],
) -> None:
    file = folder / "generated.sqlite3"
    file.unlink(missing_ok=True)
    dump = Dump(write(file, rows, full_text=False))
    # Each row's own names as well, so that there is something to find.
    questions += [(r.title, r.artist, r.album, r.duration) for r in rows]

    async def ask() -> list[Entry | None]:
        return list(await asyncio.gather(*(dump.get(*question) for question in questions)))

    answers = asyncio.run(ask())
    dump.close()
    for question, answer in zip(questions, answers, strict=True):
        row = by_the_servers_rules(rows, *question)
        assert (answer and (answer.title, answer.artist, answer.album, answer.duration)) == (
            row and (row.title, row.artist, row.album, row.duration)
        )
