"""Lyrics in MongoDB: which songs are due, who asks for them now, what was answered.

An answer is a document of `lyrics`. While a task asks for a song it holds the song's claim, a
document of `lyrics_claims` that expires by itself: no two tasks ask for the same song at once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from pymongo import DeleteOne, UpdateOne

from segue.errors import Fenced
from segue.lyrics.lookup import STATUSES, Outcome, Song
from segue.store.client import Database, Document
from segue.store.counters import next_token
from segue.store.loading import write

LEASE_SECONDS = 900
WAIT_DAYS = (30, 90, 180)
"""How long a song that was not found waits: after the first time, the second, and every later."""

_ANSWERED = ["found", "instrumental"]
_SCAN = 1_000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class LyricsStore:
    """The songs that one attempt at a task asks for.

    `owner` names the task and is the same for all its attempts; a newer attempt takes over what an
    older one had claimed, and the older one can no longer save. `keep` says what is stored of a
    text: itself, or how often each word occurs.
    """

    def __init__(self, db: Database, owner: str, *, keep: Literal["text", "counts"]) -> None:
        self.db, self.owner, self.keep = db, owner, keep
        self.token = next_token(db, "lyrics_claims")

    def claim(self, uris: Sequence[str]) -> set[str]:
        """Those of `uris` that are this attempt's now, and still due.

        The others are being asked for by another task, or were answered meanwhile.
        """
        expired = {"$lte": [{"$ifNull": ["$until", _NEVER]}, "$$NOW"]}
        own = {
            "$and": [{"$eq": ["$owner", _literal(self.owner)]}, {"$lte": ["$token", self.token]}]
        }
        mine = self._mine() | {"_id": "$_id", "until": _lease_end()}
        taken = {"$cond": [{"$or": [expired, own]}, mine, "$$ROOT"]}
        write(
            self.db.lyrics_claims,
            [UpdateOne({"_id": uri}, [{"$replaceWith": taken}], upsert=True) for uri in uris],
        )
        held = self.db.lyrics_claims.find(self._holds(uris), {"_id": 1})
        claimed = {str(claim["_id"]) for claim in held}
        # After the claim: what was answered before it is seen now, and nobody answers after it.
        answered = _not_due(self.db, sorted(claimed), retry_failed=True)
        self.release(sorted(answered))
        return claimed - answered

    def save(self, outcomes: Sequence[Outcome]) -> None:
        """Stores the answers, then gives their claims back.

        Raises `Fenced` when a newer attempt at the task has taken a song over, whether that still
        asks for it or has answered.
        """
        if not outcomes:
            return
        uris = [outcome.uri for outcome in outcomes]
        newer = {"owner": self.owner, "token": {"$gt": self.token}}
        answered = {f"asked_by.{name}": value for name, value in newer.items()}
        asked = {"_id": {"$in": uris}}
        if self.db.lyrics_claims.find_one(asked | newer) or self.db.lyrics.find_one(
            asked | answered, {"_id": 1}
        ):
            raise Fenced(f"{self.owner}: a newer attempt has taken these songs, nothing is saved")
        write(self.db.lyrics, [self._answer(outcome) for outcome in outcomes])
        self.release(uris)

    def release(self, uris: Sequence[str]) -> None:
        """Gives claims of this attempt back, answered or not."""
        write(
            self.db.lyrics_claims,
            [DeleteOne({"_id": uri, "owner": self.owner, "token": self.token}) for uri in uris],
        )

    def renew(self) -> None:
        """Prolongs the claims of this attempt."""
        held = {"owner": self.owner, "token": self.token}
        self.db.lyrics_claims.update_many(held, [{"$set": {"until": _lease_end()}}])

    def _mine(self) -> dict[str, Any]:
        return {"owner": _literal(self.owner), "token": self.token}

    def _holds(self, uris: Sequence[str]) -> dict[str, Any]:
        return {"_id": {"$in": list(uris)}, "owner": self.owner, "token": self.token}

    def _answer(self, outcome: Outcome) -> UpdateOne:
        answer = {"asked_by": {"owner": self.owner, "token": self.token}, **self._known(outcome)}
        # The same attempt answers a song once: a write that is sent again counts nothing twice.
        again = {"$eq": ["$asked_by", "$$mine"]}

        def counted(field: str, add: int) -> dict[str, Any]:
            before = {"$ifNull": [f"${field}", 0]}
            return {"$cond": [again, before, {"$add": [before, add]}]}

        missed = outcome.status == "not_found"
        misses = counted("misses", int(missed))
        wait = {
            "$switch": {
                "branches": [
                    {"case": {"$lte": [misses, times]}, "then": days}
                    for times, days in enumerate(WAIT_DAYS[:-1], start=1)
                ],
                "default": WAIT_DAYS[-1],
            }
        }
        due = {"$dateAdd": {"startDate": "$$NOW", "unit": "day", "amount": wait}}
        document = {
            "$mergeObjects": [
                {"_id": "$_id"},
                _literal(answer),
                {
                    "attempts": counted("attempts", 1),
                    "misses": misses,
                    "fetched_at": "$$NOW",
                    **({"next_attempt_at": due} if missed else {}),
                },
            ]
        }
        # A newer attempt may have answered since `save` looked: its answer stays.
        kept: list[dict[str, Any]] = [
            {
                "$and": [
                    {"$eq": ["$asked_by.owner", "$$mine.owner"]},
                    {"$gt": ["$asked_by.token", "$$mine.token"]},
                ]
            }
        ]
        if outcome.status not in _ANSWERED:
            # Lyrics that were found once stay, whatever a provider says later.
            kept.append({"$in": [{"$ifNull": ["$status", ""]}, _ANSWERED]})
        result = {"$cond": [{"$or": kept}, "$$ROOT", document]}
        stage = {"$let": {"vars": {"mine": _literal(answer["asked_by"])}, "in": result}}
        return UpdateOne({"_id": outcome.uri}, [{"$replaceWith": stage}], upsert=True)

    def _known(self, outcome: Outcome) -> Document:
        fields = {
            "provider": outcome.provider,
            "method": outcome.method,
            "score": None if outcome.score is None else float(outcome.score),
            "error": outcome.error,
            **(_of_text(outcome.text, self.keep) if outcome.text else {}),
        }
        known = {name: value for name, value in fields.items() if value is not None}
        return {"status": outcome.status, **known}


def due_songs(
    db: Database, limit: int, *, retry_failed: bool, now: datetime | None = None
) -> list[Song]:
    """At most `limit` songs that have no answer, or one that is asked for again at `now`.

    The songs in most playlists come first; those in none are left out.
    """
    return list(islice(_due(db, retry_failed, now), limit))


def coverage(db: Database) -> dict[str, Any]:
    """How many songs have which answer, and the share of playlist entries that is covered.

    `pending` have no answer yet. A playlist counts once for a song; songs in no playlist do not
    count.
    """
    (total,) = list(
        db.tracks.aggregate(
            [
                {"$match": {"num_playlists": {"$gt": 0}}},
                {"$group": {"_id": None, "songs": {"$sum": 1}, "e": {"$sum": "$num_playlists"}}},
            ]
        )
    ) or [{"songs": 0, "e": 0}]
    song = {"from": "tracks", "localField": "_id", "foreignField": "_id", "as": "song"}
    answered = {
        str(row["_id"]): row
        for row in db.lyrics.aggregate(
            [
                {"$project": {"status": 1}},
                {"$lookup": song},
                {"$unwind": "$song"},
                {"$match": {"song.num_playlists": {"$gt": 0}}},
                {
                    "$group": {
                        "_id": "$status",
                        "songs": {"$sum": 1},
                        "e": {"$sum": "$song.num_playlists"},
                    }
                },
            ],
            allowDiskUse=True,
        )
    }
    counts: dict[str, int] = {
        status: int(answered.get(status, {}).get("songs", 0)) for status in STATUSES
    }
    covered = sum(int(answered.get(status, {}).get("e", 0)) for status in _ANSWERED)
    return {
        "songs": int(total["songs"]),
        **counts,
        "pending": int(total["songs"]) - sum(counts.values()),
        "entries_covered": covered / total["e"] if total["e"] else 0.0,
    }


def _due(db: Database, retry_failed: bool, now: datetime | None) -> Iterator[Song]:
    fields = ("track_name", "artist_name", "album_name", "duration_ms")
    order = [("num_playlists", -1), ("_id", 1)]
    found = db.tracks.find({"num_playlists": {"$gt": 0}}, dict.fromkeys(fields, 1)).sort(order)
    rows = iter(found.batch_size(_SCAN))
    seen: set[str] = set()
    while chunk := list(islice(rows, _SCAN)):
        uris = [str(row["_id"]) for row in chunk]
        done = _not_due(db, uris, retry_failed=retry_failed, now=now) | seen
        for row in chunk:
            if row["_id"] not in done:
                # A recount meanwhile moves songs along the order: one may come by twice.
                seen.add(str(row["_id"]))
                yield song_of(row)


def song_of(track: Mapping[str, Any]) -> Song:
    """The song that a document of `tracks` describes."""
    return Song(
        uri=str(track["_id"]),
        title=track["track_name"],
        artist=track["artist_name"],
        album=track["album_name"],
        duration_ms=int(track["duration_ms"]),
    )


def _not_due(
    db: Database, uris: Sequence[str], *, retry_failed: bool, now: datetime | None = None
) -> set[str]:
    settled = _ANSWERED if retry_failed else [*_ANSWERED, "failed"]
    waiting = {"status": "not_found", "next_attempt_at": {"$gt": now or datetime.now(UTC)}}
    query = {"_id": {"$in": list(uris)}, "$or": [{"status": {"$in": settled}}, waiting]}
    return {str(answer["_id"]) for answer in db.lyrics.find(query, {"_id": 1})}


def _of_text(text: str, keep: Literal["text", "counts"]) -> Document:
    from segue.lyrics.text import language, words

    told = language(text)
    if keep == "text":
        return {"language": told, "text": text}
    counts = Counter(words(text, told))
    # Pairs: a word may hold what a field's name must not.
    return {"language": told, "counts": [[word, n] for word, n in sorted(counts.items())]}


def _lease_end() -> dict[str, Any]:
    return {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": LEASE_SECONDS}}


def _literal(value: object) -> dict[str, object]:
    # Names and texts come from people: one that begins with `$` is not to be evaluated.
    return {"$literal": value}
