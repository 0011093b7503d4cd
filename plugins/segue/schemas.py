"""Every table's and document's shape, once."""

import pyarrow as pa

FORMAT = 1
"""Part of every digest: raised when what a table holds changes its meaning."""

TRACK_URI_PATTERN = r"^spotify:track:[0-9A-Za-z]{22}$"
ARTIST_URI_PATTERN = r"^spotify:artist:[0-9A-Za-z]{22}$"
ALBUM_URI_PATTERN = r"^spotify:album:[0-9A-Za-z]{22}$"

PLAYLISTS = pa.schema(
    [
        pa.field("pid", pa.int64(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("description", pa.string()),
        pa.field("collaborative", pa.bool_()),
        # Seconds since 1970; negative for shows older than that.
        pa.field("modified_at", pa.int64(), nullable=False),
        # Counted from the tracks; the other counts are as the source states them.
        pa.field("num_tracks", pa.int32(), nullable=False),
        pa.field("num_albums", pa.int32()),
        pa.field("num_artists", pa.int32()),
        pa.field("num_followers", pa.int32()),
        pa.field("num_edits", pa.int32()),
        pa.field("duration_ms", pa.int64()),
        # In the order of the positions; a song may stand in a playlist twice.
        pa.field("track_uris", pa.list_(pa.string()), nullable=False),
    ]
)
"""`staging/playlists/dt=…`: one row a playlist, unique by pid."""

TRACKS = pa.schema(
    [
        pa.field("track_uri", pa.string(), nullable=False),
        pa.field("track_name", pa.string(), nullable=False),
        pa.field("artist_uri", pa.string(), nullable=False),
        pa.field("artist_name", pa.string(), nullable=False),
        pa.field("album_uri", pa.string(), nullable=False),
        pa.field("album_name", pa.string(), nullable=False),
        pa.field("duration_ms", pa.int64(), nullable=False),
        # Playlists of this drop that hold the song, and its entries in them.
        pa.field("num_playlists", pa.int32(), nullable=False),
        pa.field("num_entries", pa.int32(), nullable=False),
    ]
)
"""`staging/tracks/dt=…`: one row a song of the drop, unique by track_uri."""

QUARANTINE_FIELDS = ("file", "bytes", "path", "pid", "reason", "raw", "raw_truncated")
"""Keys of a line of `quarantine/dt=…/*.jsonl`.

`bytes` is [start, end) in the decompressed file, `path` as `$.playlists[17].tracks[3].pos`,
`raw` the record's text (invalid UTF-8 as surrogate escapes in `\\udcXX` form).
"""

CORPUS_PLAYLISTS = pa.schema(
    [
        pa.field("pid", pa.int64(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("modified_at", pa.int64(), nullable=False),
        # Track indices in playlist order.
        pa.field("tracks", pa.list_(pa.int32()), nullable=False),
    ]
)
"""`corpus/<version>/playlists`: sorted by pid."""

CORPUS_TRACKS = pa.schema(
    [
        # 0 is the song with most entries; ties by URI.
        pa.field("track", pa.int32(), nullable=False),
        *[f for f in TRACKS if f.name not in ("num_playlists", "num_entries")],
        pa.field("num_playlists", pa.int32(), nullable=False),
        pa.field("num_entries", pa.int32(), nullable=False),
    ]
)
"""`corpus/<version>/tracks`: sorted by track."""

LYRICS = pa.schema(
    [
        pa.field("track_uri", pa.string(), nullable=False),
        # found or instrumental; songs without an answer have no row.
        pa.field("status", pa.string(), nullable=False),
        # ISO 639-1, found lyrics only; null: not told with certainty.
        pa.field("language", pa.string()),
        # One of the two, found lyrics only: the text, or where only counts are kept the words
        # (sorted) and how often each occurs.
        pa.field("text", pa.string()),
        pa.field("words", pa.list_(pa.string())),
        pa.field("counts", pa.list_(pa.int32())),
    ]
)
"""`staging/lyrics` and `corpus/<version>/lyrics`: sorted by track_uri, unique."""

TRACKS_WITH_LYRICS = pa.schema(
    [
        *[f for f in TRACKS if f.name not in ("num_playlists", "num_entries")],
        pa.field("num_playlists", pa.int32(), nullable=False),
        *[f.with_nullable(True) for f in LYRICS if f.name != "track_uri"],
    ]
)
"""`staging/tracks_with_lyrics`: every song of the store, with its lyrics where there are some."""
