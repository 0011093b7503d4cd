"""Which versions there are, and which one is published.

`published/current` is the truth: one document, changed by compare-and-set only. The states in
`models` follow from it; whoever changes it writes them too, and what a crash left out is mended
by the next call. Readers get the derived state in any case.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from segue.errors import Fenced, SegueError
from segue.store.client import Database, Document
from segue.store.collections import vectors as vectors_of


class Outcome(StrEnum):
    """How `publish` ended; true if the version is the published one now."""

    PUBLISHED = "published"
    UNCHANGED = "published already"
    OLDER = "not published: what is published has a later date"
    REJECTED = "not published: a person rolled back from it"

    def __bool__(self) -> bool:
        return self in (Outcome.PUBLISHED, Outcome.UNCHANGED)


KEPT = 100
"""Entries of the history, and versions one can roll back through."""


def register(
    db: Database,
    version: str,
    *,
    logical_date: datetime,
    vectors: Mapping[str, int],
    metrics: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> str:
    """Makes `version` known as a candidate, or says anew what is known of it; returns its state.

    `vectors` says how many documents each of its vector collections must have, by kind, as
    {"song_vectors": 63815}. A version that is registered again keeps its state.
    """
    facts = {
        "logical_date": logical_date,
        "vectors": dict(vectors),
        "metrics": dict(metrics or {}),
        "parameters": dict(parameters or {}),
        "lineage": dict(lineage or {}),
    }
    while True:
        try:
            model = db.models.find_one_and_update(
                {"_id": version},
                {"$set": facts, "$setOnInsert": {"state": "candidate"}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            if model is not None:
                return _state(model, published(db))
        except DuplicateKeyError:
            continue


def published(db: Database) -> Document | None:
    """What is published: version, logical_date, history (latest last), previous, rejected."""
    return db.published.find_one({"_id": "current"})


def versions(db: Database) -> list[Document]:
    """All registered versions with their state, latest logical date first."""
    current = published(db)
    found = db.models.find().sort([("logical_date", -1), ("_id", -1)])
    return [{**model, "state": _state(model, current)} for model in found]


def publish(
    db: Database, version: str, logical_date: datetime, expected: str | None, *, force: bool = False
) -> Outcome:
    """Makes `version` the published one if `expected` (None: nothing) still is.

    Changes nothing and says so if what is published has a later logical date, or if a person
    rolled back from `version` or promoted an older one over it; `force` is a person's word and
    overrides both. Raises `Fenced` if something else than `expected` is published, `SegueError`
    if `version` is not registered or its vectors are not whole.
    """
    _check_whole(db, version, logical_date)
    current = published(db)
    if current is not None and current["version"] == version:
        _write_states(db)
        return Outcome.UNCHANGED
    if current is not None and not force:
        if version in current["rejected"]:
            return Outcome.REJECTED
        if current["logical_date"] > logical_date:
            return Outcome.OLDER
    if (current["version"] if current else None) != expected:
        raise Fenced(f"{_name(current)} is published, not {expected}: {version} is not published")
    entry = _entry(version, logical_date, "promoted" if force else "published")
    if current is None:
        _publish_first(db, version, logical_date, entry)
    else:
        # Dates come with the sequence: nobody changed the document since it was read.
        changed = db.published.find_one_and_update(
            {"_id": "current", "version": expected, "sequence": current["sequence"]},
            {
                "$set": {
                    "version": version,
                    "logical_date": logical_date,
                    "rejected": _rejected(current, version, logical_date),
                },
                "$inc": {"sequence": 1},
                "$push": {
                    "previous": {"$each": [expected], "$slice": -KEPT},
                    "history": {"$each": [entry], "$slice": -KEPT},
                },
            },
            return_document=ReturnDocument.AFTER,
        )
        if changed is None:
            raise Fenced(f"{_name(published(db))} was published meanwhile, {version} is not")
    _write_states(db)
    return Outcome.PUBLISHED


def promote(db: Database, version: str) -> Outcome:
    """Publishes `version` whatever its date: a person's word. Raises as `publish` does."""
    model = db.models.find_one({"_id": version})
    if model is None:
        raise SegueError(f"no version {version}: `segue models` lists them")
    current = published(db)
    expected = current["version"] if current else None
    return publish(db, version, model["logical_date"], expected, force=True)


