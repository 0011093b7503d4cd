"""Collecting lyrics against a server with faults, killed at random: nothing lost, nothing twice."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from segue.lyrics.collector import Summary, collect
from segue.lyrics.limits import HostLimits
from segue.lyrics.lookup import Song
from segue.lyrics.providers.lrclib import Lrclib
from segue.settings import PROJECT
from segue.store.client import Database, connect
from segue.store.lyrics import LyricsStore
from tests.fixtures_mongo import Mongo
from tests.lrclib_server import made_up
from tests.lrclib_server.catalogue import Catalogue, made_up_tracks
from tests.lrclib_server.faults import FAULTS
from tests.lrclib_server.process import stand_in
from tests.lrclib_server.server import LrclibServer

# 5,000 and 10 when the test is run for its own sake, fewer in a suite that must end in time.
SONGS = int(os.environ.get("SEGUE_TEST_LYRICS_SONGS", "400"))
KILLS = int(os.environ.get("SEGUE_TEST_LYRICS_KILLS", "3"))
IN_FLIGHT, RATE = 40, 400.0


def songs(count: int) -> list[Song]:
    """Songs whose durations tell them apart, in what the server was asked too."""
    return [
        Song(f"spotify:track:{n:022}", f"Song number {n}", f"Artist {n % 37}", "Album", 180_000 + n)
        for n in range(count)
    ]


def catalogue(count: int) -> Catalogue:
    return Catalogue(
        made_up_tracks([(s.title, s.artist, s.album, s.duration_ms) for s in songs(count)])
    )


async def collected(
    url: str, store: Any, wanted: list[Song], *, in_flight: int = IN_FLIGHT, rate: float = RATE
) -> Summary:
    limits = HostLimits(rate=rate, in_flight=in_flight)
    async with Lrclib(url, user_agent="segue-test", limits=limits, first_wait=0.02) as lrclib:
        return await collect(wanted, [lrclib], store, in_flight=in_flight)


def states(db: Database) -> dict[str, tuple[Any, ...]]:
    fields = ("status", "provider", "method", "score", "text", "language")
    return {str(d["_id"]): tuple(d.get(f) for f in fields) for d in db.lyrics.find()}


def by_song(counts: dict[str, int]) -> Counter[str]:
    """How often each song was the first thing to be asked for: by its album and duration."""
    songs: Counter[str] = Counter()
    for request, count in counts.items():
        query = parse_qs(urlsplit(request).query)
        if "album_name" in query:
            number = round(float(query["duration"][0]) * 1000) - 180_000
            songs[f"spotify:track:{number:022}"] += count
    return songs


def calm(db: Database, count: int) -> dict[str, tuple[Any, ...]]:
    """The state after a run without faults."""

    async def run() -> None:
        async with LrclibServer(catalogue(count)).running() as url:
            await collected(url, LyricsStore(db, "calm", keep="text"), songs(count), rate=10_000)

    asyncio.run(run())
    return states(db)


def test_every_song_gets_the_answer_that_the_catalogue_has(db: Database) -> None:
    expected = {
        s.uri: {"text": "found", "instrumental": "instrumental", "absent": "not_found"}[
            made_up.kind(s.title, s.artist)
        ]
        for s in songs(200)
    }
    assert {uri: state[0] for uri, state in calm(db, 200).items()} == expected
    assert db.lyrics_claims.count_documents({}) == 0


def test_two_collections_at_once_never_ask_for_the_same_song(db: Database) -> None:
    async def run() -> tuple[list[Summary], dict[str, Any]]:
        server = LrclibServer(catalogue(300), seconds=0.01)
        async with server.running() as url:
            runs = [
                collected(url, LyricsStore(db, f"run/{n}", keep="text"), songs(300), in_flight=20)
                for n in range(2)
            ]
            return await asyncio.gather(*runs), server.stats()

    summaries, stats = asyncio.run(run())
    assert by_song(stats["asked"]) == dict.fromkeys((s.uri for s in songs(300)), 1)
    answered = [s.found + s.instrumental + s.not_found for s in summaries]
    assert sum(answered) == 300
    assert db.lyrics.count_documents({}) == 300


def test_the_limits_hold_at_the_server(db: Database) -> None:
    async def run() -> dict[str, Any]:
        server = LrclibServer(catalogue(150), seconds=0.1)
        async with server.running() as url:
            store = LyricsStore(db, "run", keep="text")
            await collected(url, store, songs(150), in_flight=7, rate=50)
            return server.stats()

    stats = asyncio.run(run())
    assert stats["most_in_flight"] <= 7
    assert stats["most_in_a_second"] <= 50
    assert set(stats["user_agents"]) == {"segue-test"}


def test_a_host_that_is_down_ends_the_collection_and_nothing_is_failed(db: Database) -> None:
    summary = asyncio.run(
        collected("http://127.0.0.1:9", LyricsStore(db, "run", keep="text"), songs(100))
    )
    assert summary.host_down
    assert summary.unasked == 100
    assert db.lyrics.count_documents({}) == db.lyrics_claims.count_documents({}) == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_now_and_then_changes_no_answer(db: Database, fault: str) -> None:
    async def run() -> None:
        server = LrclibServer(catalogue(20), faults=[fault], share=0.1, seed=7)
        async with server.running() as url:
            await collected(url, LyricsStore(db, "run", keep="text"), songs(20), in_flight=10)
        assert server.requests > sum(server.answered.values())

    asyncio.run(run())
    with_fault = states(db)
    db.lyrics.delete_many({})
    assert with_fault == calm(db, 20)


def test_a_fault_that_stays_is_told_and_asked_again_next_time(db: Database) -> None:
    async def run(share: float) -> Summary:
        server = LrclibServer(catalogue(5), faults=["page"], share=share)
        async with server.running() as url:
            limits = HostLimits(rate=10_000, in_flight=5, breaks_at=1_000)
            async with Lrclib(url, user_agent="t", limits=limits, first_wait=0.001) as lrclib:
                store = LyricsStore(db, "run", keep="text")
                return await collect(songs(5), [lrclib], store, in_flight=5)

    assert asyncio.run(run(1.0)).failed == 5
    failed = db.lyrics.find_one({})
    assert failed is not None
    assert "not LRCLIB's" in failed["error"]
    assert asyncio.run(run(0.0)).failed == 0
    assert db.lyrics.count_documents({"status": "failed"}) == 0


def test_a_cancelled_collection_saves_what_is_answered_and_frees_the_rest(db: Database) -> None:
    async def run() -> None:
        async with LrclibServer(catalogue(400), seconds=0.02).running() as url:
            store = LyricsStore(db, "run", keep="text")
            task = asyncio.create_task(collected(url, store, songs(400), in_flight=10))
            while db.lyrics.count_documents({}) == 0:
                await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert 0 < db.lyrics.count_documents({}) < 400
    assert db.lyrics_claims.count_documents({}) == 0


@pytest.mark.timeout(120 + SONGS // 5)
def test_kills_and_faults_end_as_a_calm_run_does(
    db: Database, mongo: Mongo, tmp_path: Path
) -> None:
    """SIGKILL at random moments, every fault mixed in: the same answers, and none asked twice."""
    choose = random.Random(int(os.environ.get("SEGUE_TEST_SEED", "1")))
    tracks = [
        {"name": t.name, "artist": t.artist, "album": t.album, "duration": t.duration,
         "instrumental": t.instrumental, "plain": t.plain}
        for t in catalogue(SONGS).tracks
    ]  # fmt: skip
    (tmp_path / "catalogue.json").write_text(json.dumps(tracks))
    # The first thing that is asked about these is the last.
    known = {
        s.uri for s in songs(SONGS) if made_up.kind(s.title, s.artist) in ("text", "instrumental")
    }
    answers_when_saved: dict[str, int] = {}
    lost: list[int] = []
    with stand_in(tmp_path / "catalogue.json", "--seconds", "0.02", "--share", "0.25",
                  "--faults", *FAULTS) as url:  # fmt: skip
        for kill in range(KILLS + 1):
            target = db.lyrics.count_documents({}) + SONGS // (KILLS + 2)
            with start_worker(mongo, db.name, url) as worker:
                if kill < KILLS:
                    # Spread over the run: each kill lets it get about as far.
                    while worker.poll() is None and db.lyrics.count_documents({}) < target:
                        time.sleep(0.02)
                    time.sleep(choose.uniform(0, 0.3))
                    worker.send_signal(signal.SIGKILL)
                worker.wait(timeout=120 + SONGS // 5)
            assert worker.returncode == (-signal.SIGKILL if kill < KILLS else 0)
            answers = by_song(quiet(url)["answered"])
            saved = {str(d["_id"]) for d in db.lyrics.find({}, {"_id": 1})}
            for uri in saved & known:
                answers_when_saved.setdefault(uri, answers[uri])
            lost.append(len((known & answers.keys()) - saved))
        final = quiet(url)
    print(f"answered and not yet saved at each kill: {lost}; {final['requests']} requests")
    # In flight, or waiting to be saved.
    assert max(lost) <= IN_FLIGHT + 50
    assert lost[-1] == 0
    # What was saved was never asked for again, what was lost only once for each time.
    answers = by_song(final["answered"])
    assert {uri: answers[uri] for uri in answers_when_saved} == answers_when_saved
    assert sum(answers[uri] - 1 for uri in known) <= sum(lost)
    assert final["most_in_flight"] <= IN_FLIGHT
    assert final["most_in_a_second"] <= RATE
    with_faults = states(db)
    db.lyrics.delete_many({})
    assert with_faults == calm(db, SONGS)


def stats(url: str) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/_stats", timeout=30).json())


def quiet(url: str) -> dict[str, Any]:
    """What the server has seen, once nothing is under way any more."""
    while (seen := stats(url))["under_way"]:
        time.sleep(0.05)
    return seen


def start_worker(mongo: Mongo, database: str, url: str) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"TEST_MONGO_URI": mongo.uri}
    command = [sys.executable, "-m", "tests.integration.test_lyrics_collection", database, url]
    return subprocess.Popen(command, cwd=PROJECT, env=environment)


def work(database: str, url: str) -> None:
    """What a killed process was doing: one attempt at one task."""
    db = connect(os.environ["TEST_MONGO_URI"], database)
    store = LyricsStore(db, "task", keep="text")
    summary = asyncio.run(collected(url, store, songs(SONGS)))
    assert summary.host_down is None, summary.host_down


if __name__ == "__main__":
    work(*sys.argv[1:])
