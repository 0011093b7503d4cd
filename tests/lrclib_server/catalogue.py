"""What the stand-in knows, found by the rules of LRCLIB's own server."""

import gzip
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.lyrics.names import normalise
from tests.lrclib_server import made_up

MOST_FOUND = 20


@dataclass(frozen=True)
class Track:
    """A row of the catalogue; `duration` in seconds."""

    id: int
    name: str
    artist: str
    album: str
    duration: float | None
    instrumental: bool = False
    plain: str | None = None
    synced: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What the server answers."""
        return {
            "id": self.id,
            "name": self.name,
            "trackName": self.name,
            "artistName": self.artist,
            "albumName": self.album,
            "duration": self.duration,
            "instrumental": self.instrumental,
            "plainLyrics": self.plain,
            "syncedLyrics": self.synced,
        }


class Catalogue:
    """Tracks, found by exact name and, as LRCLIB's own server does, by SQLite's full-text search.

    Names are given as people write them; None, and what is nothing but punctuation, is no name.
    """

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.tracks = sorted(tracks, key=lambda track: track.id)
        self._by_id = {track.id: track for track in self.tracks}
        self._by_name: dict[tuple[str, str], list[Track]] = defaultdict(list)
        self._texts = sqlite3.connect(":memory:", check_same_thread=False)
        self._texts.execute(
            "CREATE VIRTUAL TABLE tracks_fts USING fts5("
            "name_lower, album_name_lower, artist_name_lower)"
        )
        rows = []
        for track in self.tracks:
            name, artist = normalise(track.name), normalise(track.artist)
            self._by_name[name, artist].append(track)
            rows.append((track.id, name, normalise(track.album), artist))
        self._texts.executemany(
            "INSERT INTO tracks_fts (rowid, name_lower, album_name_lower, artist_name_lower) "
            "VALUES (?, ?, ?, ?)",
            rows,
        )

    def by_id(self, number: int) -> Track | None:
        """The track with this id."""
        return self._by_id.get(number)

    def get(
        self, name: str, artist: str, album: str | None, duration: float | None
    ) -> Track | None:
        """The first track with these names, the album if one is given, duration within 2 s."""
        name, artist, album = normalise(name), normalise(artist), normalise(album or "")
        if not name or not artist:
            return None
        for track in self._by_name.get((name, artist), []):
            if album and normalise(track.album) != album:
                continue
            if duration is not None and (
                track.duration is None or not duration - 2 <= track.duration <= duration + 2
            ):
                continue
            return track
        return None

    def search(
        self,
        name: str | None = None,
        artist: str | None = None,
        album: str | None = None,
        q: str | None = None,
    ) -> list[Track]:
        """Up to 20 tracks with `q` in any name, or else with `name` and what else is given.

        Raises `sqlite3.OperationalError` for what full-text search does not take.
        """
        name, artist, album, q = (normalise(text or "") for text in (name, artist, album, q))
        if not q and not name:
            return []
        query = q
        if not query:
            query = f'(name_lower : "{name}")'
            # As the server writes it: of several words only the first must be the artist's.
            query += f"AND (artist_name_lower : {artist})" if artist else ""
            query += f'AND (album_name_lower : "{album}")' if album else ""
        ranked = len((q or name).split()) > 3 or (not q and bool(artist or album))
        found = self._texts.execute(
            f"SELECT rowid FROM tracks_fts WHERE tracks_fts MATCH ? "
            f"{'ORDER BY rank' if ranked else ''} LIMIT {MOST_FOUND}",
            (query,),
        )
        return [self._by_id[number] for (number,) in found]


def read(file: Path) -> Catalogue:
    """The catalogue of a JSON file: a list of objects with the fields of `Track` but `id`."""
    rows = json.loads(file.read_text())
    return Catalogue(Track(id=number, **row) for number, row in enumerate(rows, start=1))


def made_up_for(folder: Path) -> Catalogue:
    """Made-up texts for most songs of the MPD slices in `folder`; a few have none."""
    return Catalogue(made_up_tracks(songs_of(folder)))


def made_up_tracks(songs: Iterable[tuple[str, str, str, int]]) -> Iterator[Track]:
    """The tracks, with made-up texts, of songs given as title, artist, album and milliseconds."""
    for number, (title, artist, album, duration_ms) in enumerate(songs, start=1):
        kind = made_up.kind(title, artist)
        if kind != "absent":
            text = made_up.text(title, artist) if kind == "text" else None
            yield Track(
                number, title, artist, album, duration_ms / 1000, kind == "instrumental", text
            )


def songs_of(folder: Path) -> list[tuple[str, str, str, int]]:
    """The distinct songs of the slices in `folder`, as title, artist, album and milliseconds."""
    songs: dict[tuple[str, str, str, int], None] = {}
    for file in sorted(folder.glob("**/*.json*")):
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for playlist in json.loads(data).get("playlists", []):
            for t in playlist["tracks"]:
                song = (t["track_name"], t["artist_name"], t["album_name"], t["duration_ms"])
                songs[song] = None
    return list(songs)
