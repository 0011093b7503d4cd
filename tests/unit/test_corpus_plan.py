"""Versions follow from what a training sees, and from nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from segue.ingest.corpus import frozen_lyrics, plan_corpus, plan_with_lyrics, readiness
from segue.lake import Lake, Manifest, Partition, begin, committed
from tests.lakes import write_partition


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path.as_uri())


def ingested(lake: Lake, day: str, digest: str = "d", rows: int = 1) -> None:
    landed(lake, day, digest)
    facts = {"landing_digest": digest}
    attempt = begin(lake, f"ingest/dt={day}")
    attempt.mark(f"staging/playlists/dt={day}", Manifest([], attempt.token, digest, rows, facts))


def landed(lake: Lake, day: str, digest: str = "d") -> None:
    attempt = begin(lake, f"landing/dt={day}")
    attempt.mark(f"landing/dt={day}", Manifest([], attempt.token, digest, 1, {"files": {}}))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def version(lake: Lake, as_of: str) -> str:
    return plan_corpus(lake, at(as_of), {"p": 1}).version


def test_a_training_sees_the_days_that_were_over(lake: Lake) -> None:
    for day in ("2021-04-09", "2021-04-10", "2021-04-11"):
        ingested(lake, day)
    assert plan_corpus(lake, at("2021-04-11"), {}).dates == ["2021-04-09", "2021-04-10"]
    assert plan_corpus(lake, at("2021-04-11T12:00"), {}).dates == ["2021-04-09", "2021-04-10"]


def test_the_same_inputs_give_the_same_version(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    before = version(lake, "2021-04-10")
    ingested(lake, "2021-04-09")
    assert version(lake, "2021-04-10") == before
    assert before.startswith("2021-04-10-")


def test_a_late_drop_changes_the_versions_that_see_it_and_no_other(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    ingested(lake, "2021-04-11")
    early, late = version(lake, "2021-04-10"), version(lake, "2021-04-12")
    ingested(lake, "2021-04-10")
    assert version(lake, "2021-04-10") == early
    assert version(lake, "2021-04-12") != late


def test_parameters_change_the_version_and_empty_days_do_not(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    before = version(lake, "2021-04-11")
    ingested(lake, "2021-04-10", "empty", rows=0)
    assert version(lake, "2021-04-11") == before
    assert plan_corpus(lake, at("2021-04-11"), {"p": 2}).version != before


def lyrics(lake: Lake, text: bytes) -> None:
    write_partition(lake, "staging/lyrics", {"part-00000.parquet": text}, rows=1)


def test_a_version_keeps_the_lyrics_it_was_planned_with(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    without = plan_with_lyrics(lake, at("2021-04-11"), {})
    lyrics(lake, b"first")
    first = plan_with_lyrics(lake, at("2021-04-11"), {})
    lyrics(lake, b"second")
    second = plan_with_lyrics(lake, at("2021-04-11"), {})
    assert len({p.version for p in (without, first, second)}) == 3
    assert frozen_lyrics(lake, without.version) is None
    for plan, text in ((first, b"first"), (second, b"second")):
        (path,) = Partition(lake, f"corpus/{plan.version}/lyrics").paths()
        assert Path(path).read_bytes() == text
        assert frozen_lyrics(lake, plan.version) == plan.lyrics
        assert plan.still_holds(lake)


def test_planning_twice_freezes_once(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    lyrics(lake, b"first")
    before = plan_with_lyrics(lake, at("2021-04-11"), {})
    token = committed(lake, f"corpus/{before.version}/lyrics").token
    assert plan_with_lyrics(lake, at("2021-04-11"), {}) == before
    assert committed(lake, f"corpus/{before.version}/lyrics").token == token


def test_a_training_waits_for_days_that_landed(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    landed(lake, "2021-04-08")
    state = readiness(lake, at("2021-04-10"), 0, now=at("2030-01-01"))
    assert not state.ready
    assert "2021-04-08" in state.why
    ingested(lake, "2021-04-08")
    assert readiness(lake, at("2021-04-10"), 0, now=at("2030-01-01")).ready


def test_a_training_waits_for_a_day_that_landed_anew(lake: Lake) -> None:
    ingested(lake, "2021-04-09", "old")
    landed(lake, "2021-04-09", "new")
    assert not readiness(lake, at("2021-04-10"), 0, now=at("2030-01-01")).ready


def test_a_training_waits_for_its_last_day_until_the_grace_is_over(lake: Lake) -> None:
    ingested(lake, "2021-04-08")
    assert not readiness(lake, at("2021-04-10"), 6, now=at("2021-04-10T05:59")).ready
    state = readiness(lake, at("2021-04-10"), 6, now=at("2021-04-10T06:01"))
    assert state.ready
    assert "did not come in time" in state.why


def test_days_after_the_date_are_not_waited_for(lake: Lake) -> None:
    ingested(lake, "2021-04-09")
    landed(lake, "2021-04-10")
    assert readiness(lake, at("2021-04-10"), 6, now=at("2021-04-10")).ready
