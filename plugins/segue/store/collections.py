"""What the collections hold: validators and indexes, declared here and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid

from segue.schemas import PLAYLISTS, TRACKS
from segue.store.client import Database

BOOKKEEPING = ("commit", "first_commit", "last_commit", "counted_by", "withdrawn")
"""Fields of `playlists` and `tracks` that say which attempt wrote them.

They differ between two stores that hold the same data; everything else is equal.
"""

NO_DATE = ""
"""The date of a document that no drop has claimed yet: see `segue.store.withdrawal`."""

_DATE = {"bsonType": "string", "pattern": r"^(\d{4}-\d{2}-\d{2})?$"}
_WHOLE = {"bsonType": ["int", "long"], "minimum": 0}
_STRING = {"bsonType": "string"}


@dataclass(frozen=True)
class Collection:
    """A collection's name, the properties its documents must have, and its indexes."""

    name: str
    required: Mapping[str, Any]
    optional: Mapping[str, Any]
    indexes: Sequence[IndexModel]
    closed: bool = True
    """Whether fields that are not named are refused."""

    @property
    def validator(self) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "bsonType": "object",
            "required": list(self.required),
            "properties": {**self.required, **self.optional},
        }
        return {"$jsonSchema": schema | ({"additionalProperties": False} if self.closed else {})}


def _bson(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_integer(kind):
        return {"bsonType": ["int", "long"]}
    if pa.types.is_boolean(kind):
        return {"bsonType": "bool"}
    if pa.types.is_list(kind):
        return {"bsonType": "array", "items": _bson(kind.value_type)}
    return _STRING


def _fields(schema: pa.Schema, key: str, *, nullable: bool) -> dict[str, Any]:
    return {f.name: _bson(f.type) for f in schema if f.nullable is nullable and f.name != key}


TRACK_FIELDS = tuple(
    f.name for f in TRACKS if f.name not in ("track_uri", "num_playlists", "num_entries")
)
"""What a song is called; `num_playlists` of the store is counted over the whole store."""

COLLECTIONS = (
    Collection(
        name="playlists",
        required={
            "_id": {"bsonType": "long"},
            **_fields(PLAYLISTS, "pid", nullable=False),
            "dt": _DATE,
            "commit": _WHOLE,
        },
        optional={**_fields(PLAYLISTS, "pid", nullable=True), "withdrawn": _WHOLE},
        # None on track_uris: it would hold an entry for each of 66 million entries and slow every
        # load; who asks which playlists hold a song asks the serving bundle.
        indexes=[
            IndexModel([("dt", ASCENDING), ("commit", ASCENDING)]),
            IndexModel([("withdrawn", ASCENDING)], sparse=True),
        ],
    ),
    Collection(
        name="tracks",
        required={
            "_id": _STRING,
            **{name: _bson(TRACKS.field(name).type) for name in TRACK_FIELDS},
            "num_playlists": _WHOLE,
            "counted_by": _WHOLE,
            "first_dt": _DATE,
            "first_commit": _WHOLE,
            "last_dt": _DATE,
            "last_commit": _WHOLE,
        },
        optional={"withdrawn": _WHOLE},
        indexes=[
            IndexModel([("withdrawn", ASCENDING)], sparse=True),
            IndexModel([("num_playlists", DESCENDING), ("_id", ASCENDING)]),
            IndexModel([("first_dt", ASCENDING), ("first_commit", ASCENDING)]),
            IndexModel([("last_dt", ASCENDING), ("last_commit", ASCENDING)]),
        ],
    ),
    Collection(
        name="lyrics",
        required={
            "_id": _STRING,
            "status": {"enum": ["found", "instrumental", "not_found", "failed"]},
            "attempts": _WHOLE,
            "fetched_at": {"bsonType": "date"},
        },
        optional={
            "provider": _STRING,
            "method": {"enum": ["album", "no_album", "cleaned", "search"]},
            "score": {"bsonType": "double", "minimum": 0, "maximum": 1},
            "language": _STRING,
            "text": _STRING,
            # [word, count] pairs, by word.
            "counts": {"bsonType": "array", "items": {"bsonType": "array"}},
            "error": _STRING,
            "misses": _WHOLE,
            "asked_by": {"bsonType": "object"},
            "next_attempt_at": {"bsonType": "date"},
        },
        indexes=[IndexModel([("status", ASCENDING), ("next_attempt_at", ASCENDING)])],
    ),
    Collection(
        name="lyrics_claims",
        required={
            "_id": _STRING,
            "owner": _STRING,
            "token": _WHOLE,
            "until": {"bsonType": "date"},
        },
        optional={},
        # What a killed run had claimed goes by itself.
        indexes=[IndexModel([("until", ASCENDING)], expireAfterSeconds=0)],
    ),
    Collection(
        name="models",
        required={
            "_id": _STRING,
            "state": {"enum": ["candidate", "published", "rejected", "retired"]},
            "logical_date": {"bsonType": "date"},
            "metrics": {"bsonType": "object"},
            "parameters": {"bsonType": "object"},
            "lineage": {"bsonType": "object"},
            "vectors": {"bsonType": "object"},
        },
        optional={},
        indexes=[IndexModel([("logical_date", DESCENDING)])],
        closed=False,
    ),
    Collection(
        name="published",
        required={
            "_id": {"enum": ["current"]},
            "version": _STRING,
            "logical_date": {"bsonType": "date"},
            "sequence": _WHOLE,
            "previous": {"bsonType": "array", "items": _STRING},
            "rejected": {"bsonType": "array", "items": _STRING},
            "history": {"bsonType": "array", "items": {"bsonType": "object"}},
        },
        optional={},
        indexes=[],
    ),
    Collection(
        name="runs",
        required={
            "_id": _STRING,
            "dag_id": _STRING,
            "logical_date": _STRING,
            "recorded_at": {"bsonType": "date"},
        },
        optional={
            "rows": {"bsonType": "object"},
            "durations": {"bsonType": "object"},
            "checks": {"bsonType": "array", "items": {"bsonType": "object"}},
        },
        indexes=[
            IndexModel([("dag_id", ASCENDING), ("logical_date", DESCENDING)]),
            IndexModel([("recorded_at", DESCENDING)]),
        ],
        closed=False,
    ),
)


def apply(db: Database) -> list[str]:
    """Creates what is missing and updates what has changed; names what it touched.

    Safe to run at any time, by several processes at once, over a store that is in use.
    """
    there = {str(c["name"]): c.get("options", {}) for c in db.list_collections()}
    touched = []
    for collection in COLLECTIONS:
        if collection.name not in there:
            try:
                db.create_collection(collection.name, validator=collection.validator)
                touched.append(collection.name)
            except CollectionInvalid:
                # Another process was quicker; its validator is the same or is mended next time.
                pass
        elif there[collection.name].get("validator") != collection.validator:
            db.command("collMod", collection.name, validator=collection.validator)
            touched.append(collection.name)
        if collection.indexes:
            db[collection.name].create_indexes(list(collection.indexes))
    return touched


def vectors(kind: str, version: str) -> str:
    """The name of the collection of `kind` (song_vectors, playlist_vectors, …) of a version."""
    return f"{kind}__{version}"
