"""Vectors of a version as BSON vectors, one document a song or playlist."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bson.binary import VECTOR_SUBTYPE, Binary, BinaryVectorDtype
from bson.int64 import Int64
from pymongo import ReplaceOne

from segue.errors import Fenced, MalformedInput, SegueError
from segue.lake import Lake, Manifest
from segue.store.client import Database, Document
from segue.store.loading import write
from segue.store.parquet import RowGroups, read

_HEAD = BinaryVectorDtype.FLOAT32.value + b"\0"
"""The kind of the numbers, and no padding."""

KEYS = {"track_uri": "track", "pid": None, "word": "row"}
"""The id column of a table, and the column that holds a row's number, if one does."""


def array_key(key: str, manifest: Manifest) -> str:
    """The key of the one array of the partition `key`; raises `MalformedInput`."""
    arrays = [name for name in manifest.files if name.endswith(".npy")]
    if len(arrays) != 1:
        raise MalformedInput(f"{key}: holds {len(arrays)} arrays, wanted one")
    return f"{key}/{arrays[0]}"


def read_rows(lake: Lake, key: str, start: int, count: int) -> npt.NDArray[np.float32]:
    """Rows [start, start + count) of the float32 array at `key`, and nothing else of it.

    Raises `MalformedInput` when it is another array or too short.
    """
    try:
        with lake.open(key) as source:
            shape, width = _header(key, source)
            if start + count > shape:
                raise MalformedInput(
                    f"{key}: holds {shape} rows, row {start + count - 1} is wanted"
                )
            source.seek(start * width * 4, 1)
            data = source.read(count * width * 4)
    except FileNotFoundError:
        raise Fenced(f"{key} was replaced by a newer attempt while it was read") from None
    return np.frombuffer(data, "<f4").reshape(count, width)


def array_rows(lake: Lake, key: str) -> int:
    """How many rows the array at `key` has; raises `MalformedInput`."""
    with lake.open(key) as source:
        return _header(key, source)[0]


def _header(key: str, source: Any) -> tuple[int, int]:
    try:
        version = np.lib.format.read_magic(source)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version](source)
    except (ValueError, KeyError) as error:
        raise MalformedInput(f"{key}: is no .npy array: {error}") from None
    shape, fortran, dtype = header
    if len(shape) != 2 or fortran or dtype != np.dtype("<f4"):
        raise MalformedInput(f"{key}: holds {dtype} of shape {shape}, wanted rows of float32")
    return int(shape[0]), int(shape[1])


class Source(NamedTuple):
    """Where the documents of a collection come from."""

    column: str
    """Of the table, with the ids: "track_uri", "pid" or "word"."""
    arrays: dict[str, str]
    """By field, the key of the array whose row r is that of row r of the table."""
    others: tuple[str, ...] = ()
    """Columns of the table that are stored as they are."""
    sparse: bool = False
    """Whether rows that are all zero are left out: they stand for no vector."""


def load_vectors(db: Database, collection: str, lake: Lake, unit: RowGroups, source: Source) -> int:
    """Writes the vectors of the rows of `unit` of a table; returns how many.

    Raises `MalformedInput` when the table is not in the order of the arrays.
    """
    column = source.column
    number = KEYS[column]
    start, written, before = unit.offset, 0, None
    columns = [column, *([number] if number else []), *source.others]
    for batch in read(lake, unit, columns):
        order = batch.column(number or column).to_numpy()
        if number and (order != np.arange(start, start + len(order))).any():
            raise MalformedInput(f"{unit.key}: {number} is not the number of the row")
        if (np.diff(order) <= 0).any() or (before is not None and order[0] <= before):
            raise MalformedInput(f"{unit.key}: is not sorted by {number or column}")
        before = order[-1]
        rows = {
            field: read_rows(lake, array, start, batch.num_rows)
            for field, array in source.arrays.items()
        }
        written += write(db[collection], _replacements(batch, source, rows))
        start += batch.num_rows
    return written


def vector(row: npt.NDArray[np.float32]) -> Binary:
    """What `Binary.from_vector` makes of the numbers of `row`, without a list of them."""
    return Binary(_HEAD + np.ascontiguousarray(row, "<f4").tobytes(), VECTOR_SUBTYPE)


def _replacements(
    batch: pa.RecordBatch, source: Source, rows: dict[str, npt.NDArray[np.float32]]
) -> list[ReplaceOne[Document]]:
    ids = batch.column(source.column)
    keys = ids.to_pylist() if pa.types.is_string(ids.type) else map(Int64, ids.to_pylist())
    others = batch.select(list(source.others)).to_pylist() or [{}] * batch.num_rows
    writes = []
    for number, (key, other) in enumerate(zip(keys, others, strict=True)):
        if source.sparse and not any(array[number].any() for array in rows.values()):
            continue
        vectors = {field: vector(array[number]) for field, array in rows.items()}
        writes.append(ReplaceOne({"_id": key}, {"_id": key, **vectors, **other}, upsert=True))
    return writes


def verify(db: Database, collection: str, rows: int) -> None:
    """Raises `SegueError` unless `collection` has exactly `rows` documents."""
    stored = db[collection].count_documents({})
    if stored != rows:
        raise SegueError(f"{collection} holds {stored} vectors, wanted {rows}")
