"""From decoded playlists to the two staging tables, touching the text of each song once."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segue import schemas

TRACK = pa.struct(
    [
        ("pos", pa.int64()),
        ("track_uri", pa.string()),
        ("track_name", pa.string()),
        ("artist_uri", pa.string()),
        ("artist_name", pa.string()),
        ("album_uri", pa.string()),
        ("album_name", pa.string()),
        ("duration_ms", pa.int64()),
    ]
)
"""An entry of a playlist as it stands in the file."""


def playlist_type(collaborative: pa.DataType) -> pa.StructType:
    """A playlist as it stands in the file; sources write `collaborative` as text or as a bool."""
    return pa.struct(
        [
            ("name", pa.string()),
            ("description", pa.string()),
            ("collaborative", collaborative),
            ("pid", pa.int64()),
            ("modified_at", pa.int64()),
            ("num_tracks", pa.int64()),
            ("num_albums", pa.int64()),
            ("num_artists", pa.int64()),
            ("num_followers", pa.int64()),
            ("num_edits", pa.int64()),
            ("duration_ms", pa.int64()),
            ("tracks", pa.list_(TRACK)),
        ]
    )


@dataclass(frozen=True)
class Tables:
    """What the valid playlists of one file become."""

    playlists: pa.Table
    """As `schemas.PLAYLISTS`, in the order of the file."""
    tracks: pa.Table
    """As `schemas.TRACKS`: one row a song, in order of first appearance, counted in this file."""
    entries: int


def tables_of(playlists: pa.StructArray) -> Tables:
    """The two tables made from valid playlists, an array of `playlist_type`.

    A song's names come from its first entry in the order of the file; the entries of a playlist
    are put in the order of their positions, ties in the order of the file.
    """
    tracks = playlists.field("tracks")
    offsets = tracks.offsets.to_numpy()
    entries = tracks.values.slice(offsets[0], offsets[-1] - offsets[0])
    offsets = offsets - offsets[0]
    sizes = np.diff(offsets)

    uris = entries.field("track_uri")
    encoded = uris.dictionary_encode()
    codes = encoded.indices.to_numpy()
    songs = len(encoded.dictionary)
    # A dictionary lists its values in the order of first appearance: an entry is a song's first
    # one where the running maximum of the codes grows.
    highest = np.maximum.accumulate(codes) if len(codes) else codes
    first = np.flatnonzero(np.diff(highest, prepend=-1) > 0)
    owner = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    pairs = np.sort(owner * songs + codes)
    distinct = pairs[np.diff(pairs, prepend=-1) != 0]

    positions = entries.field("pos").to_numpy()
    falls = np.diff(positions) < 0
    falls &= np.diff(owner) == 0
    if falls.any():
        uris = uris.take(pa.array(np.lexsort((positions, owner))))

    first_entries = entries.take(pa.array(first))
    columns = {f.name: first_entries.field(f.name) for f in TRACK if f.name in schemas.TRACKS.names}
    columns["num_playlists"] = _int32(np.bincount(distinct % max(songs, 1), minlength=songs))
    columns["num_entries"] = _int32(np.bincount(codes, minlength=songs))

    rows = {f.name: playlists.field(f.name) for f in schemas.PLAYLISTS if f.name != "track_uris"}
    rows["num_tracks"] = _int32(sizes)
    for count in ("num_albums", "num_artists", "num_followers", "num_edits"):
        rows[count] = rows[count].cast(pa.int32())
    if rows["collaborative"].type != pa.bool_():
        rows["collaborative"] = pc.equal(rows["collaborative"], "true")
    rows["track_uris"] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), uris)
    return Tables(
        playlists=pa.table(rows, schema=schemas.PLAYLISTS),
        tracks=pa.table(columns, schema=schemas.TRACKS),
        entries=len(codes),
    )


def _int32(counts: np.ndarray) -> pa.Array:
    return pa.array(counts.astype(np.int32))
