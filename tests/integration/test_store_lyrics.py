"""The state of lyrics in MongoDB: who asks for which song, and what was answered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from segue.errors import Fenced
from segue.lyrics.lookup import Outcome
from segue.store.client import Database
from segue.store.lyrics import LyricsStore, coverage, due_songs


def songs(db: Database, **playlists: int) -> None:
    """Songs by name, with the number of playlists that hold each."""
    for name, held in playlists.items():
        db.tracks.insert_one(
            {
                "_id": name,
                "track_name": name,
                "artist_uri": "",
                "artist_name": "artist",
                "album_uri": "",
                "album_name": "album",
                "duration_ms": 1000,
                "num_playlists": held,
                "counted_by": 0,
                "first_dt": "",
                "first_commit": 0,
                "last_dt": "",
                "last_commit": 0,
            }
        )


def store(db: Database, owner: str = "run/1", keep: Any = "text") -> LyricsStore:
    return LyricsStore(db, owner, keep=keep)


def due(db: Database, *, retry_failed: bool = True, days: float = 0) -> list[str]:
    now = datetime.now(UTC) + timedelta(days=days)
    return [s.uri for s in due_songs(db, 100, retry_failed=retry_failed, now=now)]


def test_songs_in_most_playlists_come_first_and_those_in_none_never(db: Database) -> None:
    songs(db, a=1, b=3, c=0, d=2)
    assert due(db) == ["b", "d", "a"]
    assert [s.uri for s in due_songs(db, 2, retry_failed=True)] == ["b", "d"]


def test_a_song_that_is_asked_for_is_nobody_elses(db: Database) -> None:
    one, other = store(db), store(db, "run/2")
    assert one.claim(["a", "b"]) == {"a", "b"}
    assert other.claim(["b", "c"]) == {"c"}
    one.release(["b"])
    assert other.claim(["b"]) == {"b"}


def test_a_retry_takes_over_what_its_killed_attempt_had_claimed(db: Database) -> None:
    killed = store(db)
    killed.claim(["a", "b"])
    retry = store(db)
    assert retry.claim(["a"]) == {"a"}
    with pytest.raises(Fenced):
        killed.save([Outcome("a", "not_found")])
    assert db.lyrics.count_documents({}) == 0
    killed.save([Outcome("b", "not_found")])
    assert db.lyrics.count_documents({}) == 1


def test_an_expired_claim_is_free(db: Database) -> None:
    store(db).claim(["a"])
    db.lyrics_claims.update_one({"_id": "a"}, {"$set": {"until": datetime(2020, 1, 1, tzinfo=UTC)}})
    assert store(db, "run/2").claim(["a"]) == {"a"}


def test_renewed_claims_last_longer(db: Database) -> None:
    mine = store(db)
    mine.claim(["a"])
    db.lyrics_claims.update_one({"_id": "a"}, {"$set": {"until": datetime(2020, 1, 1, tzinfo=UTC)}})
    mine.renew()
    assert store(db, "run/2").claim(["a"]) == set()


def test_what_was_answered_is_never_claimed_again(db: Database) -> None:
    mine = store(db)
    mine.claim(["a", "b"])
    mine.save([Outcome("a", "found", "lrclib", "album", 1.0, "la la la"), Outcome("b", "failed")])
    assert db.lyrics_claims.count_documents({}) == 0
    assert store(db, "run/2").claim(["a", "b"]) == {"b"}


def test_found_and_instrumental_songs_are_not_due_and_failed_ones_are_next_time(
    db: Database,
) -> None:
    songs(db, found=4, instrumental=3, failed=2, new=1)
    mine = store(db)
    mine.save([Outcome("found", "found", text="la"), Outcome("instrumental", "instrumental")])
    mine.save([Outcome("failed", "failed", error="HTTP 500")])
    assert due(db, days=10_000) == ["failed", "new"]
    assert due(db, retry_failed=False) == ["new"]


def test_a_song_that_was_not_found_waits_longer_each_time(db: Database) -> None:
    songs(db, a=1)
    for days in (30, 90, 180, 180):
        store(db).save([Outcome("a", "not_found")])
        assert due(db, days=days - 1) == []
        assert due(db, days=days + 1) == ["a"]


def test_an_answer_sent_twice_counts_once(db: Database) -> None:
    mine = store(db)
    for _ in range(2):
        mine.save([Outcome("a", "not_found")])
    answer = db.lyrics.find_one({"_id": "a"})
    assert answer is not None
    assert (answer["attempts"], answer["misses"]) == (1, 1)


def test_lyrics_that_were_found_stay(db: Database) -> None:
    store(db).save([Outcome("a", "found", "lrclib", "search", 0.9, "$name is $$ROOT")])
    store(db).save([Outcome("a", "not_found")])
    answer = db.lyrics.find_one({"_id": "a"})
    assert answer is not None
    assert (answer["status"], answer["text"]) == ("found", "$name is $$ROOT")


def test_only_counts_are_kept_where_that_is_wanted(db: Database) -> None:
    text = "Love is a river, a river of love. " * 5
    store(db, keep="counts").save([Outcome("a", "found", "lrclib", "album", 1.0, text)])
    answer = db.lyrics.find_one({"_id": "a"})
    assert answer is not None
    assert "text" not in answer
    assert ["river", 10] in answer["counts"]


def test_coverage_counts_songs_and_the_entries_they_stand_for(db: Database) -> None:
    assert coverage(db)["entries_covered"] == 0
    songs(db, found=4, instrumental=3, missing=2, new=1, nowhere=0)
    store(db).save(
        [
            Outcome("found", "found", text="la"),
            Outcome("instrumental", "instrumental"),
            Outcome("missing", "not_found"),
            Outcome("nowhere", "found", text="la"),
        ]
    )
    assert coverage(db) == {
        "songs": 4,
        "found": 1,
        "instrumental": 1,
        "not_found": 1,
        "failed": 0,
        "pending": 1,
        "entries_covered": 0.7,
    }
