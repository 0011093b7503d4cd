"""Loads the vectors of a version into MongoDB.

Reads corpus/<version> and models/{word2vec,lyrics}/<version>, writes song_vectors__<version>,
playlist_vectors__<version>, and where there are lyrics word_vectors__<version> and
lyrics_vectors__<version>. MongoDB's URI comes from SEGUE_MONGO_URI.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import NamedTuple

from pyspark.sql import SparkSession

from segue import job
from segue.embeddings import lyrics, word2vec
from segue.embeddings.arrays import PLAYLISTS, SONGS, vectors_key
from segue.errors import MalformedInput
from segue.lake import Lake, committed, read_manifest
from segue.store import collections, vectors
from segue.store.parquet import row_groups
from segue.store.spark import Target, load_arrays, target
from segue.store.vectors import Source


class Kind(NamedTuple):
    """A collection of a version: the partition whose table names the rows, and the vectors."""

    name: str
    table: str
    source: Source
    rows: int


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version of the model")
    return parser


def kinds(lake: Lake, version: str) -> Iterator[Kind]:
    """What there is to load of `version`."""
    tracks, playlists = f"corpus/{version}/tracks", f"corpus/{version}/playlists"

    def array(model: str, what: str, table: str) -> str:
        rows = committed(lake, table).rows
        key = vectors_key(model, version, what)
        found = vectors.array_key(key, committed(lake, key))
        if vectors.array_rows(lake, found) != rows:
            raise MalformedInput(f"{found} has another number of rows than {table}")
        return found

    for name, table, column, what in (
        ("song_vectors", tracks, "track_uri", SONGS),
        ("playlist_vectors", playlists, "pid", PLAYLISTS),
    ):
        source = Source(column, {"vector": array(word2vec.MODEL, what, table)})
        yield Kind(name, table, source, committed(lake, table).rows)
    of_songs = read_manifest(lake, vectors_key(lyrics.MODEL, version, lyrics.MEAN))
    if of_songs is None:
        return
    words = vectors_key(lyrics.MODEL, version, lyrics.WORDS)
    found = Source("word", {"vector": array(lyrics.MODEL, lyrics.WORDS, words)}, ("count", "idf"))
    yield Kind("word_vectors", words, found, committed(lake, words).rows)
    fields = {"vector": lyrics.MEAN, "vector_tfidf": lyrics.TFIDF}
    arrays = {field: array(lyrics.MODEL, what, tracks) for field, what in fields.items()}
    of_lyrics = Source("track_uri", arrays, sparse=True)
    yield Kind("lyrics_vectors", tracks, of_lyrics, of_songs.facts["songs"])


def load(spark: SparkSession, lake: Lake, store: Target, version: str) -> dict[str, int]:
    """Loads every kind; returns the rows of each, all of which are in the store then."""
    written = {}
    for kind in kinds(lake, version):
        units = row_groups(lake, kind.table, committed(lake, kind.table))
        name = collections.vectors(kind.name, version)
        load_arrays(spark, store, lake.url, name, units, kind.source)
        vectors.verify(store.connect(), name, kind.rows)
        written[kind.name] = kind.rows
    return written


def main() -> None:
    args = arg_parser().parse_args()
    store, lake = target(), Lake(args.lake)
    with SparkSession.builder.appName("load_vectors").getOrCreate() as spark:
        print(f"loaded the vectors of {args.version}: {load(spark, lake, store, args.version)}")


if __name__ == "__main__":
    job.run(main)
