"""Trains song vectors with MLlib's Word2Vec, playlists as sentences.

Reads corpus/<version>, writes models/word2vec/<version>/songs.
"""

from argparse import ArgumentParser

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from pyspark.ml.feature import Word2Vec
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession, functions as F

from segue import job
from segue.embeddings.arrays import SONGS, commit_vectors, vectors_key
from segue.embeddings.word2vec import MODEL, PARAMETERS
from segue.lake import Lake, Partition, begin, committed, is_made
from segue.lake.spark import write_table


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version of the corpus")
    parser.add_argument("--partitions", required=True, type=int, help="1 is reproducible")
    return parser


def train(playlists: DataFrame, partitions: int) -> DataFrame:
    """(track int, vector array<float>) for every song of `playlists` (pid, tracks)."""
    sentences = playlists.select("pid", F.col("tracks").cast("array<string>").alias("sentence"))
    # One partition, in the order of pid: what the vocabulary's ties and the seed rest on.
    ordered = sentences.repartition(1).sortWithinPartitions("pid")
    word2vec = Word2Vec(
        inputCol="sentence", outputCol="vector", numPartitions=partitions, **PARAMETERS
    )
    words = word2vec.fit(ordered).getVectors()
    return words.select(
        F.col("word").cast("int").alias("track"),
        vector_to_array("vector", "float32").alias("vector"),
    )


def to_matrix(lake: Lake, keys: list[str], rows: int) -> npt.NDArray[np.float32]:
    """[rows, d]: row t is the vector of track t, zero if it has none."""
    matrix = np.zeros((rows, PARAMETERS["vectorSize"]), np.float32)
    for key in keys:
        with lake.open(key) as source:
            for batch in pq.ParquetFile(source).iter_batches():
                vectors = batch["vector"].flatten().to_numpy()
                matrix[batch["track"].to_numpy()] = vectors.reshape(batch.num_rows, -1)
    return matrix


def build(spark: SparkSession, lake: Lake, version: str, partitions: int) -> None:
    """Trains and commits the song vectors of `version`, unless they are there."""
    key = vectors_key(MODEL, version, SONGS)
    tracks = committed(lake, f"corpus/{version}/tracks")
    if is_made(lake, key, tracks.digest):
        print(f"song vectors of {version} are there already")
        return
    attempt = begin(lake, key)
    playlists = spark.read.parquet(*Partition(lake, f"corpus/{version}/playlists").spark_urls())
    scratch = f"{key}/words"
    names = write_table(train(playlists, partitions), attempt, scratch)
    words = [f"{attempt.work}/{scratch}/{name}" for name in names]
    vectors = to_matrix(lake, words, tracks.rows)
    facts = {"model": MODEL, "parameters": PARAMETERS | {"numPartitions": partitions}}
    commit_vectors(attempt, key, vectors, tracks.digest, facts)
    print(f"song vectors of {version}: {vectors.shape[0]} songs x {vectors.shape[1]}")


def main() -> None:
    args = arg_parser().parse_args()
    with SparkSession.builder.appName("train_song_vectors").getOrCreate() as spark:
        build(spark, Lake(args.lake), args.version, args.partitions)


if __name__ == "__main__":
    job.run(main)
