"""Writes what MongoDB knows of lyrics to the lake, alone and beside every song.

Reads the collections tracks and lyrics, writes staging/lyrics and staging/tracks_with_lyrics.
MongoDB's URI comes from SEGUE_MONGO_URI.
"""

from argparse import ArgumentParser
from typing import NamedTuple

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from segue import job
from segue.lake import Attempt, Lake, Manifest, begin, is_made
from segue.store.snapshot import Range, combined, fingerprint, ranges, read_range
from segue.store.spark import Target, results, target

LYRICS, TRACKS = "staging/lyrics", "staging/tracks_with_lyrics"


class Part(NamedTuple):
    """What is known of one file."""

    name: str
    rows: int
    fingerprint: int


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    return parser


def write_range(attempt: Attempt, store: Target, unit: Range) -> dict[str, Part]:
    """Writes the two files of a range into the attempt's folder."""
    parts = {}
    for key, table in zip((LYRICS, TRACKS), read_range(store.connect(), unit), strict=True):
        name = attempt.file_name(f"part-{unit.number:05d}", "parquet")
        with attempt.lake.writer(f"{attempt.work}/{key}/{name}") as out:
            pq.write_table(table, out, compression="zstd")
        parts[key] = Part(name, table.num_rows, fingerprint(table))
    return parts


def snapshot(spark: SparkSession, lake: Lake, store: Target) -> dict[str, int]:
    """Writes and commits both tables unless they are there as they are; returns their rows."""
    attempt, url = begin(lake, LYRICS), lake.url
    name, token = attempt.name, attempt.token

    def work(unit: Range) -> dict[str, Part]:
        return write_range(Attempt(Lake(url), name, token), store, unit)

    written = results(spark, ranges(store.connect()), work)
    outputs = {}
    for key in (TRACKS, LYRICS):
        parts = [parts[key] for parts in written]
        digest = combined(part.fingerprint for part in parts)
        rows = sum(part.rows for part in parts)
        outputs[key] = Manifest([part.name for part in parts], attempt.token, digest, rows)
    if all(is_made(lake, key, manifest.digest) for key, manifest in outputs.items()):
        print("nothing is new")
        lake.remove(attempt.work)
    else:
        attempt.commit(outputs)
    return {key: manifest.rows for key, manifest in outputs.items()}


def main() -> None:
    args = arg_parser().parse_args()
    store, lake = target(), Lake(args.lake)
    with SparkSession.builder.appName("snapshot_lyrics").getOrCreate() as spark:
        print(f"rows written: {snapshot(spark, lake, store)}")


if __name__ == "__main__":
    job.run(main)
