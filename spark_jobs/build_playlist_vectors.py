"""Builds playlist vectors: for each pid the mean of its songs' vectors.

Reads corpus/<version> and models/word2vec/<version>/songs, writes …/playlists.
"""

from argparse import ArgumentParser
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from segue import job
from segue.embeddings.arrays import PLAYLISTS, SONGS, commit_vectors, read_vectors, vectors_key
from segue.embeddings.pooling import mean_vectors
from segue.embeddings.word2vec import MODEL
from segue.lake import Attempt, Lake, begin, committed, is_made


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version of the corpus")
    return parser


def pool_file(lake: Lake, version: str, key: str, target: str) -> None:
    """Writes the vectors of the playlists of one corpus file as an array at `target`."""
    song_vectors = read_vectors(lake, MODEL, version, SONGS)
    with lake.open(key) as source:
        means = [
            mean_vectors(
                song_vectors,
                batch["tracks"].flatten().to_numpy(),
                batch["tracks"].offsets.to_numpy().astype(np.int64)
                - batch["tracks"].offsets[0].as_py(),
            )
            for batch in pq.ParquetFile(source).iter_batches(columns=["tracks"])
        ]
    with lake.writer(target) as out:
        np.lib.format.write_array(out, np.concatenate(means), allow_pickle=False)


def pool(spark: SparkSession, attempt: Attempt, version: str, files: list[str]) -> list[str]:
    """Pools every corpus file in a task of its own; returns the arrays' keys in that order."""
    url, work = attempt.lake.url, attempt.work
    targets = [f"{work}/chunk-{i:05d}.npy" for i in range(len(files))]

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                pool_file(
                    Lake(url), version, f"corpus/{version}/playlists/{row['file']}", row["target"]
                )
            yield batch

    rows = spark.createDataFrame(
        list(zip(files, targets, strict=True)), "file string, target string"
    )
    rows.repartition(len(files)).mapInArrow(run, rows.schema).count()
    return targets


def build(spark: SparkSession, lake: Lake, version: str) -> None:
    """Builds and commits the playlist vectors of `version`, unless they are there."""
    key = vectors_key(MODEL, version, PLAYLISTS)
    playlists = committed(lake, f"corpus/{version}/playlists")
    if is_made(lake, key, playlists.digest):
        print(f"playlist vectors of {version} are there already")
        return
    attempt = begin(lake, key)
    chunks = []
    for target in pool(spark, attempt, version, playlists.files):
        with lake.open(target) as source:
            chunks.append(np.load(source))
    vectors = np.concatenate(chunks)
    commit_vectors(attempt, key, vectors, playlists.digest, {"model": MODEL, "pooling": "mean"})
    print(f"playlist vectors of {version}: {vectors.shape[0]} playlists x {vectors.shape[1]}")


def main() -> None:
    args = arg_parser().parse_args()
    with SparkSession.builder.appName("build_playlist_vectors").getOrCreate() as spark:
        build(spark, Lake(args.lake), args.version)


if __name__ == "__main__":
    job.run(main)
