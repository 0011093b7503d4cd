"""The state of lyrics in MongoDB: who asks for which song, what was answered, what tasks leave."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from segue.errors import Fenced, SegueError
from segue.lake import Lake
from segue.lyrics.lookup import Outcome
from segue.settings import get_settings
from segue.store import lyrics as states
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


def test_a_song_that_a_recount_moves_meanwhile_comes_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs(db, a=5, b=4, c=3, d=2)
    not_due = states._not_due

    def recounted(*arguments: Any, **options: Any) -> set[str]:
        db.tracks.update_one({"_id": "a"}, {"$set": {"num_playlists": 1}})
        return not_due(*arguments, **options)

    monkeypatch.setattr(states, "_SCAN", 2)
    monkeypatch.setattr(states, "_not_due", recounted)
    assert due(db) == ["a", "b", "c", "d"]


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


def test_an_attempt_that_comes_back_after_its_retry_has_answered_saves_nothing(
    db: Database,
) -> None:
    late, retry = store(db), store(db)
    late.claim(["a"])
    retry.claim(["a"])
    retry.save([Outcome("a", "not_found")])
    with pytest.raises(Fenced):
        late.save([Outcome("a", "failed", error="HTTP 500")])
    # Even when it had looked before the retry answered.
    db.lyrics.bulk_write([late._answer(Outcome("a", "found", text="la"))])
    answer = db.lyrics.find_one({"_id": "a"})
    assert answer is not None
    assert (answer["status"], answer["attempts"], answer["misses"]) == ("not_found", 1, 1)


def test_another_run_may_answer_what_a_later_one_could_not(db: Database) -> None:
    early, later = store(db, "run/1"), store(db, "run/2")
    later.save([Outcome("a", "failed", error="HTTP 500")])
    early.save([Outcome("a", "not_found")])
    answer = db.lyrics.find_one({"_id": "a"})
    assert answer is not None
    assert (answer["status"], answer["attempts"]) == ("not_found", 2)


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


@pytest.fixture
def tasks(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The tasks of `collect_lyrics`, and for each task before them what it returned, by mapping."""
    from airflow.sdk.execution_time import task_runner

    from segue.airflow import collecting

    returned: dict[str, list[Any]] = {}
    # Airflow's own pulling, which makes of one value something else than of two.
    instance = task_runner.RuntimeTaskInstance.model_construct(
        dag_id="collect_lyrics", run_id="run", task_id="summarise", map_index=-1
    )
    stored = SimpleNamespace(get_all=lambda task_id, **_: returned.get(task_id))
    monkeypatch.setattr(task_runner, "XCom", stored)
    context = {
        "dag_run": SimpleNamespace(
            dag_id="collect_lyrics", run_id="run", logical_date=datetime(2021, 4, 9, tzinfo=UTC)
        ),
        "ti": instance,
    }
    monkeypatch.setenv("SEGUE_LAKE", tmp_path.as_uri())
    monkeypatch.setattr(collecting, "get_current_context", lambda: context)
    monkeypatch.setattr(collecting, "database", lambda: db)
    get_settings.cache_clear()
    yield collecting, returned
    get_settings.cache_clear()


def batch_of(count: int) -> dict[str, Any]:
    return {
        **dict.fromkeys(("found", "instrumental", "failed", "skipped", "unasked"), 0),
        "not_found": count,
        "seconds": 2.0,
        "requests": count,
        "latencies": {"-20": count},
    }


def test_a_fetch_that_is_told_to_stop_saves_what_is_answered_and_frees_the_rest(
    db: Database, tasks: tuple[Any, dict[str, Any]], tmp_path: Path
) -> None:
    from tests.integration.test_lyrics_collection import songs as wanted
    from tests.lrclib_server.process import stand_in

    collecting, _ = tasks
    Lake(tmp_path.as_uri()).put(
        "plans/batch.json", json.dumps([[*vars(song).values()] for song in wanted(400)]).encode()
    )
    (tmp_path / "catalogue.json").write_text("[]")
    saved = threading.Event()

    def stop() -> None:
        while not db.lyrics.count_documents({}):
            saved.wait(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    # Airflow's own handler does nothing for a Python task.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    airflows = signal.getsignal(signal.SIGTERM)
    stopper = threading.Thread(target=stop, daemon=True)
    try:
        with stand_in(tmp_path / "catalogue.json", "--seconds", "0.05") as url:
            stopper.start()
            with pytest.raises(SegueError, match="songs 1–400: stopped"):
                collecting.fetch("lrclib", url, "1000", "songs 1–400", "1", "plans/batch.json")
            stopper.join()
        assert signal.getsignal(signal.SIGTERM) is airflows
    finally:
        signal.signal(signal.SIGTERM, before)
    assert 0 < db.lyrics.count_documents({}) < 400
    assert db.lyrics_claims.count_documents({}) == 0


def test_the_summary_counts_what_got_through_and_what_did_not(
    db: Database, tasks: tuple[Any, dict[str, Any]]
) -> None:
    collecting, returned = tasks
    songs(db, a=1)
    returned |= {"plan": [[{}, {}, {}]], "fetch": [batch_of(30), batch_of(10)]}
    did = collecting.summarise()
    assert (did["not_found"], did["batches"], did["batches_failed"]) == (40, 3, 1)
    # Two batches at once, 20 answers in a second together.
    assert (did["songs_left"], did["requests_per_second"]) == (1, 20.0)
    recorded = db.runs.find_one({"_id": "collect_lyrics/run"})
    assert recorded is not None
    assert recorded["rows"]["not_found"] == 40


@pytest.mark.parametrize("planned", [1, 2])
def test_a_single_batch_that_got_through_is_a_run_s_success(
    db: Database, tasks: tuple[Any, dict[str, Any]], planned: int
) -> None:
    collecting, returned = tasks
    returned |= {"plan": [[{}] * planned], "fetch": [batch_of(30)]}
    did = collecting.summarise()
    assert (did["not_found"], did["batches"], did["batches_failed"]) == (30, planned, planned - 1)


@pytest.mark.parametrize(
    ("plan", "why"), [([[{}, {}]], "none of 2 batches"), (None, "no songs were chosen")]
)
def test_a_run_in_which_nothing_got_through_fails_at_once_and_says_why(
    tasks: tuple[Any, dict[str, Any]], plan: Any, why: str
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    collecting, returned = tasks
    if plan:
        returned["plan"] = plan
    with pytest.raises(AirflowFailException, match=why):
        collecting.summarise()
