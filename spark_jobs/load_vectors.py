"""Loads the vectors of a version into MongoDB.

Reads corpus/<version> and models/word2vec/<version>, writes song_vectors__<version> and
playlist_vectors__<version>. MongoDB's URI comes from SEGUE_MONGO_URI.
"""

from argparse import ArgumentParser

from pyspark.sql import SparkSession

from segue import job
from segue.embeddings.arrays import PLAYLISTS, SONGS, vectors_key
from segue.embeddings.word2vec import MODEL
from segue.errors import MalformedInput
from segue.lake import Lake, committed
from segue.store import collections, vectors
from segue.store.parquet import row_groups
from segue.store.spark import Target, load_arrays, target

KINDS = {
    "song_vectors": ("tracks", "track_uri", SONGS),
    "playlist_vectors": ("playlists", "pid", PLAYLISTS),
}
"""By kind: the corpus table that names the rows, its id column, and what the vectors are of."""


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version of the model")
    return parser


def load(spark: SparkSession, lake: Lake, store: Target, version: str) -> dict[str, int]:
    """Loads both kinds; returns the rows of each, all of which are in the store then."""
    written = {}
    for kind, (table, column, what) in KINDS.items():
        corpus, model = f"corpus/{version}/{table}", vectors_key(MODEL, version, what)
        rows, arrays = committed(lake, corpus), committed(lake, model)
        array = vectors.array_key(model, arrays)
        if vectors.array_rows(lake, array) != rows.rows:
            raise MalformedInput(f"{array} has another number of rows than {corpus}")
        units = row_groups(lake, corpus, rows)
        name = collections.vectors(kind, version)
        load_arrays(spark, store, lake.url, name, units, column, array)
        vectors.verify(store.connect(), name, rows.rows)
        written[kind] = rows.rows
    return written


def main() -> None:
    args = arg_parser().parse_args()
    store, lake = target(), Lake(args.lake)
    with SparkSession.builder.appName("load_vectors").getOrCreate() as spark:
        print(f"loaded the vectors of {args.version}: {load(spark, lake, store, args.version)}")


if __name__ == "__main__":
    job.run(main)
