"""LRCLIB's own database, which it publishes as an SQLite file: the way to ask about millions."""

import asyncio
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from segue.errors import SettingError
from segue.lyrics.lookup import Entry, ProviderFailed
from segue.lyrics.names import normalise

log = logging.getLogger(__name__)

SETTING = "SEGUE_LYRICS_DUMP"

_COLUMNS = {
    "tracks": (
        "id name name_lower artist_name artist_name_lower album_name album_name_lower duration "
        "last_lyrics_id"
    ),
    "lyrics": "id plain_lyrics synced_lyrics instrumental",
}
# `+id`: to have the rows in order for nothing, SQLite would take the index by artist alone.
_CANDIDATES = """
    SELECT id, album_name_lower, duration FROM tracks
    WHERE name_lower = ? AND artist_name_lower = ? ORDER BY +id
"""
_ENTRY = """
    SELECT tracks.name, tracks.artist_name, tracks.album_name, tracks.duration,
           lyrics.instrumental, lyrics.plain_lyrics, lyrics.synced_lyrics
    FROM tracks LEFT JOIN lyrics ON tracks.last_lyrics_id = lyrics.id
"""
# As the server writes it; `rank` orders because an artist is always asked for too.
_SEARCH = f"""
    WITH hits AS MATERIALIZED (
        SELECT rowid AS id, row_number() OVER () AS place FROM (
            SELECT rowid FROM tracks_fts WHERE tracks_fts MATCH ? ORDER BY rank LIMIT 20
        )
    ) {_ENTRY} JOIN hits ON hits.id = tracks.id ORDER BY hits.place
"""
_REMEMBERED = 1_024


class _Question(NamedTuple):
    title: str
    artist: str
    album: str | None
    duration: float | None


class Dump:
    """A `Catalogue` over LRCLIB's dump at `path`, which is opened read-only and never written.

    Answers as the server does: the first entry by id with these normalised names, this album and a
    duration within 2 s if they are named, with its latest lyrics. Questions that are asked together
    are answered together, in the order of the index. The file must not change meanwhile.

    Raises `SettingError` when it is not such a file, or lacks the index that makes it quick.
    Source: `track_repository.rs` and the migrations of github.com/tranxuanthang/lrclib.
    """

    name = "dump"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _open(path)
        self._searchable = _has_search(self._connection)
        if not self._searchable:
            log.warning("%s has no table tracks_fts: only exact names are found in it", path)
        # SQLite answers one question at a time, and away from the event loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lyrics-dump")
        # A song is asked for with its album and then without: the same rows.
        self._candidates = lru_cache(maxsize=_REMEMBERED)(self._read_candidates)
        self._asked: list[tuple[_Question, asyncio.Future[Entry | None]]] = []

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        """The entry with exactly these names, as the server would give it.

        Raises `ProviderFailed` when the file can't be read.
        """
        question = _Question(
            normalise(title), normalise(artist), normalise(album or "") or None, duration
        )
        if not question.title or not question.artist:
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Entry | None] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._answer_all, loop)
        self._asked.append((question, answer))
        return await answer

    async def search(self, title: str, artist: str) -> list[Entry]:
        """Up to 20 entries that have `title` as a phrase and the words of `artist`, best first.

        Empty without the full-text table. Raises `ProviderFailed` when the file can't be read.
        """
        query = _match(title, artist)
        if not self._searchable or query is None:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._find, query)

    def close(self) -> None:
        """Closes the file; what is still being asked is answered first."""
        self._thread.shutdown()
        self._connection.close()

    def _answer_all(self, loop: asyncio.AbstractEventLoop) -> None:
        asked, self._asked = self._asked, []
        questions = [question for question, _ in asked]
        batch = loop.run_in_executor(self._thread, self._entries, questions)
        batch.add_done_callback(lambda done: _hand_out(done, [answer for _, answer in asked]))

    def _entries(self, questions: list[_Question]) -> list[Entry | None]:
        # Neighbours in the index are neighbours in the file.
        order = sorted(range(len(questions)), key=lambda i: questions[i][:2])
        entries: list[Entry | None] = [None] * len(questions)
        for index in order:
            entries[index] = self._entry(questions[index])
        return entries

    def _entry(self, question: _Question) -> Entry | None:
        try:
            for id_, album, duration in self._candidates(question.title, question.artist):
                if question.album is not None and album != question.album:
                    continue
                if question.duration is not None and not (
                    isinstance(duration, float | int)
                    and question.duration - 2 <= duration <= question.duration + 2
                ):
                    continue
                row = self._connection.execute(f"{_ENTRY} WHERE tracks.id = ?", (id_,)).fetchone()
                return _as_entry(row)
        except UnicodeEncodeError:
            # Half a surrogate pair: no name in the file has one.
            return None
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return None

    def _read_candidates(self, title: str, artist: str) -> list[tuple[int, str | None, object]]:
        return self._connection.execute(_CANDIDATES, (title, artist)).fetchall()

    def _find(self, query: str) -> list[Entry]:
        try:
            return [_as_entry(row) for row in self._connection.execute(_SEARCH, (query,))]
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> ProviderFailed:
        return ProviderFailed(f"{self._path} could not be read: {error}", transient=False)