def rollback(db: Database) -> str:
    """Publishes what was published before, and rejects what is now; returns the version.

    Again goes one further back. Raises `SegueError` if there is none or it is not whole any more,
    `Fenced` if something was published meanwhile.
    """
    current = published(db)
    if current is None or not current["previous"]:
        raise SegueError("nothing was published before: there is nothing to go back to")
    version = str(current["previous"][-1])
    model = db.models.find_one({"_id": version})
    if model is None:
        raise SegueError(f"{version} was published before, but is gone: promote another version")
    _check_whole(db, version, model["logical_date"])
    changed = db.published.update_one(
        {"_id": "current", "sequence": current["sequence"]},
        {
            "$set": {
                "version": version,
                "logical_date": model["logical_date"],
                "rejected": [
                    *(v for v in current["rejected"] if v != version),
                    current["version"],
                ],
            },
            "$inc": {"sequence": 1},
            "$pop": {"previous": 1},
            "$push": {
                "history": {
                    "$each": [_entry(version, model["logical_date"], "rolled back")],
                    "$slice": -KEPT,
                }
            },
        },
    )
    if not changed.matched_count:
        raise Fenced(f"{_name(published(db))} was published meanwhile: look again")
    _write_states(db)
    return version


def _rejected(current: Document, version: str, logical_date: datetime) -> list[str]:
    """What no schedule may publish once `version` is: a person chose an older one over it."""
    rejected = [v for v in current["rejected"] if v != version]
    older = logical_date < current["logical_date"]
    return [*rejected, current["version"]] if older else rejected


def _name(current: Document | None) -> str:
    return str(current["version"]) if current else "nothing"


def _entry(version: str, logical_date: datetime, how: str) -> Document:
    return {
        "version": version,
        "logical_date": logical_date,
        "how": how,
        "at": datetime.now(UTC).replace(microsecond=0),
    }


def _check_whole(db: Database, version: str, logical_date: datetime) -> None:
    model = db.models.find_one({"_id": version})
    if model is None:
        raise SegueError(f"{version} is not registered, so it cannot be published")
    if model["logical_date"] != logical_date:
        raise SegueError(f"{version} is of {model['logical_date']}, not of {logical_date}")
    if not model["vectors"]:
        raise SegueError(f"{version} has no vectors, so it cannot be published")
    for kind, wanted in model["vectors"].items():
        name = vectors_of(kind, version)
        stored = db[name].count_documents({})
        if stored != wanted:
            raise SegueError(f"{name} holds {stored} vectors of {wanted}: load it again")


def _publish_first(db: Database, version: str, logical_date: datetime, entry: Document) -> None:
    try:
        db.published.insert_one(
            {
                "_id": "current",
                "version": version,
                "logical_date": logical_date,
                "sequence": 1,
                "previous": [],
                "rejected": [],
                "history": [entry],
            }
        )
    except DuplicateKeyError:
        raise Fenced(f"{_name(published(db))} was published meanwhile, {version} is not") from None


def _state(model: Document, current: Document | None) -> str:
    version = model["_id"]
    if current is None:
        return str(model["state"])
    if version == current["version"]:
        return "published"
    if version in current["rejected"]:
        return "rejected"
    was = model["state"] == "published" or any(e["version"] == version for e in current["history"])
    return "retired" if was else str(model["state"])


def _write_states(db: Database) -> None:
    """Writes the states that follow from what is published, until nobody has changed it."""
    current = published(db)
    while current is not None:
        for model in db.models.find():
            state = _state(model, current)
            if state != model["state"]:
                db.models.update_one({"_id": model["_id"]}, {"$set": {"state": state}})
        again = published(db)
        if again is None or again["sequence"] == current["sequence"]:
            return
        current = again
