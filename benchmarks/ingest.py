"""CPU time of preprocess and of the best plain-Spark version of the same work, as JSON.

    python benchmarks/ingest.py [--slices 8] [--rounds 3] [--source FOLDER] [--kind .json.gz]
    python benchmarks/ingest.py --decode-only        one process, no Spark: MB per CPU second

The input is cut from real playlists into slices as the Million Playlist Dataset has them: 1,000
playlists of about 66 songs, pretty-printed, some 33 MB each. Ours is `spark_jobs/preprocess.py`.
The peer reads the same files with Spark's multi-line JSON reader and an explicit schema, once, and
writes the same two tables with the same rows as zstd Parquet. It checks nothing: no quarantine, no
duplicates, no fence; of a song in several files it takes any name. Of the ways to write it, the
quickest one is used (`plain_spark` says which were tried).

Both run alternately, each round in a new JVM. CPU seconds are those of the whole process tree,
user and system, JVM and Python workers included; the medians over the rounds are reported.
"""

import argparse
import ctypes
import gzip
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import zstandard

from segue.ingest import decode_slice
from segue.lake import Lake, Manifest, begin

PROJECT = Path(__file__).resolve().parents[1]
SAMPLE = PROJECT / "sample" / "spotify-archive"
DATE = "2021-04-09"
PLAYLISTS_PER_SLICE = 1_000
SONGS_PER_PLAYLIST = 66
PR_SET_CHILD_SUBREAPER = 36
SPARK_CONF = [
    "--master",
    "local[2]",
    *("--conf", "spark.ui.enabled=false"),
    *("--conf", "spark.log.level=WARN"),
    *("--driver-memory", "2g"),
    # Both do best without the optimising compiler: the jobs end before it has paid.
    *("--driver-java-options", "-XX:TieredStopAtLevel=1"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=8, help="slices of about 33 MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", type=Path, default=SAMPLE, help="folder of real slices")
    parser.add_argument("--kind", default=".json", choices=[".json", ".json.gz", ".json.zst"])
    parser.add_argument("--decode-only", action="store_true", help="measure without Spark")
    parser.add_argument("--plain-spark", nargs=2, metavar=("IN", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain_spark:
        plain_spark(*args.plain_spark)
        return
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder:
        slices = write_slices(args.source, Path(folder) / "in", args.slices, args.kind)
        compare = compare_decoding if args.decode_only else compare_jobs
        print(json.dumps(compare(slices, args.rounds), indent=1))


def plain_spark(source: str, target: str) -> None:
    """The peer.

    Tried, in CPU seconds for 240 MB: as it stands 21.2 to 22.3; with `count_distinct` 23.3; reading
    twice instead of `persist` 23.8, both 22.6; counting by a flag instead of a second grouping 35.
    """
    from pyspark.sql import SparkSession, functions as F

    song = (
        "struct<pos:bigint,track_uri:string,track_name:string,artist_uri:string,"
        "artist_name:string,album_uri:string,album_name:string,duration_ms:bigint>"
    )
    playlist = (
        "struct<pid:bigint,name:string,description:string,collaborative:string,"
        "modified_at:bigint,num_albums:int,num_artists:int,num_followers:int,num_edits:int,"
        f"duration_ms:bigint,tracks:array<{song}>>"
    )
    names = ["track_name", "artist_uri", "artist_name", "album_uri", "album_name", "duration_ms"]
    spark = SparkSession.builder.appName("plain Spark").getOrCreate()
    spark.conf.set("spark.sql.parquet.compression.codec", "zstd")
    files = spark.read.schema(f"playlists array<{playlist}>").json(source, multiLine=True)
    playlists = files.select(F.explode("playlists").alias("p")).select("p.*").persist()
    in_order = F.transform(
        F.array_sort(F.transform("tracks", lambda t, i: F.struct(t.pos, i, t.track_uri))),
        lambda t: t.track_uri,
    )
    playlists.select(
        "pid",
        "name",
        "description",
        (F.col("collaborative") == "true").alias("collaborative"),
        "modified_at",
        F.size("tracks").alias("num_tracks"),
        *("num_albums", "num_artists", "num_followers", "num_edits", "duration_ms"),
        in_order.alias("track_uris"),
    ).write.mode("overwrite").parquet(f"{target}/playlists")
    songs = playlists.select("pid", F.explode("tracks").alias("t")).select("pid", "t.*")
    by_playlist = songs.groupBy("track_uri", "pid").agg(
        F.count("*").alias("entries"), *(F.first(n).alias(n) for n in names)
    )
    by_playlist.groupBy("track_uri").agg(
        *(F.first(n).alias(n) for n in names),
        F.count("*").cast("int").alias("num_playlists"),
        F.sum("entries").cast("int").alias("num_entries"),
    ).write.mode("overwrite").parquet(f"{target}/tracks")


def write_slices(source: Path, folder: Path, count: int, kind: str) -> list[Path]:
    """Slices in the shape of MPD, made of the playlists in `source`, the same ones each time."""
    folder.mkdir(parents=True)
    parts = list(_parts(source))
    rng = random.Random(42)
    paths = []
    for number in range(count):
        first = number * PLAYLISTS_PER_SLICE
        chosen = [
            p
            for _ in range(1 + PLAYLISTS_PER_SLICE // len(parts))
            for p in rng.sample(parts, len(parts))
        ][:PLAYLISTS_PER_SLICE]
        playlists = [{**p, "pid": first + i} for i, p in enumerate(chosen)]
        name = f"{first}-{first + PLAYLISTS_PER_SLICE - 1}"
        info = {"generated_on": "2017-12-03 08:41:42.057563", "slice": name, "version": "v1"}
        text = json.dumps({"info": info, "playlists": playlists}, indent=4).encode()
        if kind == ".json.gz":
            text = gzip.compress(text, 6)
        elif kind == ".json.zst":
            text = zstandard.compress(text)
        paths.append(folder / f"mpd.slice.{name}{kind}")
        paths[-1].write_bytes(text)
    return paths


def _parts(source: Path) -> Iterator[dict[str, Any]]:
    """The playlists of `source` in parts as long as MPD's are on average."""
    for path in sorted(source.glob("*.json.gz")):
        with gzip.open(path) as file:
            playlists = json.load(file)["playlists"]
        for playlist in playlists:
            for start in range(0, len(playlist["tracks"]), SONGS_PER_PLAYLIST):
                songs = playlist["tracks"][start : start + SONGS_PER_PLAYLIST]
                tracks = [{**song, "pos": pos} for pos, song in enumerate(songs)]
                yield {**playlist, "num_tracks": len(tracks), "tracks": tracks}


def compare_jobs(slices: list[Path], rounds: int) -> dict[str, Any]:
    """Our job and the peer, as jobs."""
    work = slices[0].parents[1]
    lake = Lake((work / "lake").as_uri())
    _land(lake, slices)
    submit = [str(Path(sys.executable).with_name("spark-submit")), *SPARK_CONF]
    commands = {
        "ours": [
            *submit,
            str(PROJECT / "spark_jobs" / "preprocess.py"),
            *("--lake", lake.url, "--date", DATE),
        ],
        "peer": [*submit, __file__, "--plain-spark", str(slices[0].parent), str(work / "peer")],
    }
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            measured[name].append(measure(command))
    megabytes = _megabytes(slices)
    ours = _medians(measured["ours"], megabytes)
    peer = _medians(measured["peer"], megabytes)
    return {
        "name": "ingest",
        "input": {
            "slices": len(slices),
            "MB": round(megabytes, 1),
            "playlists": len(slices) * PLAYLISTS_PER_SLICE,
            "kind": "".join(slices[0].suffixes[-2:]) if slices[0].suffix != ".json" else ".json",
            "rounds": rounds,
            "same_rows": _same_rows(lake, work / "peer"),
        },
        "ours": ours,
        "peer": {"name": "Spark multiLine JSON, explicit schema, one pass", **peer},
        "ratio": round(peer["cpu_seconds"] / ours["cpu_seconds"], 2),
    }


def compare_decoding(slices: list[Path], rounds: int) -> dict[str, Any]:
    """Our decoding and `json.loads` of the same files, in this process, without Spark."""
    measured: dict[str, list[float]] = {"ours": [], "peer": []}
    blobs = [(path.name, path.read_bytes()) for path in slices]
    for _ in range(rounds):
        started = time.process_time()
        for name, blob in blobs:
            decode_slice(name, blob)
        measured["ours"].append(time.process_time() - started)
        started = time.process_time()
        for name, blob in blobs:
            json.loads(blob if name.endswith(".json") else gzip.decompress(blob))
        measured["peer"].append(time.process_time() - started)
    megabytes = _megabytes(slices)
    ours, peer = statistics.median(measured["ours"]), statistics.median(measured["peer"])
    return {
        "name": "ingest, decoding only",
        "input": {"slices": len(slices), "MB": round(megabytes, 1), "rounds": rounds},
        "ours": {"cpu_seconds": round(ours, 3), "mb_per_s": round(megabytes / ours, 1)},
        "peer": {
            "name": "json.loads, no tables, no checks",
            "cpu_seconds": round(peer, 3),
            "mb_per_s": round(megabytes / peer, 1),
        },
        "ratio": round(peer / ours, 2),
    }


def measure(command: list[str]) -> dict[str, float]:
    """CPU seconds, wall seconds and peak memory of `command` and all that it starts."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        # Orphans, as Python workers whose JVM has ended, come to this process to be counted.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.write(write, json.dumps(_measure_children(command)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as source:
        result: dict[str, Any] = json.load(source)
    os.waitpid(child, 0)
    if result.pop("exit_code"):
        raise SystemExit(f"{' '.join(command)} failed:\n{result['stderr'][-3000:]}")
    del result["stderr"]
    return result


def _measure_children(command: list[str]) -> dict[str, Any]:
    peak = [0.0]
    done = threading.Event()
    sampler = threading.Thread(target=_sample_memory, args=(os.getpid(), peak, done))
    sampler.start()
    started = time.monotonic()
    # The distribution's scripts look for `python3` on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryFile() as errors:
        ended = subprocess.run(
            command,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "PATH": path, "SPARK_LOCAL_IP": "127.0.0.1"},
        )
        errors.seek(0)
        stderr = errors.read().decode(errors="replace")
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    wall = time.monotonic() - started
    done.set()
    sampler.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "exit_code": ended.returncode,
        "stderr": stderr,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "wall_seconds": wall,
        "peak_mb": peak[0],
    }


def _sample_memory(root: int, peak: list[float], done: threading.Event) -> None:
    """Keeps in `peak` the highest sum, in MB, of the memory of all that `root` has started."""
    while not done.wait(0.2):
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        family = {root}
        while grown := {p for p, parent in parents.items() if parent in family} - family:
            family |= grown
        total = 0
        for process in family - {root}:
            try:
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        peak[0] = max(peak[0], total / 1e3)


def _land(lake: Lake, slices: list[Path]) -> None:
    key = f"landing/dt={DATE}"
    files = {}
    for path in slices:
        data = path.read_bytes()
        lake.put(f"{key}/{path.name}", data)
        files[path.name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    attempt = begin(lake, key)
    attempt.mark(key, Manifest(sorted(files), attempt.token, "", len(files), {"files": files}))


def _same_rows(lake: Lake, peer: Path) -> bool:
    for table, key, columns in (
        ("playlists", "pid", None),
        ("tracks", "track_uri", ["track_uri", "num_playlists", "num_entries"]),
    ):
        ours = pq.read_table(lake.path(f"staging/{table}/dt={DATE}"), columns=columns)
        theirs = pq.read_table(peer / table, columns=columns).select(ours.column_names)
        if ours.sort_by(key).to_pydict() != theirs.sort_by(key).to_pydict():
            return False
    return True


def _megabytes(slices: list[Path]) -> float:
    return sum(decode_slice(p.name, p.read_bytes()).size for p in slices) / 1e6


def _medians(runs: list[dict[str, float]], megabytes: float) -> dict[str, float]:
    medians = {k: round(statistics.median(run[k] for run in runs), 2) for k in runs[0]}
    return {**medians, "mb_per_s": round(megabytes / medians["cpu_seconds"], 1)}


if __name__ == "__main__":
    main()
