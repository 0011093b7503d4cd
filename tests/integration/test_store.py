"""Connections, collections, runs and vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bson.binary import Binary, BinaryVectorDtype
from pymongo.errors import WriteError

from segue.errors import Fenced, MalformedInput, SegueError, SettingError
from segue.lake import Lake, read_manifest
from segue.store.client import Database, connect
from segue.store.collections import COLLECTIONS, apply
from segue.store.parquet import read, row_groups
from segue.store.runs import last_runs, recent_runs, record_run
from segue.store.vectors import read_rows
from tests.drops import write_drop
from tests.fixtures_mongo import PASSWORD, Mongo
from tests.lakes import npy_bytes


def test_a_wrong_password_is_refused_without_showing_it(mongo: Mongo) -> None:
    wrong = f"mongodb://segue:s3cret-guess@127.0.0.1:{mongo.port}/?authSource=admin"
    with pytest.raises(SegueError, match=f"127.0.0.1:{mongo.port} refuses") as caught:
        connect(wrong, "segue")
    assert "s3cret" not in _everything(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://user:pa/s3cret@127.0.0.1:1/",
        "mongodb://user:pa@s3cret@127.0.0.1:1/",
        "mongodb://user:s3cret@127.0.0.1:s3cret/",
        "http://user:s3cret@127.0.0.1/",
        "mongodb://",
    ],
)
def test_a_malformed_uri_is_refused_without_showing_it(uri: str) -> None:
    with pytest.raises(SettingError, match="SEGUE_MONGO_URI") as caught:
        connect(uri, "segue")
    assert "s3cret" not in _everything(caught.value)


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.store.client.SELECTION_MS", 300)
    with pytest.raises(SegueError, match=r"no MongoDB answers at 127\.0\.0\.1:1 ") as caught:
        connect("mongodb://user:s3cret@127.0.0.1:1/", "segue")
    assert "s3cret" not in _everything(caught.value)


def test_a_connection_does_not_show_its_password(db: Database) -> None:
    assert PASSWORD not in repr(db)
    assert db.client.options.retry_writes
    assert db.write_concern.document["w"] == "majority"


def _everything(error: BaseException | None) -> str:
    """All that a trace would show."""
    texts = []
    while error is not None:
        texts.append(f"{error!r} {error}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " ".join(texts)


def test_applying_the_collections_again_changes_nothing(db: Database) -> None:
    before = _options(db)
    assert apply(db) == []
    assert _options(db) == before
    assert set(before) == {c.name for c in COLLECTIONS}
    names = {tuple(i["key"]) for i in db.playlists.list_indexes()}
    assert ("dt", "commit") in names


def test_a_changed_validator_is_replaced(db: Database) -> None:
    db.command("collMod", "runs", validator={"a": 1})
    db.drop_collection("models")
    assert apply(db) == ["models", "runs"]
    assert apply(db) == []


def _options(db: Database) -> dict[str, Any]:
    return {c["name"]: c["options"] for c in db.list_collections()}


@pytest.mark.parametrize(
    "wrong", [{"name": 5}, {"track_uris": "x"}, {"dt": "yesterday"}, {"surprise": 1}]
)
def test_a_document_of_another_shape_is_refused(db: Database, wrong: dict[str, Any]) -> None:
    with pytest.raises(WriteError, match="validation"):
        db.playlists.insert_one({"_id": 1, **wrong})


def test_the_tasks_of_a_run_add_to_its_document(db: Database) -> None:
    run = {"dag_id": "ingest", "logical_date": "2021-04-10"}
    record_run(db, "ingest/r1", **run, rows={"playlists_in": 3}, durations={"a.b": 1.5})
    record_run(db, "ingest/r1", **run, rows={"playlists_out": 2}, durations={"$c": 2.0})
    record_run(db, "ingest/r1", **run, checks=[{"name": "x", "ok": True, "observed": {"$a": 1}}])
    (found,) = last_runs(db, 5)
    assert found["rows"] == {"playlists_in": 3, "playlists_out": 2}
    assert found["durations"] == {"a.b": 1.5, "$c": 2.0}
    assert found["checks"][0]["observed"] == {"$a": 1}


def test_recent_runs_are_those_of_earlier_dates_of_the_dag_one_a_date(db: Database) -> None:
    for number, (dag, date) in enumerate(
        [
            ("d", "2021-04-09"),
            ("d", "2021-04-10"),
            ("d", "2021-04-10"),
            ("d", "2021-04-11"),
            ("e", "2021-04-08"),
        ]
    ):
        record_run(db, f"{dag}/{number}", dag_id=dag, logical_date=date)
    assert [r["_id"] for r in recent_runs(db, "d", "2021-04-11", 5)] == ["d/2", "d/0"]
    assert [r["_id"] for r in recent_runs(db, "d", "2021-04-12", 1)] == ["d/3"]


def test_rows_of_an_array_are_read_without_the_rest(tmp_path: Path) -> None:
    lake = Lake(tmp_path.as_uri())
    array = np.arange(30, dtype=np.float32).reshape(10, 3)
    lake.put("a.npy", npy_bytes(array))
    assert (read_rows(lake, "a.npy", 4, 3) == array[4:7]).all()
    with pytest.raises(MalformedInput, match="holds 10 rows"):
        read_rows(lake, "a.npy", 8, 3)
    lake.put("b.npy", npy_bytes(array.astype(np.float64)))
    with pytest.raises(MalformedInput, match="float64"):
        read_rows(lake, "b.npy", 0, 1)
    lake.put("c.npy", b"no array")
    with pytest.raises(MalformedInput, match=r"no \.npy"):
        read_rows(lake, "c.npy", 0, 1)


def test_a_stored_vector_is_what_the_driver_makes(db: Database) -> None:
    from segue.store.vectors import vector

    row = np.array([1.5, -2.0, np.float32(0.1)], np.float32)
    assert vector(row) == Binary.from_vector(row.tolist(), BinaryVectorDtype.FLOAT32)
    assert vector(row).as_vector().data == row.tolist()


def test_partitions_on_s3_are_read_in_pieces(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.store.parquet.UNIT_ROWS", 5)
    lake = Lake(s3_url)
    write_drop(lake, "2021-04-10", {f"{pid} n": ["a"] for pid in range(20)}, row_group_size=3)
    key = "staging/playlists/dt=2021-04-10"
    manifest = read_manifest(lake, key)
    assert manifest is not None
    units = row_groups(lake, key, manifest)
    assert [(u.offset, u.rows) for u in units] == [(i * 3, 3) for i in range(5)] + [(15, 5)]
    pids = [
        pid for unit in units for b in read(lake, unit, ["pid"]) for pid in b["pid"].to_pylist()
    ]
    assert pids == list(range(20))
    lake.put("a.npy", npy_bytes(np.arange(30, dtype=np.float32).reshape(10, 3)))
    assert read_rows(lake, "a.npy", 4, 1).tolist() == [[12, 13, 14]]
    lake.remove(units[0].key)
    with pytest.raises(Fenced, match="was replaced"):
        list(read(lake, units[0]))
