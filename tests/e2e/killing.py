"""Kills what a running task consists of, at random moments."""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import psutil

from segue.stack import processes
from segue.stack.home import Home

RETRIES = 4
WAYS = ("task", "jvm", "group")


class Killer(threading.Thread):
    """Kills `kills` times, at random moments: a task's process, its group, or its JVM alone."""

    def __init__(self, home: Home, kills: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.home, self.kills, self.random = home, kills, random.Random(seed)
        self.killed: list[str] = []
        self.of_job = Counter[str]()
        self.stopping = threading.Event()

    def run(self) -> None:
        while len(self.killed) < self.kills and not self.stopping.is_set():
            time.sleep(self.random.uniform(0.5, 6))
            tasks = self.tasks()
            if tasks:
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    self.kill(self.random.choice(tasks))

    def tasks(self) -> list[psutil.Process]:
        """The processes that run a task's own code, each with its group."""
        found = []
        for process in processes.of_stack(self.home):
            with suppress(psutil.Error):
                command = " ".join(process.cmdline())
                if command.startswith("airflow worker -- ") and "LocalExecutor" not in command:
                    found.append(process)
        return found

    def kill(self, task: psutil.Process) -> None:
        """SIGKILL, in the three ways by turns."""
        way = WAYS[len(self.killed) % len(WAYS)]
        jvms = [c for c in task.children(recursive=True) if c.name() == "java"]
        # A task killed while its JVM runs leaves it behind; so the first two wait for one.
        if not jvms and way != "group":
            return
        job = _job(jvms[0]) if jvms else ""
        # No task is killed more often than it is tried again.
        if self.of_job[job] == RETRIES:
            return
        self.of_job[job] += 1
        if way == "jvm":
            jvms[0].kill()
        elif way == "task":
            task.kill()
        else:
            os.killpg(os.getpgid(task.pid), signal.SIGKILL)
        self.killed.append(way)

    def stop(self) -> None:
        """No kill begins after this returns."""
        self.stopping.set()
        self.join()


def _job(jvm: psutil.Process) -> str:
    """The job and the date that a spark-submit is for."""
    command = jvm.cmdline()
    script = next((a for a in command if a.endswith(".py")), "")
    date = command[command.index("--date") + 1] if "--date" in command else ""
    return f"{script} {date}"
