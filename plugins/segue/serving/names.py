"""The names of a bundle: songs and playlists in one SQLite file, and the words they are found by.

Row ids are track indices and playlist rows. Words are folded before SQLite sees them
(`segue.serving.text`), so its tokenizer only has to split at spaces.
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.serving.text import artist_words, index_words, title_words, words

MMAP_BYTES = 1 << 31
_VARIABLES = 900

_SCHEMA = """
CREATE TABLE songs (
    track INTEGER PRIMARY KEY, uri TEXT NOT NULL, title TEXT NOT NULL, artist TEXT NOT NULL,
    artist_uri TEXT NOT NULL, album TEXT NOT NULL, duration_ms INTEGER NOT NULL,
    playlists INTEGER NOT NULL, title_key INTEGER NOT NULL, artist_key INTEGER NOT NULL
);
CREATE TABLE playlists (
    row INTEGER PRIMARY KEY, name TEXT NOT NULL, name_key INTEGER NOT NULL
);
"""
_INDEX = """
CREATE VIRTUAL TABLE {index} USING fts5(
    words, content='', columnsize=0, detail=none, prefix='1 2 3 4 5', tokenize='ascii'
);
INSERT INTO {index}({index}, rank) VALUES ('hashsize', 33554432);
CREATE VIRTUAL TABLE {index}_vocabulary USING fts5vocab({index}, row);
"""
# Words by first character and length, for finding what a misspelt one may have been.
_WORDS = """
INSERT INTO {index}({index}) VALUES ('optimize');
CREATE TABLE {index}_words (
    bucket INTEGER, word TEXT, count INTEGER NOT NULL, PRIMARY KEY (bucket, word)
) WITHOUT ROWID;
INSERT INTO {index}_words
    SELECT unicode(term) * 256 + min(length(term), 255), term, doc FROM {index}_vocabulary
    ORDER BY 1, 2;
CREATE TABLE {index}_common (rank INTEGER PRIMARY KEY, word TEXT, count INTEGER NOT NULL);
INSERT INTO {index}_common(word, count)
    SELECT word, count FROM {index}_words ORDER BY count DESC, word LIMIT 20000;
DROP TABLE {index}_vocabulary;
"""


@dataclass(frozen=True)
class Song:
    """A song as people and scripts see it."""

    track: int
    uri: str
    title: str
    artist: str
    artist_uri: str
    album: str
    duration_ms: int
    playlists: int
    """Playlists that hold it."""


class Names:
    """A bundle's SQLite file, read-only and memory-mapped; every thread has its own connection."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self._local = threading.local()

    def query(self, sql: str, parameters: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that `sql` gives."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(self._uri, uri=True)
            connection.execute(f"PRAGMA mmap_size = {MMAP_BYTES}")
        return connection.execute(sql, tuple(parameters)).fetchall()

    def songs(self, tracks: Iterable[int]) -> list[Song]:
        """The songs with these track indices, in this order."""
        wanted = [int(t) for t in tracks]
        found = self._by_key("SELECT * FROM songs WHERE track", wanted)
        return [Song(*found[track][:8]) for track in wanted]

    def track_of(self, uri: str) -> int | None:
        """The index of the song with this URI."""
        rows = self.query("SELECT track FROM songs WHERE uri = ?", [uri])
        return int(rows[0][0]) if rows else None

    def playlist_names(self, rows: Iterable[int]) -> list[str]:
        """The names of the playlists in these rows."""
        wanted = [int(r) for r in rows]
        found = self._by_key("SELECT row, name FROM playlists WHERE row", wanted)
        return [str(found[row][1]) for row in wanted]

    def _by_key(self, select: str, keys: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        found = {}
        for begin in range(0, len(keys), _VARIABLES):
            part = keys[begin : begin + _VARIABLES]
            rows = self.query(f"{select} IN ({','.join('?' * len(part))})", part)
            found.update({int(row[0]): row for row in rows})
        return found


def key_of(found: Iterable[str]) -> int:
    """What the columns `title_key`, `artist_key` and `name_key` hold for these words."""
    return zlib.crc32(" ".join(found).encode())


def write_names(
    path: Path,
    songs: Iterable[tuple[int, str, str, str, str, str, int, int]],
    playlists: Iterable[tuple[int, str]],
) -> None:
    """Writes the SQLite file; `songs` in the order of `Song`'s fields, `playlists` (row, name).

    The same rows give the same bytes.
    """
    loose = path.with_suffix(".loose")
    with closing(sqlite3.connect(loose, isolation_level=None)) as database:
        # Nobody reads a file that was not written whole: no journal, no syncs.
        for pragma in ("page_size=4096", "journal_mode=off", "synchronous=off",
                       "cache_size=-65536"):  # fmt: skip
            database.execute(f"PRAGMA {pragma}")
        database.executescript(_SCHEMA)
        for index in ("song_index", "playlist_index"):
            database.executescript(_INDEX.format(index=index))
        database.execute("BEGIN")
        for song in songs:
            _, _, title, artist, *_ = song
            keys = key_of(title_words(title)), key_of(artist_words(artist))
            database.execute("INSERT INTO songs VALUES (?,?,?,?,?,?,?,?,?,?)", (*song, *keys))
            found = index_words(f"{title} {artist}")
            database.execute(
                "INSERT INTO song_index(rowid, words) VALUES (?,?)", (song[0], " ".join(found))
            )
        for row, name in playlists:
            key = key_of(words(name))
            database.execute("INSERT INTO playlists VALUES (?,?,?)", (row, name, key))
            database.execute(
                "INSERT INTO playlist_index(rowid, words) VALUES (?,?)",
                (row, " ".join(index_words(name))),
            )
        database.execute("COMMIT")
        for index in ("song_index", "playlist_index"):
            database.executescript(_WORDS.format(index=index))
        database.executescript("""
            CREATE UNIQUE INDEX song_uri ON songs(uri);
            CREATE INDEX song_title ON songs(title_key);
            CREATE INDEX song_artist ON songs(artist_key);
            CREATE INDEX playlist_name ON playlists(name_key);
        """)
        problem = database.execute("PRAGMA quick_check").fetchone()[0]
        if problem != "ok":
            raise AssertionError(f"{path.name}: {problem}")
        database.execute("VACUUM INTO ?", (str(path),))
    loose.unlink()


def batches_of_songs(columns: dict[str, list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Rows for `write_names` from the columns of a corpus track table."""
    return zip(
        columns["track"], columns["track_uri"], columns["track_name"], columns["artist_name"],
        columns["artist_uri"], columns["album_name"], columns["duration_ms"],
        columns["num_playlists"], strict=True,
    )  # fmt: skip
