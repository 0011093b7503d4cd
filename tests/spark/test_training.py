"""From staging to vectors: what a version holds, and that it comes out the same again."""

from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from segue.embeddings.arrays import PLAYLISTS, SONGS, read_vectors
from segue.embeddings.parameters import version_parameters
from segue.embeddings.word2vec import MODEL
from segue.errors import SegueError
from segue.ingest.corpus import CorpusPlan, plan_corpus
from segue.lake import Lake, Partition, committed, read_manifest
from spark_jobs import build_corpus, build_playlist_vectors, train_song_vectors
from tests.drops import Playlists, uri, write_drop

AS_OF = datetime(2021, 4, 12, tzinfo=UTC)


def built(spark: SparkSession, lake: Lake, drops: dict[str, Playlists]) -> CorpusPlan:
    """The corpus of `drops`, by date."""
    for date, playlists in drops.items():
        write_drop(lake, date, playlists, names=f" as of {date}")
    plan = plan_corpus(lake, AS_OF, version_parameters(1))
    build_corpus.build(spark, lake, plan)
    return plan


def rows(lake: Lake, key: str) -> list[dict]:
    return [r for path in Partition(lake, key).paths() for r in pq.read_table(path).to_pylist()]


def playlists_of(lake: Lake, plan: CorpusPlan) -> dict[int, list[str]]:
    """The songs of each playlist by pid, as URIs."""
    songs = {t["track"]: t["track_uri"] for t in rows(lake, f"corpus/{plan.version}/tracks")}
    return {
        p["pid"]: [songs[t] for t in p["tracks"]]
        for p in rows(lake, f"corpus/{plan.version}/playlists")
    }


def test_the_latest_version_of_a_playlist_counts(spark: SparkSession, lake: Lake) -> None:
    plan = built(
        spark,
        lake,
        {
            "2021-04-09": {"1@10 A": ["a", "b"], "2@30 B": ["newest"], "3@5 C": ["c"]},
            "2021-04-10": {"1@20 A": ["b", "c"], "2@20 B": ["older"], "3@5 C": ["d"]},
            "2021-04-12": {"1@90 A": ["not over yet"]},
        },
    )
    assert plan.dates == ["2021-04-09", "2021-04-10"]
    assert playlists_of(lake, plan) == {
        1: [uri("b"), uri("c")],
        2: [uri("newest")],
        # The same modified_at: the later drop.
        3: [uri("d")],
    }


def test_songs_are_numbered_by_falling_frequency_then_uri(spark: SparkSession, lake: Lake) -> None:
    plan = built(spark, lake, {"2021-04-09": {"1 A": ["x", "x", "b", "a"], "2 B": ["b", "x", "c"]}})
    tracks = rows(lake, f"corpus/{plan.version}/tracks")
    assert [t["track"] for t in tracks] == [0, 1, 2, 3]
    assert [t["track_uri"] for t in tracks] == [uri("x"), uri("b"), uri("a"), uri("c")]
    assert [t["num_entries"] for t in tracks] == [3, 2, 1, 1]
    assert [t["num_playlists"] for t in tracks] == [2, 2, 1, 1]


def test_a_song_has_the_names_of_the_latest_drop(spark: SparkSession, lake: Lake) -> None:
    plan = built(spark, lake, {"2021-04-09": {"1@1 A": ["a"]}, "2021-04-10": {"2@1 B": ["a"]}})
    (track,) = rows(lake, f"corpus/{plan.version}/tracks")
    assert track["track_name"] == "a as of 2021-04-10"


def test_an_empty_playlist_stays_and_has_a_zero_vector(spark: SparkSession, lake: Lake) -> None:
    plan = built(spark, lake, {"2021-04-09": {"1 A": [], "2 B": ["a", "b"]}})
    train_song_vectors.build(spark, lake, plan.version, 1)
    build_playlist_vectors.build(spark, lake, plan.version)
    vectors = read_vectors(lake, MODEL, plan.version, PLAYLISTS)
    assert playlists_of(lake, plan)[1] == []
    assert not vectors[0].any()
    assert vectors[1].any()


