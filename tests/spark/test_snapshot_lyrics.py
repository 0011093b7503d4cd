"""MongoDB's lyrics as tables of the lake."""

from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from segue.lake import Lake, Partition, committed
from segue.lyrics.lookup import Outcome
from segue.store import snapshot as tables
from segue.store.client import Database
from segue.store.lyrics import LyricsStore
from segue.store.spark import Target
from spark_jobs.snapshot_lyrics import LYRICS, TRACKS, snapshot
from tests.integration.test_store_lyrics import songs

TEXT = "Love is a river, a river of love, and it runs to the sea"


def rows(lake: Lake, key: str) -> list[dict[str, Any]]:
    return [row for path in Partition(lake, key).paths() for row in pq.read_table(path).to_pylist()]


def answers(db: Database, *outcomes: Outcome, keep: Any = "text") -> None:
    LyricsStore(db, "run", keep=keep).save(outcomes)


def test_lyrics_stand_alone_and_beside_every_song(
    spark: SparkSession, lake: Lake, db: Database, store: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs(db, a=1, b=2, c=0, d=4, e=1)
    answers(db, Outcome("b", "found", text=TEXT), Outcome("d", "instrumental"))
    answers(db, Outcome("a", "not_found"), Outcome("e", "failed", error="x"))
    monkeypatch.setattr(tables.ranges, "__defaults__", (2,))
    assert snapshot(spark, lake, store) == {TRACKS: 5, LYRICS: 2}
    assert len(committed(lake, LYRICS).files) == 3
    assert [
        (r["track_uri"], r["status"], r["language"], r["text"]) for r in rows(lake, LYRICS)
    ] == [
        ("b", "found", "en", TEXT),
        ("d", "instrumental", None, None),
    ]
    beside = [(r["track_uri"], r["num_playlists"], r["status"]) for r in rows(lake, TRACKS)]
    assert beside == [("a", 1, None), ("b", 2, "found"), ("c", 0, None), ("d", 4, "instrumental"),
                      ("e", 1, None)]  # fmt: skip


def test_where_only_counts_are_kept_the_words_come_with_them(
    spark: SparkSession, lake: Lake, db: Database, store: Target
) -> None:
    songs(db, a=1)
    answers(db, Outcome("a", "found", text=TEXT), keep="counts")
    snapshot(spark, lake, store)
    (row,) = rows(lake, LYRICS)
    assert row["text"] is None
    assert dict(zip(row["words"], row["counts"], strict=True))["river"] == 2


def test_the_same_answers_give_the_same_digest_and_are_not_written_again(
    spark: SparkSession, lake: Lake, db: Database, store: Target
) -> None:
    songs(db, a=1, b=2)
    answers(db, Outcome("a", "found", text=TEXT))
    snapshot(spark, lake, store)
    before = committed(lake, LYRICS)
    snapshot(spark, lake, store)
    assert committed(lake, LYRICS) == before
    songs(db, c=3)
    snapshot(spark, lake, store)
    assert committed(lake, LYRICS).digest == before.digest
    answers(db, Outcome("b", "found", text=TEXT))
    snapshot(spark, lake, store)
    assert committed(lake, LYRICS).digest != before.digest


def test_an_empty_store_has_an_empty_snapshot(
    spark: SparkSession, lake: Lake, db: Database, store: Target
) -> None:
    assert snapshot(spark, lake, store) == {TRACKS: 0, LYRICS: 0}
