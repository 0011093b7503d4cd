"""What MongoDB knows of lyrics, as tables: a range of songs at a time."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa

from segue.schemas import LYRICS, TRACKS_WITH_LYRICS
from segue.store.client import Database

SONGS = 50_000
"""Songs of a range, about: their texts are read into memory together."""

_MODULUS = 1 << 128


@dataclass(frozen=True)
class Range:
    """Songs with `first` <= URI < `end`; None: without a bound."""

    number: int
    first: str | None
    end: str | None

    def query(self) -> dict[str, Any]:
        """The documents of the range, by `_id`."""
        bounds = {"$gte": self.first, "$lt": self.end}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"_id": given} if given else {}


def ranges(db: Database, songs: int = SONGS) -> list[Range]:
    """All songs of the store, cut into ranges of about `songs`."""
    count = db.tracks.estimated_document_count()
    buckets = max(-(-count // songs), 1)
    cut = {"$bucketAuto": {"groupBy": "$_id", "buckets": buckets}}
    found = list(db.tracks.aggregate([{"$project": {"_id": 1}}, cut], allowDiskUse=True))
    bounds = [None, *[str(bucket["_id"]["min"]) for bucket in found[1:]], None]
    return [Range(number, first, end) for number, (first, end) in enumerate(pairwise(bounds))]


def read_range(db: Database, unit: Range) -> tuple[pa.Table, pa.Table]:
    """The tables LYRICS and TRACKS_WITH_LYRICS of a range, sorted by URI."""
    known = {"status": {"$in": ["found", "instrumental"]}} | unit.query()
    fields = dict.fromkeys(("status", "language", "text", "counts"), 1)
    answers = [_answer(d) for d in db.lyrics.find(known, fields).sort("_id", 1)]
    by_uri = {answer["track_uri"]: answer for answer in answers}
    nothing = dict.fromkeys(LYRICS.names)
    names = [n for n in TRACKS_WITH_LYRICS.names if n not in LYRICS.names]
    songs = [
        nothing
        | by_uri.get(str(track["_id"]), {})
        | {name: track[name] for name in names}
        | {"track_uri": str(track["_id"])}
        for track in db.tracks.find(unit.query(), dict.fromkeys(names, 1)).sort("_id", 1)
    ]
    return (
        pa.Table.from_pylist(answers, schema=LYRICS),
        pa.Table.from_pylist(songs, schema=TRACKS_WITH_LYRICS),
    )


def fingerprint(table: pa.Table) -> int:
    """A number of the rows of `table`, whatever their order; those of parts add up to the whole's.

    Equal contents have equal numbers, modulo 2^128.
    """
    total = 0
    for row in _rows(table):
        digest = hashlib.blake2b(repr(list(row.items())).encode("utf-8", "surrogatepass"))
        total += int.from_bytes(digest.digest()[:16])
    return total % _MODULUS


def combined(fingerprints: Iterator[int]) -> str:
    """The digest of a table whose parts have these fingerprints."""
    return f"{sum(fingerprints) % _MODULUS:032x}"


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _answer(document: Mapping[str, Any]) -> dict[str, Any]:
    counts = document.get("counts")
    return {
        "track_uri": str(document["_id"]),
        "status": document["status"],
        "language": document.get("language"),
        "text": document.get("text"),
        "words": None if counts is None else [word for word, _ in counts],
        "counts": None if counts is None else [n for _, n in counts],
    }
