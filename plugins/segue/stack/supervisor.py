"""supervisord: its configuration, and talking to it over its Unix socket."""

import os
import shlex
import shutil
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from segue.errors import SegueError
from segue.stack.home import Home, socket_folder

_SPAWN_ERROR = 50
"""The fault of supervisord's for a process that ended as soon as it began."""
ENDED = frozenset({"STOPPED", "EXITED", "FATAL"})
"""States of a component that supervisord does not start again by itself."""

_LOG_BYTES = "20MB"
_LOG_BACKUPS = 3


@dataclass(frozen=True)
class Program:
    """One component as supervisord runs it."""

    name: str
    command: tuple[str, ...]
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    whole_group: bool = True


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord says of one component. `state` is RUNNING, STARTING, STOPPED, FATAL…"""

    name: str
    state: str
    pid: int
    since: float
    detail: str


def start(home: Home, programs: Iterable[Program], environment: Mapping[str, str]) -> None:
    """Starts supervisord as a daemon with every program stopped.

    Secrets travel in `environment`, which only this user can read, never in the configuration.
    """
    folder = socket_folder(home.run)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid() or folder.stat().st_mode & 0o077:
        raise SegueError(f"{folder} must belong to this user alone; remove it and try again")
    config = home.run / "supervisord.conf"
    config.write_text(_configuration(home, programs))
    config.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
        env=dict(environment),
        cwd=home.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SegueError(f"supervisord did not start: {done.stderr.strip() or done.stdout.strip()}")
    deadline = time.monotonic() + 15
    while not alive(home):
        if time.monotonic() > deadline:
            raise SegueError(f"supervisord does not answer; see {home.log('supervisord')}")
        time.sleep(0.05)


def alive(home: Home) -> bool:
    """Whether this home's supervisord answers."""
    return pid(home) is not None


def pid(home: Home) -> int | None:
    """The process id of this home's supervisord, None when it does not answer."""
    try:
        return cast(int, _server(home).getPID())
    except (OSError, HTTPException, xmlrpc.client.Error):
        return None


def processes(home: Home) -> list[ProcessInfo]:
    """Every component, in the order of starting; empty when supervisord does not answer."""
    try:
        answer = cast(list[dict[str, Any]], _server(home).getAllProcessInfo())
    except (OSError, HTTPException, xmlrpc.client.Error):
        return []
    return [
        ProcessInfo(
            name=each["name"],
            state=each["statename"],
            pid=each["pid"],
            since=float(each["start"]),
            detail=each["spawnerr"] or each["description"],
        )
        for each in answer
    ]


def start_program(home: Home, name: str) -> None:
    """Starts one component without waiting for it; how it fared is in `processes`."""
    try:
        _server(home).startProcess(name, False)
    except xmlrpc.client.Fault as fault:
        # It has ended before the answer was written: its state says so too, and its log why.
        if fault.faultCode != _SPAWN_ERROR:
            raise


def stop_programs(home: Home, names: Iterable[str]) -> None:
    """Stops components together and waits until they have ended."""
    names = list(names)
    for name in names:
        try:
            _server(home).stopProcess(name, False)
        except xmlrpc.client.Fault:
            # Not running: there is nothing to stop.
            continue
    while any(p.name in names and p.state not in ENDED for p in processes(home)):
        time.sleep(0.1)


def shut_down(home: Home, *, seconds: float) -> None:
    """Ends supervisord and waits for its end, at most `seconds`."""
    number = pid(home)
    try:
        _server(home).shutdown()
    except (OSError, HTTPException, xmlrpc.client.Error):
        return
    deadline = time.monotonic() + seconds
    while number is not None and psutil.pid_exists(number) and time.monotonic() < deadline:
        time.sleep(0.05)


def forget(home: Home) -> None:
    """Removes the socket and the process id of a supervisord that is gone."""
    _socket(home).unlink(missing_ok=True)
    (home.run / "supervisord.pid").unlink(missing_ok=True)
    if socket_folder(home.run) != home.run:
        shutil.rmtree(socket_folder(home.run), ignore_errors=True)


def _server(home: Home) -> Any:
    transport = SupervisorTransport(None, None, serverurl=f"unix://{_socket(home)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def _socket(home: Home) -> Path:
    return socket_folder(home.run) / "supervisor.sock"


def _configuration(home: Home, programs: Iterable[Program]) -> str:
    lines = [
        "[unix_http_server]",
        f"file={_plain(_socket(home))}",
        "chmod=0700",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "[supervisord]",
        f"logfile={_plain(home.log('supervisord'))}",
        f"logfile_maxbytes={_LOG_BYTES}",
        f"logfile_backups={_LOG_BACKUPS}",
        f"pidfile={_plain(home.run / 'supervisord.pid')}",
        f"directory={_plain(home.root)}",
        "strip_ansi=true",
        *(["user=root"] if os.geteuid() == 0 else []),
    ]
    for priority, program in enumerate(programs):
        group = "true" if program.whole_group else "false"
        lines += [
            f"[program:{program.name}]",
            f"command={shlex.join(program.command).replace('%', '%%')}",
            f"priority={priority}",
            "autostart=false",
            "autorestart=true",
            "startsecs=3",
            "startretries=3",
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={program.stop_seconds}",
            f"stopasgroup={group}",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_plain(home.log(program.name))}",
            f"stdout_logfile_maxbytes={_LOG_BYTES}",
            f"stdout_logfile_backups={_LOG_BACKUPS}",
            *([f"user={program.user}"] if program.user else []),
        ]
    return "\n".join(lines) + "\n"


def _plain(path: Path) -> str:
    # supervisord expands %(…)s in every value.
    return str(path).replace("%", "%%")
