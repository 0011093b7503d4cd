"""Bulk upserts of playlists and songs that end the same in any order, however often repeated.

A playlist's document is the version with the greatest (modified_at, dt, commit). A song's names
are those of the greatest (dt, commit); `first_dt` and `last_dt` are the first and the last drop
that held it, and `first_commit`, `last_commit` the commits of these drops that said so. Every
upsert is one atomic update on the server, so loads of any dates and attempts may run at once.

What a re-landed drop no longer holds is `segue.store.withdrawal`'s business.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bson.errors import BSONError
from bson.int64 import Int64
from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)

from segue.errors import MalformedInput, SegueError
from segue.schemas import PLAYLISTS
from segue.store.client import Database, Document
from segue.store.collections import NO_DATE, TRACK_FIELDS
from segue.store.counters import check_load, next_token

__all__ = ["load_playlists", "load_tracks", "next_token", "recount", "write"]

Rows: TypeAlias = "pa.Table | pa.RecordBatch"
Writes = Sequence[UpdateOne | ReplaceOne[Document] | DeleteOne]

BATCH_ROWS = 1_000
BATCH_BYTES = 8 << 20
TRIES = 8

_DUPLICATE_KEY = 11000
_TOO_LARGE = 10334
_URI_BYTES = 48
_INT64 = {f.name for f in PLAYLISTS if f.type == pa.int64()}


def load_playlists(db: Database, rows: Rows, date: str, commit: int) -> int:
    """Upserts `rows` (schema PLAYLISTS) of the drop of `date` as of `commit`; returns how many.

    Raises `Fenced` when a newer commit of that drop is being loaded, `MalformedInput` for a row
    that MongoDB refuses, `SegueError` when it stays out of reach.
    """
    return _load(db, "playlists", rows, date, commit, playlist_updates)


def load_tracks(db: Database, rows: Rows, date: str, commit: int) -> int:
    """Upserts `rows` (schema TRACKS) of the drop of `date` as of `commit`; returns how many.

    Raises as `load_playlists` does.
    """
    return _load(db, "tracks", rows, date, commit, track_updates)


def recount(db: Database, token: int) -> None:
    """Sets `tracks.num_playlists` to the number of playlists in the store that hold the song.

    A playlist counts once however often it holds the song. `token` comes from
    `next_token(db, "recount")`, taken after the writes that this count must see: a count with a
    lower token never overwrites that of a higher one, however late it arrives.
    """
    counted = {"$lte": ["$counted_by", token]}
    keep = {
        "$cond": [counted, {"num_playlists": "$$new.held", "counted_by": token}, {}],
    }
    db.playlists.aggregate(
        [
            {"$project": {"uri": {"$setUnion": ["$track_uris", []]}}},
            {"$unwind": "$uri"},
            {"$group": {"_id": "$uri", "held": {"$sum": 1}}},
            {
                "$merge": {
                    "into": "tracks",
                    "whenMatched": [{"$replaceWith": {"$mergeObjects": ["$$ROOT", keep]}}],
                    # A song without a name is that of a playlist whose load has just begun.
                    "whenNotMatched": "discard",
                }
            },
        ],
        allowDiskUse=True,
    )
    db.tracks.update_many(
        {"counted_by": {"$lt": token}}, {"$set": {"num_playlists": 0, "counted_by": token}}
    )


def _load(
    db: Database,
    name: str,
    rows: Rows,
    date: str,
    commit: int,
    updates: Callable[[pa.RecordBatch, str, int], list[UpdateOne]],
) -> int:
    written = 0
    for batch in bounded(rows):
        check_load(db, date, commit)
        written += write(db[name], updates(batch, date, commit))
    return written


def playlist_updates(batch: pa.RecordBatch, date: str, commit: int) -> list[UpdateOne]:
    """One upsert a row, which replaces the stored playlist unless that one is newer."""
    stored = ["$modified_at", "$dt", "$commit"]
    updates = []
    for document in _playlists(batch):
        document |= {"dt": date, "commit": commit}
        mine = [document["modified_at"], date, commit]
        # Arrays compare item by item, and what is missing comes before everything.
        newer = {"$gte": [{"$literal": mine}, stored]}
        # Names come from people: `$literal` keeps one such as "$name" from being evaluated.
        mine_marked = {"$mergeObjects": [{"$literal": document}, {"withdrawn": "$withdrawn"}]}
        winner = {"$cond": [newer, mine_marked, "$$ROOT"]}
        updates.append(UpdateOne({"_id": document["_id"]}, [{"$replaceWith": winner}], upsert=True))
    return updates


def track_updates(batch: pa.RecordBatch, date: str, commit: int) -> list[UpdateOne]:
    """One upsert a row, which gives the song its names if none are newer, and widens its dates."""
    later = {"$gte": [{"$literal": [date, commit]}, ["$last_dt", "$last_commit"]]}
    earlier = {
        "$or": [
            # What is missing comes before the empty string, which is that of a withdrawn song.
            {"$lte": ["$first_dt", NO_DATE]},
            {"$gt": ["$first_dt", date]},
            {"$and": [{"$eq": ["$first_dt", date]}, {"$lte": ["$first_commit", commit]}]},
        ]
    }
    first = {"$cond": [earlier, {"first_dt": date, "first_commit": commit}, {}]}
    new = {"num_playlists": 0, "counted_by": 0}
    updates = []
    for song in _songs(batch):
        uri = song.pop("_id")
        last = {"$literal": song | {"last_dt": date, "last_commit": commit}}
        merged = {"$mergeObjects": [new, "$$ROOT", {"$cond": [later, last, {}]}, first]}
        updates.append(UpdateOne({"_id": uri}, [{"$replaceWith": merged}], upsert=True))
    return updates


def _playlists(batch: pa.RecordBatch) -> Iterator[Document]:
    scalars = [f.name for f in PLAYLISTS if f.name not in ("pid", "track_uris")]
    columns = [
        [v if v is None else Int64(v) for v in column] if name in _INT64 else column
        for name in scalars
        for column in [batch.column(name).to_pylist()]
    ]
    lists = batch.column("track_uris")
    ends = (lists.offsets.to_numpy() - lists.offsets[0].as_py()).tolist()
    uris = lists.flatten().to_pylist()
    pids = batch.column("pid").to_pylist()
    for row, (pid, values) in enumerate(zip(pids, zip(*columns, strict=True), strict=True)):
        document: Document = {"_id": Int64(pid)}
        document.update((n, v) for n, v in zip(scalars, values, strict=True) if v is not None)
        document["track_uris"] = uris[ends[row] : ends[row + 1]]
        yield document


def _songs(batch: pa.RecordBatch) -> Iterator[Document]:
    columns = [batch.column(name).to_pylist() for name in ("track_uri", *TRACK_FIELDS)]
    for values in zip(*columns, strict=True):
        yield dict(zip(("_id", *TRACK_FIELDS), values, strict=True))


def bounded(rows: Rows) -> Iterator[pa.RecordBatch]:
    """`rows` in batches of at most `BATCH_ROWS` rows and about `BATCH_BYTES` bytes."""
    chunks = [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches()
    for chunk in chunks:
        ends = np.cumsum(_row_bytes(chunk))
        start, done = 0, 0
        while start < chunk.num_rows:
            fit = int(np.searchsorted(ends, done + BATCH_BYTES, side="right")) - start
            count = max(1, min(BATCH_ROWS, fit))
            yield chunk.slice(start, count)
            start += count
            done = int(ends[start - 1])


def _row_bytes(chunk: pa.RecordBatch) -> "np.ndarray[Any, np.dtype[np.int64]]":
    total = np.full(chunk.num_rows, 256, dtype=np.int64)
    for column in chunk.columns:
        if pa.types.is_string(column.type):
            total += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        elif pa.types.is_list(column.type):
            lengths = pc.fill_null(pc.list_value_length(column), 0)
            total += lengths.to_numpy(zero_copy_only=False).astype(np.int64) * _URI_BYTES
    return total


def write(collection: Collection[Document], writes: Writes) -> int:
    """Sends `writes`, which may be repeated and reordered at will; returns how many they were.

    What lost a race for a new `_id` or a connection is sent again. Raises `MalformedInput` for
    what MongoDB refuses, `SegueError` when it stays out of reach.
    """
    pending = list(writes)
    for attempt in range(TRIES):
        if not pending:
            return len(writes)
        if attempt:
            time.sleep(0.05 * 2**attempt)
        try:
            collection.bulk_write(pending, ordered=False)
            return len(writes)
        except BulkWriteError as error:
            pending = [pending[i] for i in _lost_races(collection.name, error.details)]
        except AutoReconnect:
            # Without a replica set the driver repeats nothing by itself.
            continue
        except (DocumentTooLarge, BSONError, OverflowError) as error:
            raise MalformedInput(f"{collection.name}: cannot be stored: {error}") from None
        except PyMongoError as error:
            if isinstance(error, OperationFailure) and error.code == _TOO_LARGE:
                # The message names the `_id`.
                raise MalformedInput(f"{collection.name}: too large: {error}") from None
            raise SegueError(f"{collection.name}: {type(error).__name__}: {error}") from error
    if not pending:
        return len(writes)
    raise SegueError(
        f"{collection.name}: {len(pending)} writes failed {TRIES} times; does MongoDB answer?"
    )


def _lost_races(name: str, details: Mapping[str, Any]) -> Iterable[int]:
    errors = details.get("writeErrors", [])
    for error in errors:
        if error["code"] != _DUPLICATE_KEY:
            key = error.get("op", {}).get("q", {}).get("_id")
            raise MalformedInput(f"{name}: MongoDB refuses {key!r}: {error.get('errmsg')}")
    if not errors:
        raise SegueError(f"{name}: writes are not confirmed: {details.get('writeConcernErrors')}")
    return [int(error["index"]) for error in errors]
