"""10,000 look-ups of lyrics against a server that takes 90 ms for each answer, as JSON.

    python benchmarks/lyrics.py [--songs 10000] [--peer-songs 100] [--in-flight 128]

The server is the stand-in of the tests, in a process of its own. Ours is what a task of
`collect_lyrics` runs: `collect` with `Lrclib` and a `LyricsStore` in a MongoDB of its own, on one
core, the server and MongoDB on the others; every song is answered by its first request, and every
answer is saved. The peer is what the original began with: the same look-ups, each after the one
before, of the first `peer-songs` of the songs; its seconds are scaled up to all. What is compared
is waiting: `ratio` is that of wall seconds, CPU seconds stand beside them.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pymongo

from segue.lyrics.collector import Latencies, collect
from segue.lyrics.limits import HostLimits
from segue.lyrics.lookup import Song
from segue.lyrics.matching import look_up
from segue.lyrics.providers.lrclib import Lrclib
from segue.stack.mongod import mongod_binary
from segue.store.client import connect
from segue.store.collections import apply
from segue.store.lyrics import LyricsStore

PROJECT = Path(__file__).resolve().parents[1]
ANSWER_SECONDS = 0.09
RATE = 10_000.0
"""The highest that the settings allow: here the places are the limit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--songs", type=int, default=10_000)
    parser.add_argument("--peer-songs", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--collect", nargs=2, metavar=("URL", "MONGO_URI"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.collect:
        print(json.dumps(ours(*options.collect, songs(options.songs), options.in_flight)))
        return
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # What is started from here on stays off our core.
        os.sched_setaffinity(0, cores[1:] or cores)
        url = stack.enter_context(stand_in(folder, songs(options.songs)))
        mongo = stack.enter_context(mongod(folder))
        os.sched_setaffinity(0, cores[:1])
        command = [sys.executable, __file__, "--collect", url, mongo]
        command += ["--songs", str(options.songs), "--in-flight", str(options.in_flight)]
        done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        peer = one_by_one(url, songs(options.songs)[: options.peer_songs], options.songs)
        seen = httpx.get(f"{url}/_stats", timeout=60).json()
    if done["saved"] != options.songs:
        raise SystemExit(f"only {done['saved']} of {options.songs} songs were answered")
    document = {
        "name": "lyrics",
        "input": {
            "songs": options.songs,
            "answer_ms": ANSWER_SECONDS * 1000,
            "in_flight": options.in_flight,
            "most_in_flight_at_the_server": seen["most_in_flight"],
        },
        "ours": done,
        "peer": {
            "name": f"one look-up after the other, {options.peer_songs} songs, scaled up",
            **peer,
        },
        "ratio": round(peer["wall_s"] / done["wall_s"], 2),
    }
    print(json.dumps(document, indent=2))


def songs(count: int) -> list[Song]:
    """Songs that the server knows."""
    return [
        Song(f"spotify:track:{n:022}", f"Song {n}", f"Artist {n % 997}", f"Album {n % 89}", 180_000)
        for n in range(count)
    ]


def ours(url: str, mongo: str, wanted: list[Song], in_flight: int) -> dict[str, Any]:
    """What the collector takes, saving included, and how many answers it saved."""
    db = connect(mongo, "benchmark")
    apply(db)
    latencies = Latencies()

    async def run() -> None:
        limits = HostLimits(rate=RATE, in_flight=in_flight)
        async with Lrclib(
            url, user_agent="segue-benchmark", limits=limits, on_latency=latencies.add
        ) as lrclib:
            store = LyricsStore(db, "benchmark", keep="text")
            await collect(wanted, [lrclib], store, in_flight=in_flight)

    before, cpu, wall = peak_mb(), time.process_time(), time.perf_counter()
    asyncio.run(run())
    wall = time.perf_counter() - wall
    p50, p95 = latencies.percentile(0.5) or 0, latencies.percentile(0.95) or 0
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "songs_per_s": round(len(wanted) / wall, 1),
        "peak_mb": peak_mb(),
        "memory_grown_mb": peak_mb() - before,
        "latency_p50_ms": round(p50 * 1000, 1),
        "latency_p95_ms": round(p95 * 1000, 1),
        "saved": db.lyrics.count_documents({"status": {"$in": ["found", "instrumental"]}}),
    }


def peak_mb() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def one_by_one(url: str, wanted: Sequence[Song], count: int) -> dict[str, float]:
    """What it takes to look `wanted` up in turn, scaled up to `count` songs."""

    async def run() -> None:
        limits = HostLimits(rate=RATE, in_flight=1)
        async with Lrclib(url, user_agent="segue-benchmark", limits=limits) as lrclib:
            for song in wanted:
                await look_up(song, [lrclib])

    cpu, wall = time.process_time(), time.perf_counter()
    asyncio.run(run())
    scale = count / len(wanted)
    return {
        "wall_s": round((time.perf_counter() - wall) * scale, 2),
        "cpu_s": round((time.process_time() - cpu) * scale, 2),
    }


@contextmanager
def stand_in(folder: Path, known: Sequence[Song]) -> Iterator[str]:
    """The address of a server that knows `known`."""
    lines = [f"we sing the {word} line of an old song" for word in ("first", "second", "last")]
    rows = [
        {"name": s.title, "artist": s.artist, "album": s.album, "duration": s.duration_ms / 1000,
         "plain": "\n".join([s.title, *lines * 8])}
        for s in known
    ]  # fmt: skip
    (folder / "catalogue.json").write_text(json.dumps(rows))
    command = [sys.executable, "-m", "tests.lrclib_server"]
    command += ["--catalogue", str(folder / "catalogue.json"), "--seconds", str(ANSWER_SECONDS)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@contextmanager
def mongod(folder: Path) -> Iterator[str]:
    """The URI of an empty MongoDB on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "db").mkdir()
    command = [str(mongod_binary()), "--dbpath", str(folder / "db"), "--bind_ip", "127.0.0.1"]
    command += ["--port", str(port), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            uri = f"mongodb://127.0.0.1:{port}"
            with pymongo.MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=60_000) as c:
                c.admin.command("ping")
            yield uri
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
