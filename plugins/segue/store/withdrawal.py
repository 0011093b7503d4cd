"""What a re-landed drop no longer holds leaves the store, or falls back to an older drop.

A load only adds. So that the store is a function of what the lake holds now, and not of what it
once held, `settle` follows every load. It finds the documents that rest on an older commit of a
loaded drop and withdraws them: it takes back their place in the order, so that from here on every
load wins over them, and marks them with a token of its own. Then it loads what the drops hold in
their stead, removes those that no drop holds, and takes the marks off.

Loads keep the marks, and a mark comes off only for whoever read the drops after it was set: so any
number of loads and settlements may run at once, and of whoever is killed half-way marks remain
that the next one, of whatever date, goes on with. The same sweep removes what an attempt that was
fenced off may still have written after its successor was done.

A song that no drop holds any more is removed; one that some drop holds gets its names, `first_dt`
and `last_dt` from the drops that do.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bson.int64 import Int64

from segue.errors import Fenced, SegueError
from segue.lake import Lake, read_manifest
from segue.store.client import Database, Document
from segue.store.collections import NO_DATE
from segue.store.counters import loads, next_token
from segue.store.loading import load_playlists, load_tracks
from segue.store.parquet import RowGroups, read, row_groups

PLAYLISTS, TRACKS = "staging/playlists", "staging/tracks"
PASSES = 10

_LEAST = -(2**63)
_CHUNK = 10_000

log = logging.getLogger(__name__)


def stale_pids(db: Database, date: str, commit: int) -> list[int]:
    """Pids of stored playlists that rest on a commit of the drop of `date` before `commit`."""
    found = db.playlists.find({"dt": date, "commit": {"$lt": commit}}, {"_id": 1})
    return sorted(int(d["_id"]) for d in found)


def stale_uris(db: Database, date: str, commit: int) -> list[str]:
    """URIs of stored songs that rest on a commit of the drop of `date` before `commit`."""
    return sorted(str(d["_id"]) for d in db.tracks.find(_stale_track(date, commit), {"_id": 1}))


def settle(db: Database, lake: Lake) -> int:
    """Makes the store forget what the loaded drops no longer hold; returns how many documents.

    Raises `SegueError` when drops keep being replaced meanwhile.
    """
    settled = 0
    for _ in range(PASSES):
        _withdraw(db, next_token(db, "withdrawal"))
        pids, uris = _marks(db, "playlists"), _marks(db, "tracks")
        if not pids and not uris:
            return settled
        try:
            # Read after the marks: a load that lost to a document before it was withdrawn had
            # announced itself by then, and is seen here.
            drops = _drops(db, lake)
            _restore_tracks(db, lake, drops, sorted(uris))
            _restore_playlists(db, lake, drops, sorted(pids))
        except Fenced as error:
            log.info("once more: %s", error)
            continue
        _unmark(db, "tracks", "last_dt", uris)
        _unmark(db, "playlists", "dt", pids)
        settled += len(pids) + len(uris)
    raise SegueError("drops keep being replaced while the store is settled: load again later")


def _stale_track(date: str, commit: int) -> Document:
    return {
        "$or": [
            {"first_dt": date, "first_commit": {"$lt": commit}},
            {"last_dt": date, "last_commit": {"$lt": commit}},
        ]
    }


def _withdraw(db: Database, token: int) -> None:
    mark = {"withdrawn": token}
    playlist = mark | {"modified_at": Int64(_LEAST), "dt": NO_DATE, "commit": 0}
    track = mark | {"first_dt": NO_DATE, "first_commit": 0, "last_dt": NO_DATE, "last_commit": 0}
    for date, commit in loads(db).items():
        db.playlists.update_many({"dt": date, "commit": {"$lt": commit}}, {"$set": playlist})
        db.tracks.update_many(_stale_track(date, commit), {"$set": track})


def _marks(db: Database, name: str) -> dict[Any, int]:
    """The mark of every withdrawn document, by `_id`."""
    found = db[name].find({"withdrawn": {"$exists": True}}, {"withdrawn": 1})
    return {d["_id"]: int(d["withdrawn"]) for d in found}


def _unmark(db: Database, name: str, dt: str, marks: dict[Any, int]) -> None:
    """Removes what no drop has claimed, and takes the marks off the rest, if they are the same."""
    ids = list(marks)
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        for token in {marks[i] for i in chunk}:
            marked = {"_id": {"$in": [i for i in chunk if marks[i] == token]}, "withdrawn": token}
            db[name].delete_many(marked | {dt: NO_DATE})
            db[name].update_many(marked, {"$unset": {"withdrawn": ""}})


@dataclass(frozen=True)
class _Drop:
    date: str
    commit: int
    playlists: list[RowGroups]
    tracks: list[RowGroups]


def _drops(db: Database, lake: Lake) -> list[_Drop]:
    """The loaded drops that the lake still holds as they were loaded, oldest first.

    One that was replaced since has not passed its check yet; its load brings what it holds.
    """
    drops = []
    for date, commit in loads(db).items():
        keys = [f"{table}/dt={date}" for table in (PLAYLISTS, TRACKS)]
        manifests = [read_manifest(lake, key) for key in keys]
        if all(m is not None and m.token == commit for m in manifests):
            units = [row_groups(lake, k, m) for k, m in zip(keys, manifests, strict=True) if m]
            drops.append(_Drop(date, commit, units[0], units[1]))
    return drops


def _found(
    lake: Lake, units: list[RowGroups], key: str, wanted: pa.Array, *columns: str
) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
    """For every batch: where its rows stand in `wanted`, of those that do, and these rows."""
    for unit in units:
        for batch in read(lake, unit, [key, *columns] if columns else None):
            found = pc.index_in(batch.column(key), value_set=wanted)
            if found.null_count < len(found):
                yield found.drop_null().to_numpy().astype(np.int64), batch.filter(found.is_valid())


def _restore_playlists(db: Database, lake: Lake, drops: list[_Drop], pids: list[int]) -> None:
    """Loads for each of `pids` the newest version in `drops`."""
    wanted = pa.array(pids, pa.int64())
    newest = np.full(len(pids), _LEAST, np.int64)
    source = np.full(len(pids), -1, np.int64)
    for number, drop in enumerate(drops if pids else []):
        for at, rows in _found(lake, drop.playlists, "pid", wanted, "modified_at"):
            modified = rows.column("modified_at").to_numpy()
            # Drops come by date: the later one wins a tie.
            wins = modified >= newest[at]
            newest[at[wins]] = modified[wins]
            source[at[wins]] = number
    for number in np.unique(source[source >= 0]).tolist():
        drop = drops[number]
        for at, rows in _found(lake, drop.playlists, "pid", wanted):
            mine = rows.filter(pa.array(source[at] == number))
            load_playlists(db, mine, drop.date, drop.commit)


def _restore_tracks(db: Database, lake: Lake, drops: list[_Drop], uris: list[str]) -> None:
    """Loads each of `uris` from the first and the last of `drops` that hold it."""
    wanted = pa.array(uris, pa.string())
    first = np.full(len(uris), len(drops), np.int64)
    last = np.full(len(uris), -1, np.int64)
    for number, drop in enumerate(drops if uris else []):
        for at, _ in _found(lake, drop.tracks, "track_uri", wanted, "num_entries"):
            first[at] = np.minimum(first[at], number)
            last[at] = number
    held = last >= 0
    for number in np.unique(np.concatenate([first[held], last[held]])).tolist():
        drop = drops[number]
        for at, rows in _found(lake, drop.tracks, "track_uri", wanted):
            mine = (first[at] == number) | (last[at] == number)
            load_tracks(db, rows.filter(pa.array(mine)), drop.date, drop.commit)
