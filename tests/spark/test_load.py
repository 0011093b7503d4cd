"""The jobs that load MongoDB, run whole on a small lake."""

import sys
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from segue.embeddings.arrays import PLAYLISTS, SONGS, vectors_key
from segue.embeddings.word2vec import MODEL
from segue.errors import Fenced, MalformedInput, SegueError, SettingError
from segue.lake import Lake, Manifest, begin, read_manifest
from segue.settings import get_settings
from segue.store.client import Database
from segue.store.counters import begin_load
from segue.store.spark import Target
from spark_jobs import load as load_job, load_vectors as vectors_job
from tests.drops import uri, write_drop
from tests.lakes import VERSION, npy_bytes, write_corpus

DATE = "2021-04-10"


def names(db: Database) -> dict[int, str]:
    return {p["_id"]: p["name"] for p in db.playlists.find()}


def test_a_drop_is_loaded_whole_from_many_row_groups(
    spark: SparkSession, lake: Lake, store: Target, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.store.parquet.UNIT_ROWS", 100)
    drop = {f"{pid} n{pid}": [f"s{pid % 90}", f"s{pid % 7}"] for pid in range(450)}
    write_drop(lake, DATE, drop, row_group_size=60)
    assert load_job.load(spark, lake, store, DATE) == {
        "playlists": 450,
        "tracks": 90,
        "withdrawn": 0,
    }
    assert names(db) == {pid: f"n{pid}" for pid in range(450)}
    held = db.playlists.find_one({"_id": 95})
    assert held is not None
    assert held["track_uris"] == [uri("s5"), uri("s4")]
    assert db.tracks.count_documents({"first_dt": DATE, "last_dt": DATE}) == 90


def test_loading_again_changes_nothing(
    spark: SparkSession, lake: Lake, store: Target, db: Database
) -> None:
    write_drop(lake, DATE, {"1 x": ["a"]})
    load_job.load(spark, lake, store, DATE)
    before = [list(db[c].find()) for c in ("playlists", "tracks")]
    load_job.load(spark, lake, store, DATE)
    assert [list(db[c].find()) for c in ("playlists", "tracks")] == before


def test_a_drop_that_lands_again_withdraws_what_it_lost(
    spark: SparkSession, lake: Lake, store: Target, db: Database
) -> None:
    write_drop(lake, "2021-04-09", {"1 old": ["a"]})
    write_drop(lake, DATE, {"1@5 new": ["b"], "2 other": ["b"], "3 gone": ["c"]})
    for date in ("2021-04-09", DATE):
        load_job.load(spark, lake, store, date)
    write_drop(lake, DATE, {"2 other": ["b"]})
    assert load_job.load(spark, lake, store, DATE)["withdrawn"] == 3
    assert names(db) == {1: "old", 2: "other"}
    assert set(db.tracks.distinct("_id")) == {uri("a"), uri("b")}


def test_an_empty_drop_is_a_success(
    spark: SparkSession, lake: Lake, store: Target, db: Database
) -> None:
    write_drop(lake, DATE, {})
    assert load_job.load(spark, lake, store, DATE) == {"playlists": 0, "tracks": 0, "withdrawn": 0}


def test_a_drop_that_is_not_there_is_named(spark: SparkSession, lake: Lake, store: Target) -> None:
    with pytest.raises(SegueError, match=f"staging/tracks/dt={DATE} is not there"):
        load_job.load(spark, lake, store, DATE)


def test_tables_of_two_attempts_are_not_loaded(
    spark: SparkSession, lake: Lake, store: Target, db: Database
) -> None:
    write_drop(lake, DATE, {"1 x": ["a"]})
    manifest = read_manifest(lake, f"staging/tracks/dt={DATE}")
    assert manifest is not None
    newer = Manifest(manifest.files, 2, "", manifest.rows)
    lake.put(f"staging/tracks/dt={DATE}/_SUCCESS", newer.to_json())
    with pytest.raises(SegueError, match="two attempts"):
        load_job.load(spark, lake, store, DATE)
    assert names(db) == {}


def test_an_overtaken_load_is_fenced_off(
    spark: SparkSession, lake: Lake, store: Target, db: Database
) -> None:
    write_drop(lake, DATE, {"1 x": ["a"]})
    begin_load(db, DATE, 2)
    with pytest.raises(Fenced):
        load_job.load(spark, lake, store, DATE)


def test_a_lost_file_fences_the_load_off_and_its_error_comes_back_as_it_was_raised(
    spark: SparkSession, lake: Lake, store: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_drop(lake, DATE, {"1 x": ["a"]})
    units = load_job.row_groups

    def then_lose(*args: Any) -> Any:
        found = units(*args)
        lake.remove(found[0].key)
        return found

    monkeypatch.setattr(load_job, "row_groups", then_lose)
    with pytest.raises(Fenced, match="was replaced by a newer attempt"):
        load_job.load(spark, lake, store, DATE)


def test_the_job_runs_from_its_command_line(
    spark: SparkSession,
    lake: Lake,
    store: Target,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_drop(lake, DATE, {"1 x": ["a"]})
    monkeypatch.setenv("SEGUE_MONGO_URI", store.uri.get_secret_value())
    monkeypatch.setenv("SEGUE_MONGO_DATABASE", db.name)
    monkeypatch.setattr(sys, "argv", ["load.py", "--lake", lake.url, "--date", DATE])
    monkeypatch.setattr(SparkSession, "__exit__", lambda *_: None)
    get_settings.cache_clear()
    load_job.main()
    get_settings.cache_clear()
    assert names(db) == {1: "x"}
    assert "loaded dt=2021-04-10: {'tracks': 1, 'playlists': 1" in capsys.readouterr().out


def test_without_a_store_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_MONGO_URI", "")
    get_settings.cache_clear()
    with pytest.raises(SettingError, match="SEGUE_MONGO_URI"):
        load_job.target()
    get_settings.cache_clear()


def write_model(lake: Lake, songs: int, playlists: int) -> dict[str, np.ndarray]:
    """Commits vectors for the corpus of `VERSION`."""
    chance = np.random.default_rng(7)
    arrays = {}
    for what, rows in ((SONGS, songs), (PLAYLISTS, playlists)):
        arrays[what] = chance.standard_normal((rows, 32)).astype(np.float32)
        key = vectors_key(MODEL, VERSION, what)
        attempt = begin(lake, key)
        name = attempt.file_name("vectors", "npy")
        lake.put(f"{attempt.work}/{key}/{name}", npy_bytes(arrays[what]))
        attempt.commit({key: Manifest([name], attempt.token, "", rows)})
    return arrays


def write_corpus_rows(lake: Lake, playlists: dict[str, list[str]]) -> list[str]:
    """Writes the corpus, with the number of its rows in the manifests."""
    songs = write_corpus(lake, playlists, row_group_size=3)
    for table, rows in (("tracks", len(songs)), ("playlists", len(playlists))):
        key = f"corpus/{VERSION}/{table}"
        manifest = read_manifest(lake, key)
        assert manifest is not None
        counted = Manifest(manifest.files, manifest.token, manifest.digest, rows)
        lake.put(f"{key}/_SUCCESS", counted.to_json())
    return songs


CORPUS = {f"{pid * 3} n": [f"s{pid} by x", f"s{pid + 1} by x"] for pid in range(10)}


def test_every_song_and_playlist_gets_its_own_vector_and_again_changes_nothing(
    spark: SparkSession, lake: Lake, store: Target, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.store.parquet.UNIT_ROWS", 3)
    songs = write_corpus_rows(lake, CORPUS)
    arrays = write_model(lake, len(songs), 10)
    from tests.lakes import track_uri

    for _ in range(2):
        written = vectors_job.load(spark, lake, store, VERSION)
        assert written == {"song_vectors": 11, "playlist_vectors": 10}
        stored = {
            d["_id"]: d["vector"].as_vector().data for d in db[f"song_vectors__{VERSION}"].find()
        }
        assert stored == {track_uri(s): arrays[SONGS][i].tolist() for i, s in enumerate(songs)}
        pids = {
            d["_id"]: d["vector"].as_vector().data
            for d in db[f"playlist_vectors__{VERSION}"].find()
        }
        assert pids == {i * 3: arrays[PLAYLISTS][i].tolist() for i in range(10)}


def test_vectors_that_do_not_fit_the_corpus_are_refused(
    spark: SparkSession, lake: Lake, store: Target
) -> None:
    songs = write_corpus_rows(lake, CORPUS)
    write_model(lake, len(songs) - 1, 10)
    with pytest.raises(MalformedInput, match="another number of rows"):
        vectors_job.load(spark, lake, store, VERSION)


def test_vectors_beside_those_of_the_version_are_an_error(
    spark: SparkSession, lake: Lake, store: Target, db: Database
) -> None:
    songs = write_corpus_rows(lake, CORPUS)
    write_model(lake, len(songs), 10)
    db[f"song_vectors__{VERSION}"].insert_one({"_id": "left over"})
    with pytest.raises(SegueError, match="holds 12 vectors, wanted 11"):
        vectors_job.load(spark, lake, store, VERSION)


def test_a_version_that_is_not_trained_is_named(
    spark: SparkSession, lake: Lake, store: Target
) -> None:
    with pytest.raises(SegueError, match=r"corpus/v9/tracks is not there"):
        vectors_job.load(spark, lake, store, "v9")
