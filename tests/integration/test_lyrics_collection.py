"""Collecting lyrics against a server with faults, killed at random: nothing lost, nothing twice."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from tests.lrclib_server.server import LrclibServer

# 5,000 and 10 when the test is run for its own sake, fewer in a suite that must end in time.
SONGS = int(os.environ.get("SEGUE_TEST_LYRICS_SONGS", "400"))
KILLS = int(os.environ.get("SEGUE_TEST_LYRICS_KILLS", "3"))
IN_FLIGHT, RATE = 40, 400.0


def songs(count: int) -> list[Song]:
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
    assert max(stats["asked"].values()) == 1
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
        server = LrclibServer(catalogue(40), faults=[fault], share=0.2, seed=7)
        async with server.running() as url:
            await collected(url, LyricsStore(db, "run", keep="text"), songs(40), in_flight=10)

    asyncio.run(run())
    with_fault = states(db)
    db.lyrics.delete_many({})
    assert with_fault == calm(db, 40)


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
    done_before: set[str] = set()
    asked_again = 0
    with stand_in(tmp_path / "catalogue.json", "--seconds", "0.02", "--share", "0.25",
                  "--faults", *FAULTS) as url:  # fmt: skip
        for kill in range(KILLS + 1):
            answered = set(stats(url)["answered"])
            saved = {str(d["_id"]) for d in db.lyrics.find({}, {"_id": 1})}
            worker = start_worker(mongo, db.name, url)
            if kill < KILLS:
                # Spread over the run: each kill lets it get about as far.
                target = len(saved) + SONGS // (KILLS + 2)
                while worker.poll() is None and db.lyrics.count_documents({}) < target:
                    time.sleep(0.02)
                time.sleep(choose.uniform(0, 0.3))
                worker.send_signal(signal.SIGKILL)
            worker.communicate(timeout=300)
            again = [q for q, n in stats(url)["answered"].items() if n > 1 and q in answered]
            asked_again = len(again)
            done_before |= saved
        assert worker.returncode == 0
        final = stats(url)
    assert final["most_in_flight"] <= IN_FLIGHT
    assert final["most_in_a_second"] <= RATE
    # In flight, or answered and not yet saved, when it was killed; a song is asked a few things.
    assert asked_again <= KILLS * (IN_FLIGHT + 50) * 4
    print(f"answered again after {KILLS} kills: {asked_again} requests")
    with_faults = states(db)
    db.lyrics.delete_many({})
    assert with_faults == calm(db, SONGS)


@contextmanager
def stand_in(file: Path, *options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.lrclib_server", "--catalogue", str(file), *options]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def stats(url: str) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/_stats", timeout=30).json())


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
