"""The registry: publishing by compare-and-set, and what people may do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from segue.errors import Fenced, SegueError
from segue.store import registry
from segue.store.client import Database
from segue.store.registry import (
    Outcome,
    promote,
    publish,
    published,
    register,
    rollback,
    versions,
)

VECTORS = {"song_vectors": 2, "playlist_vectors": 1}


def day(number: int) -> datetime:
    return datetime(2021, 4, number, tzinfo=UTC)


def trained(db: Database, version: str, date: int) -> str:
    """A registered version with its vectors."""
    for kind, count in VECTORS.items():
        db[f"{kind}__{version}"].insert_many([{"_id": i} for i in range(count)])
    register(db, version, logical_date=day(date), vectors=VECTORS, metrics={"a.b": {"$c": 1}})
    return version


def out(db: Database, version: str, date: int) -> Outcome:
    """Publishes as the DAG does: what is published now is expected."""
    current = published(db)
    return publish(db, version, day(date), current["version"] if current else None)


def states(db: Database) -> dict[str, str]:
    """The states that readers get, which must be those in the collection."""
    derived = {m["_id"]: m["state"] for m in versions(db)}
    assert derived == {m["_id"]: m["state"] for m in db.models.find()}
    return derived


def now(db: Database) -> str:
    current = published(db)
    assert current is not None
    return str(current["version"])


def test_a_version_is_a_candidate_then_published_then_retired(db: Database) -> None:
    trained(db, "v1", 1)
    assert states(db) == {"v1": "candidate"}
    assert out(db, "v1", 1) is Outcome.PUBLISHED
    trained(db, "v2", 8)
    assert out(db, "v2", 8) is Outcome.PUBLISHED
    assert states(db) == {"v1": "retired", "v2": "published"}
    current = published(db)
    assert current is not None
    assert [e["version"] for e in current["history"]] == ["v1", "v2"]


def test_registering_again_keeps_the_state(db: Database) -> None:
    trained(db, "v1", 1)
    out(db, "v1", 1)
    assert register(db, "v1", logical_date=day(1), vectors=VECTORS) == "published"
    assert states(db) == {"v1": "published"}


def test_publishing_again_changes_nothing(db: Database) -> None:
    trained(db, "v1", 1)
    out(db, "v1", 1)
    before = published(db)
    assert out(db, "v1", 1) is Outcome.UNCHANGED
    assert publish(db, "v1", day(1), None) is Outcome.UNCHANGED
    assert published(db) == before


def test_an_older_date_is_not_published_unless_a_person_promotes_it(db: Database) -> None:
    trained(db, "new", 8)
    trained(db, "old", 1)
    out(db, "new", 8)
    outcome = out(db, "old", 1)
    assert outcome is Outcome.OLDER
    assert not outcome
    assert now(db) == "new"
    assert promote(db, "old") is Outcome.PUBLISHED
    assert states(db) == {"new": "rejected", "old": "published"}


def test_only_one_of_many_who_saw_the_same_version_publishes(db: Database) -> None:
    out(db, trained(db, "v0", 1), 1)
    for i in range(1, 9):
        trained(db, f"v{i}", 8)

    def race(i: int) -> Any:
        try:
            return publish(db, f"v{i}", day(8), "v0")
        except Fenced:
            return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(race, range(1, 9)))
    assert [o for o in outcomes if o] == [Outcome.PUBLISHED]
    assert sorted(states(db).values()) == ["candidate"] * 7 + ["published", "retired"]


def test_only_one_of_many_publishes_first(db: Database) -> None:
    for i in range(8):
        trained(db, f"v{i}", 8)

    def race(i: int) -> Any:
        try:
            return publish(db, f"v{i}", day(8), None)
        except Fenced:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert len([o for o in pool.map(race, range(8)) if o]) == 1


def test_publishing_what_was_changed_meanwhile_is_refused(db: Database) -> None:
    for i in range(3):
        trained(db, f"v{i}", i + 1)
    out(db, "v0", 1)
    out(db, "v1", 2)
    with pytest.raises(Fenced, match="v1 is published, not v0"):
        publish(db, "v2", day(3), "v0")
    assert now(db) == "v1"


@pytest.mark.parametrize("act", ["publish", "first", "rollback"])
def test_what_is_published_between_reading_and_writing_is_not_overwritten(
    db: Database, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    for i in range(4):
        trained(db, f"v{i}", i + 1)
    if act != "first":
        out(db, "v0", 1)
        out(db, "v1", 2)
    entry = registry._entry

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(registry, "_entry", entry)
        out(db, "v2", 3)
        return entry(*arguments)

    monkeypatch.setattr(registry, "_entry", meanwhile)
    with pytest.raises(Fenced, match="v2 was published meanwhile"):
        rollback(db) if act == "rollback" else out(db, "v3", 4)
    assert now(db) == "v2"


@pytest.mark.parametrize("lacking", ["registration", "vectors", "a vector"])
def test_what_is_not_whole_is_not_published(db: Database, lacking: str) -> None:
    trained(db, "v1", 1)
    if lacking == "registration":
        db.models.delete_one({"_id": "v1"})
    elif lacking == "vectors":
        db.drop_collection("song_vectors__v1")
    else:
        db["song_vectors__v1"].delete_one({})
    with pytest.raises(
        SegueError, match=r"not registered|song_vectors__v1 holds [01] vectors of 2"
    ):
        out(db, "v1", 1)
    assert published(db) is None


def test_a_crash_after_publishing_is_mended_by_the_next_call(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    out(db, trained(db, "v1", 1), 1)
    trained(db, "v2", 2)
    with monkeypatch.context() as patch:
        patch.setattr("segue.store.registry._write_states", _crash)
        with pytest.raises(RuntimeError):
            out(db, "v2", 2)
    assert {m["_id"]: m["state"] for m in versions(db)} == {"v1": "retired", "v2": "published"}
    assert out(db, "v2", 2) is Outcome.UNCHANGED
    assert states(db) == {"v1": "retired", "v2": "published"}


def test_a_schedule_does_not_undo_a_promotion_of_an_older_version(db: Database) -> None:
    for i in range(1, 4):
        out(db, trained(db, f"v{i}", i), i)
    promote(db, "v1")
    assert out(db, "v3", 3) is Outcome.REJECTED
    assert published(db)["version"] == "v1"
    promote(db, "v3")
    assert states(db) == {"v1": "retired", "v2": "retired", "v3": "published"}


def test_what_one_rolls_back_to_is_no_longer_rejected(db: Database) -> None:
    for i in range(1, 3):
        out(db, trained(db, f"v{i}", i), i)
    promote(db, "v1")
    assert [rollback(db), rollback(db)] == ["v2", "v1"]
    assert published(db)["rejected"] == ["v2"]
    assert states(db) == {"v1": "published", "v2": "rejected"}


def _crash(_: Database) -> None:
    raise RuntimeError("killed")


def test_a_rollback_goes_back_step_by_step_and_the_dag_does_not_undo_it(db: Database) -> None:
    for i in range(1, 4):
        out(db, trained(db, f"v{i}", i), i)
    assert rollback(db) == "v2"
    assert states(db) == {"v1": "retired", "v2": "published", "v3": "rejected"}
    assert out(db, "v3", 3) is Outcome.REJECTED
    assert rollback(db) == "v1"
    with pytest.raises(SegueError, match="nothing to go back to"):
        rollback(db)
    out(db, trained(db, "v4", 4), 4)
    assert states(db)["v1"] == "retired"
    promote(db, "v3")
    assert states(db)["v3"] == "published"
    assert rollback(db) == "v4"


def test_a_rollback_to_what_is_gone_is_refused(db: Database) -> None:
    for i in range(1, 3):
        out(db, trained(db, f"v{i}", i), i)
    db.drop_collection("song_vectors__v1")
    with pytest.raises(SegueError, match="song_vectors__v1"):
        rollback(db)
    assert now(db) == "v2"


def test_an_unknown_version_is_not_promoted(db: Database) -> None:
    with pytest.raises(SegueError, match="no version v9"):
        promote(db, "v9")
