"""Drops in a test's own words: the staging tables of a few playlists."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from segue.lake import Lake, Manifest, begin
from segue.schemas import PLAYLISTS, TRACKS

Playlists = Mapping[str, Sequence[str]]
"""`{"7@90 Road trip": ["Waterloo", …]}`: pid, modified_at (or 0 without it), name and songs."""


def uri(song: str) -> str:
    """The URI of a song."""
    return "spotify:track:" + song.encode().hex().ljust(22, "0")[:22]


def tables(playlists: Playlists, names: str = "") -> tuple[pa.Table, pa.Table]:
    """The staging tables of a drop; `names` is added to every song's name."""
    rows, entries, holders = [], Counter[str](), Counter[str]()
    for title, songs in playlists.items():
        number, _, name = title.partition(" ")
        pid, _, modified_at = number.partition("@")
        rows.append(_playlist(int(pid), name, int(modified_at or 0), songs))
        entries.update(songs)
        holders.update(set(songs))
    tracks = [_track(song, song + names, holders[song], entries[song]) for song in entries]
    return pa.Table.from_pylist(rows, PLAYLISTS), pa.Table.from_pylist(tracks, TRACKS)


def write_drop(
    lake: Lake,
    date: str,
    playlists: Playlists,
    *,
    names: str = "",
    row_group_size: int = 1_000,
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Commits a drop to staging; returns its token."""
    attempt = begin(lake, f"staging/dt={date}")
    outputs = {}
    tabled = dict(zip(("playlists", "tracks"), tables(playlists, names), strict=True))
    counts = {"playlists_in": len(playlists), "playlists_out": len(playlists)}
    counts |= {"playlists_quarantined": 0, **(facts or {})}
    for name, rows in tabled.items():
        key = f"staging/{name}/dt={date}"
        files = [attempt.file_name("part-00000", "parquet")] if rows.num_rows else []
        for file in files:
            with lake.writer(f"{attempt.work}/{key}/{file}") as out:
                pq.write_table(rows, out, row_group_size=row_group_size)
        outputs[key] = Manifest(files, attempt.token, "digest", rows.num_rows, dict(counts))
    attempt.commit(outputs)
    return attempt.token


def _playlist(pid: int, name: str, modified_at: int, songs: Sequence[str]) -> dict[str, Any]:
    return {
        "pid": pid,
        "name": name,
        "collaborative": False,
        "modified_at": modified_at,
        "num_tracks": len(songs),
        "track_uris": [uri(song) for song in songs],
    }


def _track(song: str, name: str, playlists: int, entries: int) -> dict[str, Any]:
    return {
        "track_uri": uri(song),
        "track_name": name,
        "artist_uri": "spotify:artist:" + "0" * 22,
        "artist_name": f"artist of {song}",
        "album_uri": "spotify:album:" + "0" * 22,
        "album_name": "",
        "duration_ms": 180_000,
        "num_playlists": playlists,
        "num_entries": entries,
    }
