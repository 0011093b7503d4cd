"""Loads a drop into MongoDB: its songs and playlists. Counting comes after it, over all drops.

Reads staging/{tracks,playlists}/dt=<date>, writes the collections tracks and playlists. MongoDB's
URI comes from SEGUE_MONGO_URI.
"""

from argparse import ArgumentParser

from pyspark.sql import SparkSession

from segue import job
from segue.errors import SegueError
from segue.lake import Lake, Manifest, committed
from segue.store.counters import begin_load
from segue.store.parquet import row_groups
from segue.store.spark import Target, load_rows, target
from segue.store.withdrawal import settle

TABLES = ("tracks", "playlists")
"""Songs first: a playlist never names one that the store does not know."""


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--date", required=True, help="the drop's date, YYYY-MM-DD")
    return parser


def manifests(lake: Lake, date: str) -> dict[str, Manifest]:
    """The manifests of a drop's tables; raises `SegueError` unless one attempt wrote both."""
    found = {table: committed(lake, f"staging/{table}/dt={date}") for table in TABLES}
    tokens = {table: manifest.token for table, manifest in found.items()}
    if len(set(tokens.values())) > 1:
        raise SegueError(f"staging of dt={date} comes from two attempts {tokens}: preprocess again")
    return found


def load(spark: SparkSession, lake: Lake, store: Target, date: str) -> dict[str, int]:
    """Loads the drop of `date`; returns the rows written by table. An empty drop is a success.

    Raises `Fenced` when a newer attempt has begun to load that drop.
    """
    found, db = manifests(lake, date), store.connect()
    commit = found["playlists"].token
    begin_load(db, date, commit)
    written = {}
    for table in TABLES:
        units = row_groups(lake, f"staging/{table}/dt={date}", found[table])
        written[table] = load_rows(spark, store, lake.url, table, units, date, commit)
        if written[table] != found[table].rows:
            raise SegueError(f"{written[table]} of {found[table].rows} {table} of dt={date} loaded")
    return written | {"withdrawn": settle(db, lake)}


def main() -> None:
    args = arg_parser().parse_args()
    store, lake = target(), Lake(args.lake)
    with SparkSession.builder.appName("load").getOrCreate() as spark:
        print(f"loaded dt={args.date}: {load(spark, lake, store, args.date)}")


if __name__ == "__main__":
    job.run(main)
