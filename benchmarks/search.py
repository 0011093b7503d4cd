"""Type-ahead and similar songs at the size of the Million Playlist Dataset.

    python benchmarks/search.py [--songs 2260000] [--playlists 1000000] [--folder DIR]

Builds a bundle of made-up songs and playlists (titles and artists drawn from real ones) in a
process of its own, asks it on one thread, and asks the peers the same: for type-ahead SQLite's
LIKE over the same table, for similar songs a NumPy scan. `ratio` is the lower of the two ratios
of p95 CPU time, peer over ours.
"""

import os

# One core for everybody, before NumPy and faiss are imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import gzip
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from segue.embeddings.arrays import PLAYLISTS, SONGS, vectors_key
from segue.embeddings.word2vec import MODEL
from segue.lake import Attempt, Lake, Manifest, begin
from segue.schemas import CORPUS_PLAYLISTS, CORPUS_TRACKS
from segue.serving.build import build_bundle
from segue.serving.bundle import Bundle, open_bundle
from segue.serving.npy import npy_writer
from segue.serving.queries import continuation, similar_playlists, similar_songs
from segue.serving.search import search_songs

PROJECT = Path(__file__).resolve().parents[1]
VERSION = "2021-05-08-bench"
ENTRIES = 66
DIMENSIONS = 32
BATCH = 100_000
_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--songs", type=int, default=2_260_000)
    parser.add_argument("--playlists", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--peer-queries", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="Where to build; default: a temporary one.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        lake = Lake(Path(folder, "lake").as_uri())
        Path(folder, "lake").mkdir()
        real = real_names()
        say(f"{len(real):,} real names; writing the corpus")
        write_corpus(lake, real, options.songs, options.playlists)
        say("building the bundle")
        build = in_child(build_bundle, lake, VERSION)
        say(f"{build}; asking")
        bundle = open_bundle(lake, VERSION)
        document = ask(bundle, options.queries, options.peer_queries)
        manifest = build_bundle(lake, VERSION)
    sizes = {name: file["bytes"] for name, file in manifest.facts["files"].items()}
    document["input"] |= {
        "songs": options.songs,
        "playlists": options.playlists,
        "entries": manifest.facts["entries"],
    }
    document["ours"]["build"] = {**build, "bytes": sum(sizes.values()), "files": sizes}
    print(json.dumps(document, indent=1))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def real_names() -> list[tuple[str, str, str]]:
    """Titles, artists and albums of real songs, those of most entries first."""
    shared = PROJECT.parent / "shared" / "data"
    folders = [shared / "spotify-archive", shared / "wfmu", PROJECT / "sample"]
    counts: dict[tuple[str, str, str], int] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*.json*")):
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as source:
            slice_ = json.load(source)
        for playlist in slice_.get("playlists", []):
            for track in playlist["tracks"]:
                name = (track["track_name"], track["artist_name"], track["album_name"])
                counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def write_corpus(lake: Lake, real: list[tuple[str, str, str]], songs: int, playlists: int) -> None:
    """A corpus of `songs` and `playlists` by popularity as 1/rank, and vectors for them."""
    rng = np.random.default_rng(42)
    titles, artists, albums = (pa.array(column) for column in zip(*real, strict=True))
    weights = 1 / np.arange(1, songs + 1) ** 0.7
    cumulative = np.cumsum(weights / weights.sum())
    counts = np.maximum((weights / weights.sum() * playlists * ENTRIES).astype(np.int32), 1)

    def tracks() -> Iterable[pa.Table]:
        for begin_ in range(0, songs, BATCH):
            index = np.arange(begin_, min(begin_ + BATCH, songs))
            # Real songs first; then real titles with other artists, popular ones more often.
            fresh = index >= len(real)
            other = (len(real) * rng.random(len(index)) ** 2).astype(np.int64)
            title = np.where(fresh, rng.integers(0, len(real), len(index)), index % len(real))
            artist = np.where(fresh, other, index % len(real))
            yield pa.table(
                {
                    "track": index.astype(np.int32),
                    "track_uri": spotify_uris("track", rng, len(index)),
                    "track_name": titles.take(pa.array(title)),
                    "artist_uri": spotify_uris("artist", rng, len(index)),
                    "artist_name": artists.take(pa.array(artist)),
                    "album_uri": spotify_uris("album", rng, len(index)),
                    "album_name": albums.take(pa.array(artist)),
                    "duration_ms": np.full(len(index), 180_000),
                    "num_playlists": counts[index],
                    "num_entries": counts[index],
                },
                schema=CORPUS_TRACKS,
            )

    def lists() -> Iterable[pa.Table]:
        names = ["Chill", "Country", "Rock & Roll", "Summer 2017", "🎉", "Workout", "Throwbacks"]
        for begin_ in range(0, playlists, 20_000):
            pids = np.arange(begin_, min(begin_ + 20_000, playlists))
            lengths = rng.poisson(ENTRIES, len(pids))
            drawn = np.searchsorted(cumulative, rng.random(lengths.sum()))
            yield pa.table(
                {
                    "pid": pids,
                    "name": [f"{names[pid % len(names)]} {pid % 997}" for pid in pids],
                    "modified_at": np.zeros(len(pids), np.int64),
                    "tracks": pa.ListArray.from_arrays(
                        pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32()),
                        pa.array(np.minimum(drawn, songs - 1), pa.int32()),
                    ),
                },
                schema=CORPUS_PLAYLISTS,
            )

    for name, tables, schema in (
        ("tracks", tracks(), CORPUS_TRACKS),
        ("playlists", lists(), CORPUS_PLAYLISTS),
    ):
        key = f"corpus/{VERSION}/{name}"
        attempt = begin(lake, key)
        stored = attempt.file_name("part-00000", "parquet")
        with pq.ParquetWriter(in_work(attempt, key, stored), schema, compression="zstd") as out:
            for table in tables:
                out.write_table(table)
        attempt.commit({key: Manifest([stored], attempt.token, name, 0)})
    for what, rows in ((SONGS, songs), (PLAYLISTS, playlists)):
        key = vectors_key(MODEL, VERSION, what)
        attempt = begin(lake, key)
        stored = attempt.file_name("vectors", "npy")
        with npy_writer(in_work(attempt, key, stored), np.float32, DIMENSIONS) as append:
            for begin_ in range(0, rows, BATCH):
                append(rng.standard_normal((min(BATCH, rows - begin_), DIMENSIONS), np.float32))
        attempt.commit({key: Manifest([stored], attempt.token, what, rows)})


