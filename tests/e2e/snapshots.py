"""What a home holds, without what differs from attempt to attempt."""

from typing import Any

import pyarrow.parquet as pq

from segue.lake import Lake, Partition
from segue.settings import Settings
from segue.stack.state import mongo_uri
from segue.store.client import Database, connect
from segue.store.collections import BOOKKEEPING

LOADED = ("playlists", "tracks")


def database(settings: Settings) -> Database:
    """The home's MongoDB."""
    return connect(mongo_uri(settings), settings.mongo_database)


def stored(settings: Settings) -> dict[str, dict[Any, dict[str, Any]]]:
    """MongoDB's playlists and tracks, by id."""
    db = database(settings)
    hidden = dict.fromkeys(BOOKKEEPING, 0)
    return {name: {d.pop("_id"): d for d in db[name].find({}, hidden)} for name in LOADED}


def staged(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """The rows of every staging partition, in no particular order on the disk."""
    lake = Lake(settings.lake_url)
    return {
        partition: rows_of(lake, partition)
        for table in LOADED
        for partition in lake.children(f"staging/{table}")
    }


def rows_of(lake: Lake, partition: str) -> list[dict[str, Any]]:
    """The rows of a partition; its folder must hold the committed files and nothing else."""
    paths = Partition(lake, partition).paths()
    seen = [k for k in lake.children(partition) if not k.rsplit("/", 1)[1].startswith("_")]
    assert sorted(paths) == sorted(lake.path(k) for k in seen), partition
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: str(row.get("pid", row.get("track_uri"))))


def forget(settings: Settings) -> None:
    """Empties the store and the lake; the inbox stays."""
    db = database(settings)
    db.client.drop_database(db.name)
    lake = Lake(settings.lake_url)
    for key in lake.children(""):
        lake.remove(key)
