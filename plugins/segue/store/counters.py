"""Numbers that only grow, shared by all processes: the collection `counters`."""

import re

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from segue.errors import Fenced
from segue.store.client import Database

_LOAD = "load/"


def next_token(db: Database, name: str) -> int:
    """A number greater than all that were given out before under `name`; the first is 1."""
    while True:
        try:
            counter = db.counters.find_one_and_update(
                {"_id": name},
                {"$inc": {"value": 1}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            # Two processes created it at once; it is there now.
            continue
        if counter is not None:
            return int(counter["value"])


def begin_load(db: Database, date: str, commit: int) -> None:
    """Notes that the staging partition of `date` is being loaded as of `commit`.

    From here on loads of an older commit of that date are fenced off. Raises `Fenced` when a
    newer commit has begun.
    """
    while True:
        try:
            db.counters.update_one({"_id": _LOAD + date}, {"$max": {"value": commit}}, upsert=True)
        except DuplicateKeyError:
            continue
        break
    check_load(db, date, commit)


def check_load(db: Database, date: str, commit: int) -> None:
    """Raises `Fenced` when the load of a newer commit of `date` has begun."""
    counter = db.counters.find_one({"_id": _LOAD + date})
    if counter and counter["value"] > commit:
        raise Fenced(
            f"dt={date}: commit {counter['value']} is loaded or being loaded, so commit {commit} "
            "must not be. If the lake was emptied since, empty the database too"
        )


def loads(db: Database) -> dict[str, int]:
    """The commit of every date that has been loaded or is being loaded, by date, ascending."""
    found = db.counters.find({"_id": re.compile(f"^{_LOAD}")}).sort("_id", 1)
    return {str(c["_id"]).removeprefix(_LOAD): int(c["value"]) for c in found}