def in_work(attempt: Attempt, key: str, name: str) -> Path:
    """Where a data file of `attempt` is written."""
    path = Path(attempt.lake.path(f"{attempt.work}/{key}/{name}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def spotify_uris(kind: str, rng: np.random.Generator, count: int) -> pa.Array:
    letters = _BASE62[rng.integers(0, 62, (count, 22))]
    return pa.array([f"spotify:{kind}:{row.tobytes().decode()}" for row in letters])


def in_child(function: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    """Seconds and peak memory of `function` in a fresh process."""
    results: Any = multiprocessing.get_context("spawn").Queue()
    child = multiprocessing.get_context("spawn").Process(
        target=_measured, args=(results, function, arguments)
    )
    child.start()
    measured: dict[str, float] = results.get()
    child.join()
    return measured


def _measured(results: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    function(*arguments)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    results.put(
        {
            "cpu_seconds": round(cpu, 1),
            "wall_seconds": round(wall, 1),
            "peak_memory_mb": round(after.ru_maxrss / 1024),
        }
    )


def ask(bundle: Bundle, queries: int, peer_queries: int) -> dict[str, Any]:
    """The benchmark's document, but for the build."""
    rng = random.Random(7)
    size = len(bundle.song_vectors)
    # What people look for is mostly popular.
    tracks = [int(size * rng.random() ** 3) for _ in range(queries)]
    typed = [type_ahead(f"{s.title} {s.artist}", rng) for s in bundle.names.songs(tracks)]
    misspelt = [misspell(text, rng) for text in typed]
    batches = [tracks[at : at + 25] for at in range(0, min(queries, 2_500), 25)]
    pids = [int(bundle.pids[rng.randrange(len(bundle.pids))]) for _ in range(min(queries, 100))]
    ours = {
        "type_ahead": percentiles(lambda text: search_songs(bundle, text), typed),
        "type_ahead_with_typos": percentiles(lambda text: search_songs(bundle, text), misspelt),
        "similar_cosine": percentiles(lambda t: similar_songs(bundle, t, 10), tracks),
        "similar_euclidean": percentiles(
            lambda t: similar_songs(bundle, t, 10, "euclidean"), tracks
        ),
        "similar_playlists": percentiles(lambda pid: similar_playlists(bundle, 10, pid=pid), pids),
        "continuation_25_seeds_500_songs": percentiles(
            lambda seeds: continuation(bundle, seeds, 500), batches
        ),
    }

    def like(text: str) -> object:
        words = text.split()
        clauses = " AND ".join("(title LIKE ? OR artist LIKE ?)" for _ in words)
        sql = f"SELECT track FROM songs WHERE {clauses} ORDER BY track LIMIT 20"
        return bundle.names.query(sql, [f"%{word}%" for word in words for _ in "ta"])

    def scan(track: int) -> object:
        scores = bundle.song_units @ bundle.song_units[track]
        best = np.argpartition(scores, -11)[-11:]
        return best[np.argsort(-scores[best])]

    peer: dict[str, Any] = {
        "name": "type-ahead: SQLite LIKE over the same table; similar: NumPy matrix product",
        "type_ahead": percentiles(like, typed[:peer_queries]),
        "similar_cosine": percentiles(scan, tracks[:peer_queries]),
    }
    ratios = {
        name: round(peer[name]["cpu_p95_ms"] / ours[name]["cpu_p95_ms"], 2)
        for name in ("type_ahead", "similar_cosine")
    }
    return {
        "name": "search",
        "input": {"queries": queries, "peer_queries": peer_queries, "threads": 1},
        "ours": ours,
        "peer": peer,
        "ratios": ratios,
        "ratio": min(ratios.values()),
    }


def type_ahead(text: str, rng: random.Random) -> str:
    """`text` as far as somebody has typed it."""
    return text[: rng.randint(1, max(min(len(text), 30), 1))].lower()


def misspell(text: str, rng: random.Random) -> str:
    """`text` with two neighbouring letters swapped, or one left out."""
    if len(text) < 4:
        return text
    at = rng.randrange(1, len(text) - 1)
    if rng.random() < 0.5:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :]


def percentiles(function: Callable[[Any], object], inputs: list[Any]) -> dict[str, float]:
    """Milliseconds of one call, on the processor and on the clock, after a few that warm up."""
    for value in inputs[:5]:
        function(value)
    cpu, wall = [], []
    for value in inputs:
        started, used = time.perf_counter(), time.process_time()
        function(value)
        cpu.append((time.process_time() - used) * 1e3)
        wall.append((time.perf_counter() - started) * 1e3)
    return {
        "cpu_p50_ms": round(float(np.percentile(cpu, 50)), 2),
        "cpu_p95_ms": round(float(np.percentile(cpu, 95)), 2),
        "wall_p50_ms": round(float(np.percentile(wall, 50)), 2),
        "wall_p95_ms": round(float(np.percentile(wall, 95)), 2),
    }


if __name__ == "__main__":
    main()