def _hand_out(
    done: "asyncio.Future[list[Entry | None]]", answers: list["asyncio.Future[Entry | None]"]
) -> None:
    """Gives each asker its answer; one that was cancelled meanwhile wants none."""
    waiting = [(index, answer) for index, answer in enumerate(answers) if not answer.done()]
    if done.cancelled():
        for _, answer in waiting:
            answer.cancel()
    elif error := done.exception():
        for _, answer in waiting:
            answer.set_exception(error)
    else:
        entries = done.result()
        for index, answer in waiting:
            answer.set_result(entries[index])


def _match(title: str, artist: str) -> str | None:
    """The full-text query that the server makes of these names; None if there is nothing to ask.

    `normalise` leaves letters, digits and blanks, and control characters, which FTS5 refuses.
    """
    name, by = (
        " ".join("".join(c if c.isprintable() else " " for c in normalise(text)).split())
        for text in (title, artist)
    )
    try:
        f"{name}{by}".encode()
    except UnicodeEncodeError:
        return None
    if not name:
        return None
    by_artist = f"AND (artist_name_lower : {by})" if by else ""
    return f'(name_lower : "{name}"){by_artist}'


def _as_entry(row: tuple[object, ...]) -> Entry:
    name, artist, album, duration, instrumental, plain, synced = row
    return Entry(
        title=str(name or ""),
        artist=str(artist or ""),
        album=str(album or ""),
        duration=float(duration) if isinstance(duration, float | int) else None,
        instrumental=bool(instrumental),
        plain=plain if isinstance(plain, str) else None,
        synced=synced if isinstance(synced, str) else None,
    )


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise SettingError(f"{SETTING}: {path} is not a file")
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise SettingError(f"{SETTING}: {path} is in use ({journal.name} beside it); name a copy")
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise SettingError(f"{SETTING}: {path} can't be opened: {error}") from None
    try:
        _check(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise SettingError(f"{SETTING}: {path} is not an SQLite database: {error}") from None
    except SettingError:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    for table, columns in _COLUMNS.items():
        there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        if missing := [column for column in columns.split() if column not in there]:
            what = f"table {table} lacks {', '.join(missing)}" if there else f"no table {table}"
            raise SettingError(f"{SETTING}: {path} is not LRCLIB's dump: {what}")
    plan = connection.execute(f"EXPLAIN QUERY PLAN {_CANDIDATES}", ("", "")).fetchall()
    if any(str(row[3]).startswith("SCAN") for row in plan):
        raise SettingError(
            f"{SETTING}: {path} has no index by names, so that each look-up would read all of it; "
            "make one with: CREATE INDEX names ON tracks (name_lower, artist_name_lower)"
        )


def _has_search(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT rowid FROM tracks_fts WHERE tracks_fts MATCH ? LIMIT 1", ("a",))
    except sqlite3.Error:
        return False
    return True
