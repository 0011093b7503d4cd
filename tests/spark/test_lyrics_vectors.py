"""Vectors of words and of songs' lyrics, by Spark, in the store and in the bundle."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from segue.embeddings.arrays import read_vectors
from segue.embeddings.lyrics import MEAN, MODEL, TFIDF, WORDS, Vocabulary, as_words, pool
from segue.errors import SegueError
from segue.lake import Lake, Partition, committed
from segue.lyrics.text import words
from segue.schemas import LYRICS
from segue.serving.build import build_bundle
from segue.serving.bundle import open_bundle
from segue.serving.queries import similar_songs, similar_words
from segue.store.client import Database
from segue.store.collections import vectors as collection
from segue.store.spark import Target
from spark_jobs import load_vectors, train_lyrics_vectors
from tests.fixtures_mongo import Mongo
from tests.lakes import VERSION, new_lake, track_uri, write_corpus, write_partition

TEXTS = {
    "Sea by A": "the boat sails over the water\n" * 5,
    "Shore by B": "the boat waits by the water\n" * 5,
    "Fire by C": "we dance around the burning fire\n" * 5,
    "Coal by D": "we dance until the burning coal\n" * 5,
    "Gone by E": "[Instrumental]",
}
SONGS = [*TEXTS, "Silence by F", "Unknown by G"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = new_lake(tmp_path)
    write_corpus(lake, {"1 all": SONGS, "2 some": SONGS[:3]})
    return lake


def write_lyrics(
    lake: Lake, *, counts: bool = False, texts: dict[str, str] = TEXTS, parts: int = 1
) -> None:
    rows: list[dict[str, Any]] = [
        {"track_uri": track_uri("Silence by F"), "status": "instrumental"}
    ]
    for song, text in texts.items():
        row: dict[str, Any] = {"track_uri": track_uri(song), "status": "found", "language": "en"}
        if counts:
            found = words(text, "en")
            row["words"] = sorted(set(found))
            row["counts"] = [found.count(word) for word in row["words"]]
        else:
            row["text"] = text
        rows.append(row)
    table = pa.Table.from_pylist(sorted(rows, key=lambda r: r["track_uri"]), schema=LYRICS)
    files, size = {}, -(-table.num_rows // parts)
    for part in range(parts):
        sink = pa.BufferOutputStream()
        pq.write_table(table.slice(part * size, size), sink)
        files[f"part-{part:05d}.parquet"] = sink.getvalue().to_pybytes()
    write_partition(lake, f"corpus/{VERSION}/lyrics", files, rows=len(rows))


def known_words(lake: Lake) -> list[str]:
    paths = Partition(lake, f"models/{MODEL}/{VERSION}/{WORDS}").paths()
    table = pq.read_table(next(p for p in paths if p.endswith(".parquet")))
    return list(table["word"].to_pylist())


@pytest.mark.parametrize("counts", [False, True])
def test_a_song_is_the_mean_of_its_words(spark: SparkSession, lake: Lake, counts: bool) -> None:
    write_lyrics(lake, counts=counts)
    train_lyrics_vectors.build(spark, lake, VERSION)
    vocabulary = known_words(lake)
    # 5 times in 4 songs each; ties by word.
    assert vocabulary[0] == "the"
    assert vocabulary.index("dance") < vocabulary.index("we")
    vectors = read_vectors(lake, MODEL, VERSION, WORDS)
    songs = read_vectors(lake, MODEL, VERSION, MEAN)
    tracks = pq.read_table(Partition(lake, f"corpus/{VERSION}/tracks").paths())["track_uri"]
    row = tracks.to_pylist().index(track_uri("Sea by A"))
    rows = [vocabulary.index(word) for word in words(TEXTS["Sea by A"], "en")]
    np.testing.assert_allclose(songs[row], vectors[rows].mean(axis=0), rtol=1e-5)
    facts = committed(lake, f"models/{MODEL}/{VERSION}/{MEAN}").facts
    assert facts["songs"] == int(songs.any(axis=1).sum()) == 4


def test_training_again_changes_nothing_and_elsewhere_gives_the_same_bytes(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    other = new_lake(tmp_path / "other")
    write_corpus(other, {"1 all": SONGS, "2 some": SONGS[:3]})
    for each, parts in ((lake, 1), (other, 3)):
        write_lyrics(each, parts=parts)
        train_lyrics_vectors.build(spark, each, VERSION)
    before = committed(lake, f"models/{MODEL}/{VERSION}/{MEAN}")
    train_lyrics_vectors.build(spark, lake, VERSION)
    assert committed(lake, f"models/{MODEL}/{VERSION}/{MEAN}") == before
    for what in (WORDS, MEAN, TFIDF):
        one, two = (read_vectors(each, MODEL, VERSION, what) for each in (lake, other))
        assert one.tobytes() == two.tobytes()


def test_words_have_their_counts_and_weights(spark: SparkSession, lake: Lake) -> None:
    write_lyrics(lake)
    train_lyrics_vectors.build(spark, lake, VERSION)
    paths = Partition(lake, f"models/{MODEL}/{VERSION}/{WORDS}").paths()
    table = pq.read_table(next(p for p in paths if p.endswith(".parquet"))).to_pylist()
    assert [row["row"] for row in table] == list(range(len(table)))
    assert table == sorted(table, key=lambda row: (-row["count"], row["word"]))
    boat = next(row for row in table if row["word"] == "boat")
    assert (boat["count"], boat["document_frequency"]) == (10, 2)
    # Five songs have lyrics, one of them no words.
    assert boat["idf"] == pytest.approx(np.log(6 / 3))
    assert boat["tfidf"] == pytest.approx(5 * np.log(6 / 3))
    weighted = read_vectors(lake, MODEL, VERSION, TFIDF)
    assert weighted.shape == (len(SONGS), 32)
    assert int(weighted.any(axis=1).sum()) == 4
    assert not np.allclose(weighted, read_vectors(lake, MODEL, VERSION, MEAN))


def test_what_the_script_sends_to_workers_can_be_read_there(
    spark: SparkSession, lake: Lake
) -> None:
    # As with spark-submit, its functions are then of a module that no worker can import.
    job = runpy.run_path(str(train_lyrics_vectors.__file__), run_name="a_script")
    write_lyrics(lake)
    job["build"](spark, lake, VERSION)
    assert committed(lake, f"models/{MODEL}/{VERSION}/{MEAN}").facts["songs"] == 4


def test_one_word_is_enough(spark: SparkSession, lake: Lake) -> None:
    write_lyrics(lake, texts={"Sea by A": "love " * 10, "Fire by C": "once"})
    train_lyrics_vectors.build(spark, lake, VERSION)
    assert known_words(lake) == ["love"]
    assert int(read_vectors(lake, MODEL, VERSION, MEAN).any(axis=1).sum()) == 1


@pytest.mark.parametrize("texts", [{}, {"Sea by A": "once"}, {"Of no playlist by H": "la " * 9}])
def test_too_little_text_has_no_words_and_no_error(
    spark: SparkSession, lake: Lake, texts: dict[str, str]
) -> None:
    write_lyrics(lake, texts=texts)
    train_lyrics_vectors.build(spark, lake, VERSION)
    facts = committed(lake, f"models/{MODEL}/{VERSION}/{WORDS}").facts
    assert (facts["words"], facts["songs"]) == (0, 0)
    assert "occurs 5 times" in facts["note"]
    assert read_vectors(lake, MODEL, VERSION, WORDS).shape == (0, 32)
    assert not read_vectors(lake, MODEL, VERSION, MEAN).any()
    build_bundle(lake, VERSION)
    with pytest.raises(SegueError, match="do not have the word"):
        similar_words(open_bundle(lake, VERSION), "love", 3)


def test_the_store_and_the_bundle_hold_them(
    spark: SparkSession, lake: Lake, db: Database, mongo: Mongo
) -> None:
    write_lyrics(lake)
    train_lyrics_vectors.build(spark, lake, VERSION)
    counts = load_vectors.load(spark, lake, Target(SecretStr(mongo.uri), db.name), VERSION)
    assert counts["word_vectors"] == len(known_words(lake))
    assert counts["lyrics_vectors"] == 4
    stored = db[collection("lyrics_vectors", VERSION)].find_one({"_id": track_uri("Sea by A")})
    assert stored is not None
    assert len(stored["vector"].as_vector().data) == 32
    assert set(stored) == {"_id", "vector", "vector_tfidf"}
    word = db[collection("word_vectors", VERSION)].find_one({"_id": "boat"})
    assert word is not None
    assert word["count"] == 10
    build_bundle(lake, VERSION)
    bundle = open_bundle(lake, VERSION)
    assert len(similar_words(bundle, "Boat", 3)) == 3
    with pytest.raises(SegueError, match="did you mean boat"):
        similar_words(bundle, "boot", 3)
    asked = {bundle.names.songs([t])[0].uri: t for t in range(len(SONGS))}
    nearest, _ = similar_songs(bundle, asked[track_uri("Sea by A")], 10, by="lyrics")
    assert len(nearest) == 3, "songs without lyrics are like no other"
    with pytest.raises(SegueError, match="no lyrics"):
        similar_songs(bundle, asked[track_uri("Unknown by G")], 3, by="lyrics")


def test_a_version_without_lyrics_says_so(lake: Lake) -> None:
    build_bundle(lake, VERSION)
    with pytest.raises(SegueError, match="without lyrics"):
        similar_words(open_bundle(lake, VERSION), "love", 3)


def test_rare_words_weigh_more_in_the_weighted_mean() -> None:
    vocabulary = Vocabulary({"the": 0, "sea": 1}, np.eye(2, dtype=np.float32), np.array([0.1, 1.0]))
    pooled = pool(vocabulary, ["the", "the", "sea", "unknown"])
    assert pooled is not None
    np.testing.assert_allclose(pooled[0], [2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(pooled[1], [0.2 / 1.2, 1 / 1.2], rtol=1e-6)
    assert pool(vocabulary, ["unknown"]) is None


def test_counts_become_as_many_words() -> None:
    assert sorted(as_words(["a", "b"], [1, 3])) == ["a", "b", "b", "b"]
    assert as_words(["a", "b"], [5, 3]) == as_words(["a", "b"], [5, 3])
