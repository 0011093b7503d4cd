"""Runs a folder of playlists through a fresh stack; prints seconds by task and peak memory as JSON.

.venv/bin/python scripts/measure_run.py sample/spotify-archive [--date YYYY-MM-DD]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from segue.settings import Settings
from segue.stack import dagruns, processes
from segue.stack.api import client
from segue.stack.home import Home


class Memory(threading.Thread):
    """Samples the resident memory of the whole stack, and of the Spark jobs in it, twice a second.

    Proportional set size, so that pages that processes share count once.
    """

    def __init__(self, home: Home) -> None:
        super().__init__(daemon=True)
        self.home, self.stopping = home, threading.Event()
        self.stack_mb = self.spark_mb = 0.0

    def run(self) -> None:
        while not self.stopping.wait(0.5):
            stack = spark = 0
            for process in processes.of_stack(self.home):
                with suppress(psutil.Error):
                    pss = process.memory_full_info().pss
                    stack += pss
                    command = " ".join(process.cmdline())
                    spark += pss if "spark" in command.lower() else 0
            self.stack_mb = max(self.stack_mb, stack / 1e6)
            self.spark_mb = max(self.spark_mb, spark / 1e6)


def segue(settings: Settings, *arguments: str) -> str:
    """What `segue …` prints; raises `CalledProcessError`."""
    command = [str(Path(sys.executable).with_name("segue")), *arguments]
    environment = os.environ | {"SEGUE_HOME": str(settings.home)}
    return subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def task_seconds(settings: Settings, document: dict[str, Any]) -> dict[str, float]:
    """The median over the runs of the seconds that each task took."""
    seconds: dict[str, list[float]] = {}
    with client(settings) as api:
        for dag_id in {r["dag_id"] for r in document["runs"]}:
            dates = {r["logical_date"] for r in document["runs"] if r["dag_id"] == dag_id}
            path = f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances"
            found = list(dagruns.pages(api, path, "task_instances", {}))
            for t in found:
                if t["logical_date"][:10] in dates and t["duration"]:
                    seconds.setdefault(f"{dag_id}.{t['task_id']}", []).append(t["duration"])
    return {task: round(statistics.median(values), 1) for task, values in sorted(seconds.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="folder of slices, or of dt=YYYY-MM-DD folders")
    parser.add_argument("--date", help="date of a folder without dt=… (default: yesterday)")
    args = parser.parse_args()
    settings = Settings(home=Path(tempfile.mkdtemp(prefix="segue-")))
    try:
        segue(settings, "up")
        memory = Memory(Home.of(settings))
        memory.start()
        began = time.monotonic()
        date = ["--date", args.date] if args.date else []
        document = json.loads(segue(settings, "run", "--source", args.source, *date, "--json"))
        wall = time.monotonic() - began
        memory.stopping.set()
        memory.join()
        result = {
            "name": "run",
            "input": args.source,
            "rows": document["rows"],
            "version": document["version"],
            "runs": len(document["runs"]),
            "wall_seconds": round(wall, 1),
            "task_seconds": task_seconds(settings, document),
            "peak_mb": {"stack": round(memory.stack_mb), "spark_jobs": round(memory.spark_mb)},
            "lake_mb": round(
                sum(f.stat().st_size for f in settings.home.glob("lake/**/*") if f.is_file()) / 1e6
            ),
        }
        print(json.dumps(result, indent=2))
    finally:
        segue(settings, "down")
        shutil.rmtree(settings.home)


if __name__ == "__main__":
    main()
