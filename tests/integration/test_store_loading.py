"""Loads of drops in any order, by any attempts, end in one store."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError

from segue.errors import Fenced, MalformedInput, SegueError
from segue.lake import Lake, read_manifest
from segue.schemas import PLAYLISTS
from segue.store.client import Database
from segue.store.collections import BOOKKEEPING, apply
from segue.store.counters import begin_load, next_token
from segue.store.loading import bounded, load_playlists, load_tracks, recount, write
from segue.store.withdrawal import settle, stale_pids, stale_uris
from tests.drops import Playlists, tables, uri, write_drop
from tests.fixtures_mongo import Mongo


def contents(db: Database, *, bookkeeping: bool = False) -> dict[str, Any]:
    """What the store says of playlists and songs, by id."""
    hidden = {} if bookkeeping else dict.fromkeys(BOOKKEEPING)
    return {
        name: {d["_id"]: {k: v for k, v in d.items() if k not in hidden} for d in db[name].find()}
        for name in ("playlists", "tracks")
    }


def load(db: Database, playlists: Playlists, date: str, commit: int, names: str = "") -> None:
    """Loads a drop without a lake."""
    rows, tracks = tables(playlists, names)
    load_tracks(db, tracks, date, commit)
    load_playlists(db, rows, date, commit)


def load_from(db: Database, lake: Lake, date: str, playlists: Playlists, names: str = "") -> None:
    """Commits a drop to the lake and loads it as the job does."""
    load_committed(db, lake, date, write_drop(lake, date, playlists, names=names), playlists, names)


def load_committed(
    db: Database, lake: Lake, date: str, commit: int, playlists: Playlists, names: str = ""
) -> None:
    """What the job does with a drop that is in the lake."""
    begin_load(db, date, commit)
    load(db, playlists, date, commit, names)
    settle(db, lake)
    recount(db, next_token(db, "recount"))


@pytest.fixture
def fresh(mongo: Mongo) -> Iterator[Database]:
    """Another empty store."""
    database = mongo.database()
    apply(database)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path.as_uri())


def test_a_playlist_holds_its_songs_in_order_and_songs_know_their_first_and_last_drop(
    db: Database,
) -> None:
    load(db, {"7@5 Road trip": ["b", "a", "b"]}, "2021-04-10", 1)
    load(db, {"8@5 Other": ["a"]}, "2021-04-12", 1)
    load(db, {"9@5 Third": ["a"]}, "2021-04-09", 1)
    stored = contents(db)
    assert stored["playlists"][7] == {
        "_id": 7,
        "name": "Road trip",
        "collaborative": False,
        "modified_at": 5,
        "num_tracks": 3,
        "dt": "2021-04-10",
        "track_uris": [uri("b"), uri("a"), uri("b")],
    }
    song = stored["tracks"][uri("a")]
    assert (song["first_dt"], song["last_dt"]) == ("2021-04-09", "2021-04-12")


def test_an_older_drop_never_overwrites_a_newer_playlist(db: Database) -> None:
    load(db, {"7@5 new": ["a"]}, "2021-04-10", 1)
    load(db, {"7@4 modified before": ["b"]}, "2021-04-11", 1)
    load(db, {"7@5 as old, landed before": ["b"]}, "2021-04-09", 9)
    assert db.playlists.find_one({"_id": 7}, {"name": 1, "_id": 0}) == {"name": "new"}


def test_a_zombie_with_a_lower_commit_never_wins(db: Database) -> None:
    load(db, {"7@5 second": ["a"]}, "2021-04-10", 2, names=" second")
    load(db, {"7@5 first": ["a", "b"]}, "2021-04-10", 1, names=" first")
    stored = contents(db)
    assert stored["playlists"][7]["name"] == "second"
    assert stored["tracks"][uri("a")]["track_name"] == "a second"


def test_a_load_that_a_newer_commit_has_overtaken_is_fenced_off(db: Database) -> None:
    begin_load(db, "2021-04-10", 2)
    with pytest.raises(Fenced, match="commit 2"):
        load(db, {"7@5 first": ["a"]}, "2021-04-10", 1)
    with pytest.raises(Fenced):
        begin_load(db, "2021-04-10", 1)
    assert contents(db) == {"playlists": {}, "tracks": {}}


ODD = [
    "$name",
    "$$ROOT",
    "a.b",
    "",
    "\x00",
    "{$gt: ''}",
    "é\u202e🎧",
    "$literal",
    "[red]",
    "\ud7ff",
]


@pytest.mark.parametrize("name", ODD)
def test_names_are_data_whatever_they_look_like(db: Database, name: str) -> None:
    playlists, tracks = tables({f"7@5 {name}": ["a"]})
    at = tracks.schema.get_field_index("track_name")
    tracks = tracks.set_column(at, tracks.schema.field(at), [[name]])
    for _ in range(2):
        load_tracks(db, tracks, "2021-04-10", 1)
        load_playlists(db, playlists, "2021-04-10", 1)
    stored = contents(db)
    assert stored["playlists"][7]["name"] == name
    assert stored["tracks"][uri("a")]["track_name"] == name


_drop = st.dictionaries(
    st.builds("{}@{} {}".format, st.integers(0, 4), st.integers(0, 2), st.sampled_from(ODD)),
    st.lists(st.sampled_from("abcd"), max_size=4),
    max_size=3,
).filter(lambda drop: len({k.partition("@")[0] for k in drop}) == len(drop))
_drops = st.lists(
    st.tuples(st.sampled_from(["2021-04-09", "2021-04-10", "2021-04-11"]), st.integers(1, 3)),
    min_size=1,
    max_size=5,
    unique=True,
).flatmap(lambda keys: st.tuples(*[st.tuples(st.just(k), _drop) for k in keys]))

_quick = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_quick
@given(drops=_drops, data=st.data())
def test_any_order_repetition_and_interleaving_ends_in_the_same_store(
    db: Database, drops: Any, data: st.DataObject
) -> None:
    often = [d for d in drops for _ in range(data.draw(st.integers(1, 2)))]
    ends = []
    for order in (drops, data.draw(st.permutations(often))):
        _empty(db)
        for (date, commit), playlists in order:
            load(db, playlists, date, commit, names=f" {date} {commit}")
        ends.append(contents(db, bookkeeping=True))
    _empty(db)
    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(load, db, playlists, date, commit, f" {date} {commit}")
            for (date, commit), playlists in data.draw(st.permutations(often))
        ]
        for done in running:
            done.result()
    ends.append(contents(db, bookkeeping=True))
    assert ends[0] == ends[1] == ends[2]


def _empty(db: Database) -> None:
    for name in ("playlists", "tracks", "counters"):
        db[name].delete_many({})


def test_concurrent_upserts_of_one_new_id_all_arrive(db: Database) -> None:
    def add(_: int) -> int:
        ops = [UpdateOne({"_id": i}, {"$inc": {"n": 1}}, upsert=True) for i in range(200)]
        return write(db.races, ops)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(add, range(8))) == [200] * 8
    assert db.races.count_documents({"n": 8}) == 200


@pytest.mark.parametrize(
    "error",
    [
        BulkWriteError({"writeErrors": [{"code": 11000, "index": 1}]}),
        AutoReconnect("connection closed"),
    ],
)
def test_what_lost_a_race_or_its_connection_is_sent_again(
    db: Database, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sent: list[int] = []
    real = Collection.bulk_write

    def once(self: Any, requests: Any, **options: Any) -> Any:
        sent.append(len(requests))
        if len(sent) == 1:
            raise error
        return real(self, requests, **options)

    monkeypatch.setattr(Collection, "bulk_write", once)
    ops = [UpdateOne({"_id": i}, {"$set": {"n": 1}}, upsert=True) for i in range(3)]
    assert write(db.races, ops) == 3
    assert sent == [3, 1 if isinstance(error, BulkWriteError) else 3]


def test_what_stays_out_of_reach_is_an_error(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(Collection, "bulk_write", never)
    monkeypatch.setattr("segue.store.loading.time.sleep", lambda _: None)
    with pytest.raises(SegueError, match="1 writes failed"):
        write(db.races, [UpdateOne({"_id": 1}, {"$set": {"n": 1}}, upsert=True)])


def test_what_mongodb_refuses_is_named(db: Database) -> None:
    with pytest.raises(MalformedInput, match="playlists: MongoDB refuses 7"):
        write(db.playlists, [UpdateOne({"_id": 7}, {"$set": {"name": 5}}, upsert=True)])


def test_batches_are_bounded_by_rows_and_bytes() -> None:
    big = pa.Table.from_pylist([_wide(pid, 100_000) for pid in range(4)], PLAYLISTS)
    assert [b.num_rows for b in bounded(big)] == [1, 1, 1, 1]
    small = pa.Table.from_pylist([_wide(pid, 1) for pid in range(2_500)], PLAYLISTS)
    assert [b.num_rows for b in bounded(small)] == [1_000, 1_000, 500]
    assert pa.Table.from_batches(bounded(small)) == small
    assert list(bounded(small.slice(0, 0))) == []


def _wide(pid: int, songs: int) -> dict[str, Any]:
    row = {"pid": pid, "name": "n", "modified_at": 0, "num_tracks": songs}
    return row | {"track_uris": [uri("a")] * songs}


def test_a_playlist_larger_than_a_document_is_refused_by_pid(db: Database) -> None:
    rows = pa.Table.from_pylist([_wide(77, 400_000)], PLAYLISTS)
    with pytest.raises(MalformedInput, match="77"):
        load_playlists(db, rows, "2021-04-10", 1)


def test_a_recount_counts_a_playlist_once_and_forgets_songs_no_longer_held(db: Database) -> None:
    load(db, {"1@1 x": ["a", "a", "b"], "2@1 y": ["a"]}, "2021-04-10", 1)
    recount(db, 1)
    assert _counts(db) == {"a": 2, "b": 1}
    load(db, {"1@2 x": ["a"]}, "2021-04-11", 1)
    recount(db, 2)
    assert _counts(db) == {"a": 2, "b": 0}


def test_a_late_recount_never_overwrites_a_newer_one(db: Database) -> None:
    load(db, {"1@1 x": ["a", "b"]}, "2021-04-10", 1)
    recount(db, 5)
    db.playlists.delete_many({})
    load(db, {"2@1 y": ["a"], "3@1 z": ["a"]}, "2021-04-10", 1)
    recount(db, 4)
    assert _counts(db) == {"a": 1, "b": 1}
    recount(db, 6)
    assert _counts(db) == {"a": 2, "b": 0}


def _counts(db: Database) -> dict[str, int]:
    songs = {uri(s): s for s in "abcd"}
    return {songs[d["_id"]]: d["num_playlists"] for d in db.tracks.find()}


def test_tokens_grow_by_one_however_many_ask(db: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: next_token(db, "t"), range(40)))
    assert sorted(tokens) == list(range(1, 41))


def test_a_playlist_that_a_relanded_drop_lost_falls_back_to_an_older_drop(
    db: Database, lake: Lake
) -> None:
    load_from(db, lake, "2021-04-08", {"7@1 oldest": ["c"]})
    load_from(db, lake, "2021-04-09", {"7@2 older": ["a"]})
    load_from(db, lake, "2021-04-10", {"7@9 newest": ["a", "b"], "8@1 other": ["a"]})
    load_from(db, lake, "2021-04-10", {"8@1 other": ["a"]})
    assert {p["_id"]: p["name"] for p in db.playlists.find()} == {7: "older", 8: "other"}
    assert _counts(db) == {"a": 2, "c": 0}


def test_a_song_that_no_drop_holds_any_more_is_removed_and_others_keep_their_dates_and_names(
    db: Database, lake: Lake
) -> None:
    load_from(db, lake, "2021-04-09", {"1@1 x": ["a", "b"]}, names=" 9")
    load_from(db, lake, "2021-04-10", {"2@1 x": ["b"]}, names=" 10")
    load_from(db, lake, "2021-04-11", {"3@1 x": ["a", "c"]}, names=" 11")
    load_from(db, lake, "2021-04-11", {})
    load_from(db, lake, "2021-04-09", {"1@1 x": ["a"]}, names=" 9")
    songs = {d["track_name"]: (d["first_dt"][-2:], d["last_dt"][-2:]) for d in db.tracks.find()}
    assert songs == {"a 9": ("09", "09"), "b 10": ("10", "10")}


def test_a_playlist_that_relands_with_an_earlier_modification_is_taken_as_it_is_now(
    db: Database, lake: Lake
) -> None:
    load_from(db, lake, "2021-04-10", {"7@9 first": ["a"]})
    load_from(db, lake, "2021-04-10", {"7@3 second": ["b"]})
    assert {p["name"] for p in db.playlists.find()} == {"second"}
    assert set(_counts(db)) == {"b"}


def test_what_a_zombie_wrote_after_its_successor_was_done_is_swept_by_the_next_load(
    db: Database, lake: Lake
) -> None:
    load_from(db, lake, "2021-04-10", {"7@9 first": ["a"]})
    zombie = contents(db, bookkeeping=True)
    load_from(db, lake, "2021-04-10", {"8@9 second": ["b"]})
    db.playlists.insert_many(zombie["playlists"].values())
    db.tracks.insert_many(zombie["tracks"].values())
    assert stale_pids(db, "2021-04-10", 2) == [7]
    assert stale_uris(db, "2021-04-10", 2) == [uri("a")]
    load_from(db, lake, "2021-04-11", {})
    assert {p["_id"] for p in db.playlists.find()} == {8}
    assert set(_counts(db)) == {"b"}


def test_a_load_between_a_killed_settlement_and_its_retry_hides_no_drop(
    db: Database, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_from(db, lake, "2021-04-10", {"7@9 first": ["a"]})
    load_from(db, lake, "2021-04-11", {"7@5 lost to it": ["a"]}, names=" 11")
    with monkeypatch.context() as patch:
        patch.setattr("segue.store.withdrawal._drops", _die)
        with pytest.raises(Killed):
            load_from(db, lake, "2021-04-10", {})
    load(db, {"7@1 old": ["a"]}, "2021-04-12", write_drop(lake, "2021-04-12", {"7@1 old": ["a"]}))
    assert {p["name"] for p in db.playlists.find()} == {"old"}
    load_from(db, lake, "2021-04-12", {"7@1 old": ["a"]})
    assert {p["name"] for p in db.playlists.find()} == {"lost to it"}
    (song,) = db.tracks.find()
    assert (song["first_dt"], song["last_dt"]) == ("2021-04-11", "2021-04-12")
    assert "withdrawn" not in song


def _die(*_: Any) -> None:
    raise Killed


def test_a_drop_that_was_replaced_but_not_loaded_brings_nothing_back(
    db: Database, lake: Lake
) -> None:
    load_from(db, lake, "2021-04-09", {"7@1 checked": ["a"]})
    load_from(db, lake, "2021-04-10", {"7@9 newest": ["a"]})
    write_drop(lake, "2021-04-09", {"7@1 unchecked": ["a"]})
    load_from(db, lake, "2021-04-10", {})
    assert list(db.playlists.find()) == []


@_quick
@given(
    history=st.lists(
        st.tuples(st.sampled_from(["2021-04-09", "2021-04-10", "2021-04-11"]), _drop),
        min_size=1,
        max_size=7,
    ),
    kills=st.sets(st.integers(0, 60), max_size=4),
)
def test_the_store_is_a_function_of_the_lake_whatever_landed_before_and_whoever_was_killed(
    db: Database,
    fresh: Database,
    tmp_path_factory: pytest.TempPathFactory,
    history: Any,
    kills: set[int],
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake").as_uri())
    _empty(db)
    _empty(fresh)
    steps = itertools.count()
    for date, playlists in history:
        commit = write_drop(lake, date, playlists, names=f" {date}")
        while True:
            try:
                with killed_at(kills, steps):
                    load_committed(db, lake, date, commit, playlists, f" {date}")
                break
            except Killed:
                continue
    assert contents(db) == contents_of(lake, dict(history), fresh)


def contents_of(lake: Lake, drops: dict[str, Playlists], fresh: Database) -> dict[str, Any]:
    """What an empty store holds after one load of what is in the lake."""
    for date, playlists in drops.items():
        manifest = read_manifest(lake, f"staging/playlists/dt={date}")
        assert manifest is not None
        load(fresh, playlists, date, manifest.token, names=f" {date}")
    recount(fresh, 1)
    return contents(fresh)


@pytest.mark.parametrize("seed", range(4))
def test_drops_that_land_again_at_the_same_time_end_in_a_function_of_the_lake(
    db: Database, fresh: Database, lake: Lake, seed: int
) -> None:
    chance = random.Random(seed)
    versions: dict[str, list[Playlists]] = {
        f"2021-04-1{day}": [
            {
                f"{pid}@{chance.randrange(3)} n": chance.choices("abcd", k=chance.randrange(3))
                for pid in chance.sample(range(12), 6)
            }
            for _ in range(6)
        ]
        for day in range(4)
    }

    def land_all(date: str) -> None:
        for playlists in versions[date]:
            load_from(db, lake, date, playlists, names=f" {date}")

    with ThreadPoolExecutor(len(versions)) as pool:
        list(pool.map(land_all, versions))
    recount(db, next_token(db, "recount"))
    assert contents(db) == contents_of(lake, {d: v[-1] for d, v in versions.items()}, fresh)


class Killed(Exception):
    """The process died."""


class killed_at:
    """Raises `Killed` before the n-th write to MongoDB, for every n of `kills`."""

    def __init__(self, kills: set[int], steps: "itertools.count[int]") -> None:
        self.kills, self.steps, self.patch = kills, steps, pytest.MonkeyPatch()

    def __enter__(self) -> None:
        for name in ("bulk_write", "update_many", "delete_many", "update_one"):
            self.patch.setattr(Collection, name, self._dying(getattr(Collection, name)))

    def __exit__(self, *_: object) -> None:
        self.patch.undo()

    def _dying(self, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if next(self.steps) in self.kills:
                raise Killed
            return real(*args, **options)

        return call
