"""Processes of one stack, found by the mark in their environment and ended for good."""

import itertools
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psutil

from segue.stack.home import Home

# Not SEGUE_HOME: a person's shell may export that, and must survive `segue down`.
_MARK = "SUPERVISED_BY_SEGUE"


def marked(environment: Mapping[str, str], home: Home) -> dict[str, str]:
    """`environment` with the mark that children and their children inherit."""
    # setproctitle would overwrite /proc/PID/environ, and the mark with it, without SPT_NOENV.
    return {**environment, _MARK: str(home.root), "SPT_NOENV": "1"}


def of_stack(home: Home) -> list[psutil.Process]:
    """Every living process of this home's stack, but for the calling one and its parents."""
    found = {p for p in psutil.process_iter() if _is_marked(p, home) or _serves(p, home)}
    for process in list(found):
        with suppress(psutil.Error):
            found.update(process.children(recursive=True))
            # Airflow hides the environment of a task's process even from its own user. When its
            # own parent is gone, such a process is known by what it has started.
            found.update(itertools.takewhile(_is_task, process.parents()))
    own = {os.getpid(), *(p.pid for p in psutil.Process().parents())}
    living = (p for p in found if p.pid not in own and not _is_zombie(p))
    return sorted(living, key=lambda p: p.pid)


def _is_marked(process: psutil.Process, home: Home) -> bool:
    try:
        return bool(process.environ().get(_MARK) == str(home.root))
    except (psutil.Error, OSError):
        return False


def _is_task(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline()[0].startswith("airflow "))
    except (psutil.Error, IndexError):
        return False


def _serves(process: psutil.Process, home: Home) -> bool:
    # PostgreSQL overwrites its environment; it works inside its data folder.
    try:
        return bool(process.name() == "postgres" and process.cwd() == str(home.postgres / "data"))
    except (psutil.Error, OSError):
        return False


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def is_database(process: psutil.Process) -> bool:
    """Whether this is a server of PostgreSQL or MongoDB: to be ended last."""
    try:
        return bool(process.name() in {"postgres", "mongod"})
    except psutil.NoSuchProcess:
        return False


def end(
    processes: Iterable[psutil.Process], *, with_signal: int = signal.SIGTERM, seconds: float = 10
) -> None:
    """Asks processes to end, and kills those that have not after `seconds`."""
    processes = list(processes)
    _send(processes, with_signal)
    _, left = psutil.wait_procs(processes, timeout=seconds)
    _send(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=5)


def _send(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
