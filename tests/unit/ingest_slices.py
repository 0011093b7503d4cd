"""Slices in a test's own words."""

import json
from typing import Any

PRETTY = 4


def song(title: str, pos: int = 0, **fields: Any) -> dict[str, Any]:
    """An entry of a playlist, as MPD writes it."""
    ident = title.encode().hex().ljust(22, "0")[:22]
    return {
        "pos": pos,
        "artist_name": f"Artist of {title}",
        "track_uri": f"spotify:track:{ident}",
        "artist_uri": f"spotify:artist:{ident}",
        "track_name": title,
        "album_uri": f"spotify:album:{ident}",
        "duration_ms": 180_000,
        "album_name": "",
        **fields,
    }


def playlist(pid: int, /, *titles: str, **fields: Any) -> dict[str, Any]:
    """A playlist of songs, as MPD writes it."""
    return {
        "name": f"Playlist {pid}",
        "collaborative": "false",
        "pid": pid,
        "modified_at": 1_500_000_000,
        "num_tracks": len(titles),
        "num_albums": 1,
        "num_followers": 1,
        "num_edits": 1,
        "duration_ms": 0,
        "num_artists": 1,
        "tracks": [song(title, pos) for pos, title in enumerate(titles)],
        **fields,
    }


def slice_of(*playlists: Any, indent: int | None = PRETTY) -> bytes:
    """A slice with these playlists."""
    info = {"generated_on": "2021-05-09 00:00:00", "slice": "0-999", "version": "v1"}
    return json.dumps({"info": info, "playlists": list(playlists)}, indent=indent).encode()
