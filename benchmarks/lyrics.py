"""Looking lyrics up: Segue's collector against asking one song after the other.

    .venv/bin/python benchmarks/lyrics.py [--songs 10000] [--sequential 100]

A stand-in for LRCLIB answers each request after 90 ms, in a process of its own on the last core.
The collector runs on the first core alone, with 128 requests in flight, and saves every answer in a
real MongoDB (which runs on the last core too). The peer is what the original began with: the same
look-ups, one at a time, of `--sequential` of the songs, in the same run; its seconds for all of
them are that many times as long. Prints one JSON document; times are seconds, memory MB.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from segue.lyrics.collector import Latencies, collect  # noqa: E402
from segue.lyrics.limits import HostLimits  # noqa: E402
from segue.lyrics.lookup import Song  # noqa: E402
from segue.lyrics.matching import look_up  # noqa: E402
from segue.lyrics.providers.lrclib import Lrclib  # noqa: E402
from segue.stack.mongod import mongod_binary  # noqa: E402
from segue.store.client import Database, connect  # noqa: E402
from segue.store.collections import apply  # noqa: E402
from segue.store.lyrics import LyricsStore  # noqa: E402

LATENCY, IN_FLIGHT = 0.09, 128
CORES = sorted(os.sched_getaffinity(0))


def songs(count: int) -> list[Song]:
    """Songs that the catalogue has, each with a text."""
    return [
        Song(f"s{n:07}", f"Song {n}", f"Artist {n % 97}", "Album", 200_000) for n in range(count)
    ]


def catalogue(count: int) -> list[dict[str, Any]]:
    """The catalogue that answers for them: texts of about a kilobyte."""
    text = "\n".join(f"line {n} of a song that nobody sings, ever" for n in range(24))
    return [
        {"name": s.title, "artist": s.artist, "album": s.album, "duration": 200.0, "plain": text}
        for s in songs(count)
    ]


@contextmanager
def stand_in(file: Path) -> Iterator[str]:
    """The address of the server, on the last core."""
    command = [sys.executable, "-m", "tests.lrclib_server", "--catalogue", str(file)]
    command += ["--seconds", str(LATENCY)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            os.sched_setaffinity(server.pid, {CORES[-1]})
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@contextmanager
def mongod(folder: Path) -> Iterator[Database]:
    """An empty database, its server on the last core."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [mongod_binary(), "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--unixSocketPrefix", folder, "--quiet"]
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL) as server:
        try:
            os.sched_setaffinity(server.pid, {CORES[-1]})
            db = connect(f"mongodb://127.0.0.1:{port}", "benchmark")
            apply(db)
            yield db
            db.client.close()
        finally:
            server.terminate()


def measured(run: Any) -> tuple[Any, dict[str, float]]:
    """What `run` returns, and its wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = asyncio.run(run)
    return result, {
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
    }


async def together(url: str, db: Database, wanted: list[Song], latencies: Latencies) -> Any:
    """The collector over all songs."""
    limits = HostLimits(rate=10_000, in_flight=IN_FLIGHT)
    store = LyricsStore(db, "benchmark", keep="text")
    async with Lrclib(
        url, user_agent="segue-benchmark", limits=limits, on_latency=latencies.add
    ) as lrclib:
        return await collect(wanted, [lrclib], store, in_flight=IN_FLIGHT)


async def one_by_one(url: str, wanted: list[Song]) -> int:
    """The same look-ups, each after the one before."""
    limits = HostLimits(rate=10_000, in_flight=1)
    async with Lrclib(url, user_agent="segue-benchmark", limits=limits) as lrclib:
        return len([await look_up(song, [lrclib]) for song in wanted])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--songs", type=int, default=10_000)
    parser.add_argument("--sequential", type=int, default=100, help="songs that the peer looks up")
    args = parser.parse_args()
    wanted, latencies = songs(args.songs), Latencies()
    with tempfile.TemporaryDirectory(prefix="segue-benchmark-") as folder:
        file = Path(folder) / "catalogue.json"
        file.write_text(json.dumps(catalogue(args.songs)))
        (Path(folder) / "db").mkdir()
        with stand_in(file) as url, mongod(Path(folder) / "db") as db:
            os.sched_setaffinity(0, {CORES[0]})
            before = psutil.Process().memory_info().rss
            summary, ours = measured(together(url, db, wanted, latencies))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
            assert summary.found == args.songs, summary
            assert db.lyrics.count_documents({"status": "found"}) == args.songs
            _, peer = measured(one_by_one(url, wanted[: args.sequential]))
    times = args.songs / args.sequential
    peer = {name: round(seconds * times, 2) for name, seconds in peer.items()}
    p50, p95 = latencies.percentile(0.5) or 0, latencies.percentile(0.95) or 0
    ours |= {
        "songs_per_s": round(args.songs / ours["wall_s"], 1),
        "latency_p50_ms": round(p50 * 1000, 1),
        "latency_p95_ms": round(p95 * 1000, 1),
        "memory_grown_mb": round(grown / 1e6, 1),
    }
    document = {
        "name": "lyrics",
        "input": {"songs": args.songs, "answer_after_s": LATENCY, "in_flight": IN_FLIGHT},
        "ours": ours,
        "peer": {"name": "one look-up after the other", "measured_on": args.sequential, **peer},
        # What people wait for: the work is waiting, and both do the same of it.
        "ratio": round(peer["wall_s"] / ours["wall_s"], 2),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
