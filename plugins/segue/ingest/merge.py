"""The songs of several files, made one row a song."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segue import schemas


def merge_tracks(tables: Iterable[pa.Table]) -> pa.Table:
    """The tables, each as `schemas.TRACKS`, as one with a row a song and its counts added up.

    A song's names come from the first table that has it.
    """
    merged = pa.concat_tables([schemas.TRACKS.empty_table(), *tables]).combine_chunks()
    encoded = merged.column("track_uri").chunk(0).dictionary_encode() if merged.num_rows else None
    if encoded is None or len(encoded.dictionary) == merged.num_rows:
        return merged
    codes = encoded.indices.to_numpy()
    first = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1) > 0)
    rows = merged.take(pa.array(first))
    for name in ("num_playlists", "num_entries"):
        # Sums below 2**53 are exact in the floats that bincount adds in.
        sums = np.bincount(codes, weights=merged.column(name).to_numpy())
        position = schemas.TRACKS.get_field_index(name)
        rows = rows.set_column(position, schemas.TRACKS.field(name), pa.array(sums, pa.int32()))
    return rows


def split_tracks(tracks: pa.Table, buckets: int) -> list[pa.Table]:
    """`tracks` as `buckets` tables; a song comes into the same one whichever file it is from."""
    if buckets == 1:
        return [tracks]
    bucket = _bucket_of(tracks.column("track_uri").combine_chunks(), buckets)
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(np.bincount(bucket, minlength=buckets))
    ordered = tracks.take(pa.array(order))
    return [
        ordered.slice(start, end - start)
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    ]


def _bucket_of(uris: pa.Array, buckets: int) -> NDArray[np.int64]:
    """A number below `buckets` for each URI, made of its last 16 bytes."""
    if isinstance(uris, pa.ChunkedArray):
        uris = uris.combine_chunks() if uris.num_chunks != 1 else uris.chunk(0)
    count = len(uris)
    if not count:
        return np.zeros(0, dtype=np.int64)
    _, offsets, values = uris.buffers()
    start = int(np.frombuffer(offsets, dtype=np.int32)[uris.offset])
    # All valid track URIs have the same length.
    matrix = np.frombuffer(values, dtype=np.uint8, offset=start)
    width = len("spotify:track:") + 22
    tails = np.ascontiguousarray(matrix[: count * width].reshape(count, width)[:, -16:])
    halves = tails.view(np.uint64)
    mixed = (halves[:, 0] ^ (halves[:, 1] * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(
        0xD6E8FEB86659FD93
    )
    return ((mixed >> np.uint64(32)) % np.uint64(buckets)).astype(np.int64)