def test_playlists_in_several_files_keep_the_order_of_pids(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_corpus, "ROWS_PER_FILE", 10)
    songs = "abcdefghij"
    drop = {f"{pid} P": [songs[pid % 10], songs[pid % 7]] for pid in range(1, 46)}
    plan = built(spark, lake, {"2021-04-09": drop})
    assert len(committed(lake, f"corpus/{plan.version}/playlists").files) == 5
    assert [p["pid"] for p in rows(lake, f"corpus/{plan.version}/playlists")] == list(range(1, 46))
    train_song_vectors.build(spark, lake, plan.version, 1)
    build_playlist_vectors.build(spark, lake, plan.version)
    of_songs = read_vectors(lake, MODEL, plan.version, SONGS)
    expected = [
        np.mean([of_songs[t] for t in p["tracks"]], axis=0)
        for p in rows(lake, f"corpus/{plan.version}/playlists")
    ]
    vectors = read_vectors(lake, MODEL, plan.version, PLAYLISTS)
    np.testing.assert_allclose(vectors, expected, rtol=1e-5)


def test_training_again_gives_the_same_bytes(spark: SparkSession, lake: Lake) -> None:
    songs = [f"song {i}" for i in range(40)]
    drop = {f"{pid} P": songs[pid % 20 : pid % 20 + 15] for pid in range(30)}
    plan = built(spark, lake, {"2021-04-09": drop})
    keys = [f"models/{MODEL}/{plan.version}/{what}" for what in (SONGS, PLAYLISTS)]
    versions = []
    for _ in range(2):
        train_song_vectors.build(spark, lake, plan.version, 1)
        build_playlist_vectors.build(spark, lake, plan.version)
        versions.append([lake.fs.cat_file(Partition(lake, key).paths()[0]) for key in keys])
        for key in keys:
            lake.remove(key)
    assert versions[0] == versions[1]
    assert read_shape(versions[0][0]) == (34, 32)


def read_shape(npy: bytes) -> tuple[int, ...]:
    from io import BytesIO

    return np.load(BytesIO(npy)).shape


def test_what_is_built_is_not_built_again(spark: SparkSession, lake: Lake) -> None:
    plan = built(spark, lake, {"2021-04-09": {"1 A": ["a", "b"]}})
    before = committed(lake, f"corpus/{plan.version}/tracks")
    build_corpus.build(spark, lake, plan)
    assert committed(lake, f"corpus/{plan.version}/tracks") == before


def test_a_corpus_of_playlists_that_changed_since_the_plan_is_not_committed(
    spark: SparkSession, lake: Lake
) -> None:
    write_drop(lake, "2021-04-09", {"1 A": ["a"]})
    plan = plan_corpus(lake, AS_OF, {})
    write_drop(lake, "2021-04-10", {"2 B": ["b"]})
    with pytest.raises(SegueError, match="changed while"):
        build_corpus.build(spark, lake, plan)
    assert read_manifest(lake, f"corpus/{plan.version}/tracks") is None


def test_a_playlist_with_a_song_that_no_table_knows_stops_the_corpus(
    spark: SparkSession, lake: Lake
) -> None:
    write_drop(lake, "2021-04-09", {"1 A": ["a", "b"]})
    write_drop(lake, "2021-04-10", {"2 B": ["a"]})
    tracks = committed(lake, "staging/tracks/dt=2021-04-10")
    path = lake.path(f"staging/tracks/dt=2021-04-09/{_only(lake, '2021-04-09')}")
    pq.write_table(pq.read_table(Partition(lake, "staging/tracks/dt=2021-04-10").paths()[0]), path)
    assert tracks.rows == 1
    with pytest.raises(SegueError, match="1 playlists hold songs that staging/tracks lacks"):
        build_corpus.build(spark, lake, plan_corpus(lake, AS_OF, {}))


def _only(lake: Lake, date: str) -> str:
    (name,) = committed(lake, f"staging/tracks/dt={date}").files
    return name
