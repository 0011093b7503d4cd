"""Trains vectors of the words of lyrics with MLlib's Word2Vec, and pools them to vectors of songs.

Reads corpus/<version>/{tracks,lyrics}, writes models/lyrics/<version>/{words,songs,songs_tfidf}.
"""

from argparse import ArgumentParser
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.ml.feature import Word2Vec
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession, functions as F

from segue import job
from segue.embeddings.arrays import vectors_key, write_vectors
from segue.embeddings.lyrics import (
    MEAN,
    MODEL,
    PARAMETERS,
    TFIDF,
    WORDS,
    Vocabulary,
    as_words,
    inverse_document_frequency,
    pool,
)
from segue.lake import Attempt, Lake, Manifest, Partition, begin, is_made
from segue.lake.spark import write_table
from segue.lyrics.text import words

SIZE = PARAMETERS["vectorSize"]


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version of the corpus")
    return parser


def sung_words(lyrics: DataFrame, tracks: DataFrame) -> DataFrame:
    """(track int, words array<string>) of the songs of `tracks` whose lyrics were found."""
    found = lyrics.where("status = 'found'").join(tracks.select("track", "track_uri"), "track_uri")

    def cut(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [
                words(row["text"], row["language"])
                if row["text"] is not None
                else as_words(row["words"], row["counts"])
                for row in batch.to_pylist()
            ]
            yield pa.record_batch(
                [batch["track"], pa.array(rows, pa.list_(pa.string()))], ["track", "words"]
            )

    columns = found.select("track", "language", "text", "words", "counts")
    return columns.mapInArrow(cut, "track int, words array<string>")


def word_counts(sung: DataFrame) -> DataFrame:
    """(word, count, document_frequency) of every word that gets a vector, most frequent first."""
    occurrences = sung.select("track", F.explode("words").alias("word"))
    per_song = occurrences.groupBy("word", "track").agg(F.count("*").alias("n"))
    counted = per_song.groupBy("word").agg(
        F.sum("n").alias("count"), F.count("*").alias("document_frequency")
    )
    enough = counted.where(F.col("count") >= PARAMETERS["minCount"])
    return enough.orderBy(F.desc("count"), "word")


def train(sung: DataFrame) -> dict[str, np.ndarray]:
    """The vectors [32] by word."""
    # One partition, in the order of track: what the vocabulary's ties and the seed rest on.
    ordered = sung.repartition(1).sortWithinPartitions("track")
    word2vec = Word2Vec(inputCol="words", outputCol="vector", **PARAMETERS)
    vectors = word2vec.fit(ordered).getVectors()
    # The model of MLlib is on the driver already.
    table = vectors.select("word", vector_to_array("vector", "float32").alias("v")).toArrow()
    matrix = table["v"].combine_chunks().flatten().to_numpy().reshape(-1, SIZE)
    return dict(zip(table["word"].to_pylist(), matrix, strict=True))


def pooled(sung: DataFrame, lake_url: str, words_key: str, vectors_file: str) -> DataFrame:
    """(track, mean array<float>, tfidf array<float>) of every song that has a known word."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        vocabulary = _vocabulary(lake_url, words_key, vectors_file)
        for batch in batches:
            songs = [(row["track"], pool(vocabulary, row["words"])) for row in batch.to_pylist()]
            known = [(track, *vectors) for track, vectors in songs if vectors is not None]
            columns = zip(*known, strict=True) if known else ([], [], [])
            tracks, means, weighted = map(list, columns)
            floats = pa.list_(pa.float32())
            yield pa.record_batch(
                [pa.array(tracks, pa.int32()), pa.array(means, floats), pa.array(weighted, floats)],
                ["track", "mean", "tfidf"],
            )

    return sung.mapInArrow(run, "track int, mean array<float>, tfidf array<float>")


# Read once a partition. A `functools.cache` of a script's main module cannot be sent to workers.
def _vocabulary(lake_url: str, words_key: str, vectors_file: str) -> Vocabulary:
    lake = Lake(lake_url)
    with lake.open(words_key) as source:
        table = pq.read_table(source, columns=["word", "idf"])
    with lake.open(vectors_file) as source:
        vectors = np.load(source)
    index = {word: row for row, word in enumerate(table["word"].to_pylist())}
    return Vocabulary(index, vectors, table["idf"].to_numpy())


def write_words(attempt: Attempt, key: str, counts: pa.Table, vectors: dict[str, np.ndarray],
                songs: int) -> list[str]:  # fmt: skip
    """Writes the words' vectors and their table; returns the names of both files."""
    frequency = counts["document_frequency"].to_numpy()
    idf = inverse_document_frequency(frequency, songs)
    names = counts["word"].to_pylist()
    matrix = np.array([vectors[word] for word in names], np.float32).reshape(-1, SIZE)
    table = pa.table(
        {
            "row": pa.array(range(len(names)), pa.int32()),
            "word": counts["word"],
            "count": counts["count"],
            "document_frequency": counts["document_frequency"],
            "idf": idf,
            # The mean, over the songs that have the word, of count times idf.
            "tfidf": counts["count"].to_numpy() / np.maximum(frequency, 1) * idf,
        }
    )
    file = attempt.file_name("words", "parquet")
    with attempt.lake.writer(f"{attempt.work}/{key}/{file}") as out:
        pq.write_table(table, out, compression="zstd", row_group_size=20_000)
    return [write_vectors(attempt, key, matrix), file]


def to_matrix(lake: Lake, keys: list[str], pooling: str, rows: int) -> tuple[np.ndarray, int]:
    """[rows, 32]: row t is what `pooling` gave track t, zero if nothing; and how many it gave."""
    matrix = np.zeros((rows, SIZE), np.float32)
    known = 0
    for key in keys:
        with lake.open(key) as source:
            for batch in pq.ParquetFile(source).iter_batches(columns=["track", pooling]):
                vectors = batch[pooling].flatten().to_numpy()
                matrix[batch["track"].to_numpy()] = vectors.reshape(batch.num_rows, SIZE)
                known += batch.num_rows
    return matrix, known


def build(spark: SparkSession, lake: Lake, version: str) -> None:
    """Trains and commits the lyrics' vectors of `version`, unless they are there."""
    keys = {what: vectors_key(MODEL, version, what) for what in (WORDS, TFIDF, MEAN)}
    corpus = Partition(lake, f"corpus/{version}/tracks")
    digest, rows = corpus.committed().digest, corpus.committed().rows
    if all(is_made(lake, key, digest) for key in keys.values()):
        print(f"lyrics vectors of {version} are there already")
        return
    attempt = begin(lake, f"models/{MODEL}/{version}")
    lyrics = spark.read.parquet(*Partition(lake, f"corpus/{version}/lyrics").spark_urls())
    sung = sung_words(lyrics, spark.read.parquet(*corpus.spark_urls())).persist()
    songs = sung.count()
    counts = word_counts(sung).toArrow()
    vectors = train(sung) if counts.num_rows else {}
    names = write_words(attempt, keys[WORDS], counts, vectors, songs)
    places = [f"{attempt.work}/{keys[WORDS]}/{name}" for name in names]
    scratch = f"models/{MODEL}/{version}/scratch"
    files = write_table(pooled(sung, lake.url, places[1], places[0]), attempt, scratch)
    pieces = [f"{attempt.work}/{scratch}/{file}" for file in files]
    facts = {"model": MODEL, "parameters": PARAMETERS, "words": counts.num_rows}
    if not counts.num_rows:
        facts["note"] = f"no word of {songs} songs occurs {PARAMETERS['minCount']} times"
    outputs = {}
    # One after the other: with millions of songs each takes hundreds of megabytes.
    for what, pooling in ((TFIDF, "tfidf"), (MEAN, "mean")):
        matrix, facts["songs"] = to_matrix(lake, pieces, pooling, rows)
        name = write_vectors(attempt, keys[what], matrix)
        about = facts | {"pooling": pooling}
        outputs[keys[what]] = Manifest([name], attempt.token, digest, rows, about)
    of_words = Manifest(names, attempt.token, digest, counts.num_rows, facts)
    # The songs' come last: whoever sees them sees the others too.
    attempt.commit({keys[WORDS]: of_words, **outputs})
    print(f"lyrics vectors of {version}: {counts.num_rows} words, {facts['songs']} of {rows} songs")


def main() -> None:
    args = arg_parser().parse_args()
    with SparkSession.builder.appName("train_lyrics_vectors").getOrCreate() as spark:
        build(spark, Lake(args.lake), args.version)


if __name__ == "__main__":
    job.run(main)
