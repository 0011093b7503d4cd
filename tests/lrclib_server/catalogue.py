"""What the stand-in knows, found by the rules of LRCLIB's own server."""

import gzip
import json
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
    """Tracks, found by exact name and by words."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.tracks = sorted(tracks, key=lambda track: track.id)
        self._by_name: dict[tuple[str, str], list[Track]] = defaultdict(list)
        for track in self.tracks:
            self._by_name[normalise(track.name), normalise(track.artist)].append(track)

    def get(
        self, name: str, artist: str, album: str | None, duration: float | None
    ) -> Track | None:
        """The first track with these names, the album if one is given, duration within 2 s."""
        for track in self._by_name.get((normalise(name), normalise(artist)), []):
            if album and normalise(album) and normalise(track.album) != normalise(album):
                continue
            if duration is not None and (
                track.duration is None or not duration - 2 <= track.duration <= duration + 2
            ):
                continue
            return track
        return None

    def search(self, name: str, artist: str) -> list[Track]:
        """Tracks whose name has `name` as a phrase and whose artist has the words of `artist`."""
        phrase, words = f" {normalise(name)} ", set(normalise(artist).split())
        found = (
            track
            for track in self.tracks
            if phrase in f" {normalise(track.name)} "
            and words <= set(normalise(track.artist).split())
        )
        return [track for track, _ in zip(found, range(MOST_FOUND), strict=False)]


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
