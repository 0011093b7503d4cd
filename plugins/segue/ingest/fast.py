"""The fast path: a whole file decoded as one block, then checked by column."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from segue.ingest.limits import (
    INT32_MAX,
    NAME_LENGTH,
    OPTIONAL_COUNTS,
    URI_ID_LENGTH,
    URI_PREFIXES,
)
from segue.ingest.tables import playlist_type

_BLOCK_LIMIT = 2**31 - 1
_CONSTANT = re.compile(rb"(?:NaN|Inf(?:inity)?)\s*[,}\]]")
_INFO = pa.struct([(f, pa.string()) for f in ("generated_on", "slice", "version")])
_ID_CHARACTER = np.zeros(256, dtype=bool)
_ID_CHARACTER[list(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] = True


def decode_valid(data: bytes) -> pa.StructArray | None:
    """The playlists of a file without any fault, as `tables.playlist_type`; else None.

    None says nothing about which fault it was: the careful path finds out.
    """
    if not 0 < len(data) < _BLOCK_LIMIT or not _is_utf8(data):
        return None
    # In fields it is told to ignore, pyarrow lets NaN pass. Most files have no such field.
    playlists = pa.list_(playlist_type(_flag_type(data)))
    table = _read(data, pa.schema([("info", _INFO), ("playlists", playlists)]), "error")
    if table is None and not _has_constant(data):
        table = _read(data, pa.schema([("playlists", playlists)]), "ignore")
    if table is None:
        return None
    # More rows than one: more documents than one. Each null is a missing or a null field.
    column = table.column("playlists")
    if table.num_rows != 1 or column.num_chunks != 1 or column.null_count:
        return None
    decoded = column.chunk(0).flatten()
    return decoded if _valid(decoded) else None


def _read(data: bytes, schema: pa.Schema, unexpected_field_behavior: str) -> pa.Table | None:
    try:
        return pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema,
                unexpected_field_behavior=unexpected_field_behavior,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _is_utf8(data: bytes) -> bool:
    ends = pa.py_buffer(np.array([0, len(data)], dtype=np.int64))
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(data)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _has_constant(data: bytes) -> bool:
    """Whether NaN or Infinity may stand as a value; a name that looks so is told so too."""
    return _CONSTANT.search(data) is not None


def _flag_type(data: bytes) -> pa.DataType:
    """How the file writes `collaborative`; one that writes it both ways is for the other path."""
    key = data.find(b'"collaborative"')
    value = data[key + 15 : key + 100].lstrip(b" \t\r\n:") if key >= 0 else b'"'
    return pa.bool_() if value.startswith((b"true", b"false")) else pa.string()


def _valid(playlists: pa.StructArray) -> bool:
    required = [playlists.field(f) for f in ("pid", "name", "modified_at", "tracks")]
    if playlists.null_count or any(c.null_count for c in required):
        return False
    pids = playlists.field("pid").to_numpy()
    if len(pids) and (pids.min() < 0 or len(np.unique(pids)) != len(pids)):
        return False
    if not all(_within(playlists.field(f), INT32_MAX) for f in OPTIONAL_COUNTS):
        return False
    if not _within(playlists.field("duration_ms"), None) or not _are_flags(
        playlists.field("collaborative")
    ):
        return False
    entries = playlists.field("tracks").flatten()
    columns = {f.name: entries.field(f.name) for f in entries.type}
    return (
        not entries.null_count
        and not any(c.null_count for c in columns.values())
        and _within(columns["pos"], None)
        and _within(columns["duration_ms"], None)
        and all(_are_uris(columns[f], prefix) for f, prefix in URI_PREFIXES.items())
        and all(_are_short(columns[f]) for f in ("track_name", "artist_name", "album_name"))
        and all(_are_short(playlists.field(f)) for f in ("name", "description"))
    )


def _within(column: pa.Array, highest: int | None) -> bool:
    """Whether all values that are there lie in [0, highest]."""
    ends = pc.min_max(column).as_py()
    if ends["min"] is None:
        return True
    return bool(ends["min"] >= 0 and (highest is None or ends["max"] <= highest))


def _are_flags(column: pa.Array) -> bool:
    if column.type == pa.bool_():
        return True
    return set(column.unique().to_pylist()) <= {"true", "false", None}


def _are_short(column: pa.Array) -> bool:
    # Bytes bound characters from above, and are there for nothing.
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    return longest <= NAME_LENGTH or pc.max(pc.utf8_length(column)).as_py() <= NAME_LENGTH


def _are_uris(column: pa.Array, prefix: bytes) -> bool:
    """Whether all values are `prefix` and an id; they are checked as one matrix of bytes."""
    width = len(prefix) + URI_ID_LENGTH
    count = len(column)
    if not count:
        return True
    _, offsets_buffer, values = column.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[column.offset :][: count + 1]
    if not (np.diff(offsets) == width).all():
        return False
    matrix = np.frombuffer(values, dtype=np.uint8, count=count * width, offset=int(offsets[0]))
    matrix = matrix.reshape(count, width)
    return bool(
        (matrix[:, : len(prefix)] == np.frombuffer(prefix, dtype=np.uint8)).all()
        and _ID_CHARACTER[matrix[:, len(prefix) :]].all()
    )
