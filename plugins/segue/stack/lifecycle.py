"""Starting and stopping the whole stack."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

from segue.errors import SegueError
from segue.settings import Settings
from segue.stack import api, mongod, postgres, processes, state, supervisor
from segue.stack.environment import airflow_environment
from segue.stack.home import Home
from segue.stack.ports import LOOPBACK, free_port
from segue.stack.state import StackState
from segue.stack.supervisor import Program

AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer")

_START_SECONDS = 60
_HEALTH_SECONDS = 300
_TAIL_LINES = 20

Say = Callable[[str], None]


class ComponentFailed(SegueError):
    """A component did not come up; says which and ends with its log."""

    def __init__(self, home: Home, name: str, reason: str) -> None:
        log = home.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "".join(f"\n  {line}" for line in lines[-_TAIL_LINES:])
        super().__init__(f"{name} {reason}; the end of {log}:{tail}")


def up(settings: Settings, say: Say) -> tuple[StackState, bool]:
    """Starts the stack; returns its state, and whether it ran already.

    Of a stack that runs, it starts what has ended. Raises `ComponentFailed` when a component does
    not become healthy; the others of a new stack are stopped then.
    """
    home = Home.of(settings)
    home.create()
    with _lock(home, say):
        if runs := state.running(settings):
            _mend(home, runs, say)
            return runs, True
        _clear(home, say)
        try:
            return _start(settings, home, say), False
        except BaseException:
            # A second Ctrl-C must not leave half a stack.
            with _undisturbed():
                say("stopping what has started")
                _clear(home, say)
            raise


def down(settings: Settings, say: Say) -> bool:
    """Stops the stack and all that it left; returns whether there was anything."""
    home = Home.of(settings)
    if not home.run.exists():
        return False
    with _lock(home, say), _undisturbed():
        return _clear(home, say)


def faulty(home: Home) -> list[str]:
    """The components that supervisord does not see running."""
    return [p.name for p in supervisor.processes(home) if p.state != "RUNNING"]


def _start(settings: Settings, home: Home, say: Say) -> StackState:
    airflow_port = free_port(settings.airflow_port)
    embedded = settings.mongo_uri is None
    mongo_port = (
        free_port(settings.mongo_port, taken=frozenset({airflow_port})) if embedded else None
    )
    current = StackState(
        airflow_port=airflow_port,
        mongo_port=mongo_port,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ready=False,
    )
    state.save(home, current)
    say("preparing PostgreSQL")
    postgres.prepare(home)
    programs = _programs(home, current)
    environment = processes.marked(airflow_environment(settings), home)
    supervisor.start(home, programs, environment)

    say("starting the databases")
    supervisor.start_program(home, "postgres")
    if mongo_port is not None:
        supervisor.start_program(home, "mongod")
    _wait(home, "postgres", lambda: postgres.accepts(home))
    postgres.create_database(home)
    if mongo_port is not None:
        _wait(home, "mongod", lambda: mongod.accepts(mongo_port))
        mongod.create_user(home, mongo_port)
    _migrate(home, environment, say)

    for name in AIRFLOW:
        supervisor.start_program(home, name)
    _wait_until_healthy(home, current, say)
    with api.client(settings) as http:
        api.set_pools(http, settings)
    ready = replace(current, ready=True)
    state.save(home, ready)
    return ready


def _programs(home: Home, current: StackState) -> list[Program]:
    who = postgres.account()
    programs = [
        Program(
            "postgres",
            postgres.command(home),
            user=who.name if os.geteuid() == 0 else None,
            # "Fast shutdown", to the postmaster alone: it ends its own children.
            stop_signal="INT",
            whole_group=False,
        )
    ]
    if current.mongo_port is not None:
        programs.append(
            Program("mongod", mongod.command(home, current.mongo_port), whole_group=False)
        )
    airflow = (sys.executable, "-m", "airflow")
    return [
        *programs,
        Program(
            "api-server",
            (*airflow, "api-server", "--host", LOOPBACK, "--port", str(current.airflow_port)),
        ),
        # Their log servers would listen on every interface; logs are local files.
        Program("scheduler", (*airflow, "scheduler", "--skip-serve-logs"), stop_seconds=5),
        Program("dag-processor", (*airflow, "dag-processor")),
        # What it waits for is in the database; it may take long to say goodbye to it.
        Program("triggerer", (*airflow, "triggerer", "--skip-serve-logs"), stop_seconds=5),
    ]


def _migrate(home: Home, environment: dict[str, str], say: Say) -> None:
    wanted = version("apache-airflow")
    if postgres.migrated_to(home) == wanted:
        return
    say("creating Airflow's tables")
    with home.log("migrate").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise ComponentFailed(home, "migrate", f"ended with {done.returncode}")
    postgres.set_migrated_to(home, wanted)


def _wait(home: Home, name: str, accepts: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not accepts():
        _fail_if_ended(home, [name])
        if time.monotonic() > deadline:
            raise ComponentFailed(home, name, f"does not answer after {_START_SECONDS} s")
        time.sleep(0.1)


def _wait_until_healthy(home: Home, current: StackState, say: Say) -> None:
    deadline = time.monotonic() + _HEALTH_SECONDS
    while missing := api.unhealthy(current.url) or faulty(home):
        say(f"starting Airflow: waiting for {', '.join(missing)}")
        _fail_if_ended(home, AIRFLOW)
        if time.monotonic() > deadline:
            raise ComponentFailed(home, missing[0], f"is not healthy after {_HEALTH_SECONDS} s")
        time.sleep(0.5)


def _fail_if_ended(home: Home, names: Sequence[str]) -> None:
    for process in supervisor.processes(home):
        if process.name in names and process.state in {"FATAL", "BACKOFF", "EXITED"}:
            raise ComponentFailed(home, process.name, f"did not start ({process.detail})")


def _mend(home: Home, runs: StackState, say: Say) -> None:
    # Component by component: a restart of the whole would end the tasks that run.
    if ended := [p.name for p in supervisor.processes(home) if p.state in supervisor.ENDED]:
        say(f"starting anew what has ended: {', '.join(ended)}")
        for name in ended:
            supervisor.start_program(home, name)
    if faulty(home):
        _wait_until_healthy(home, runs, say)


def _clear(home: Home, say: Say) -> bool:
    """Stops everything of this home: Airflow first, its tasks next, the databases last."""
    master = supervisor.pid(home)
    # Before anything ends: what a process has started is only known while it lives.
    found = processes.of_stack(home)
    if master is not None:
        say("stopping Airflow")
        supervisor.stop_programs(home, AIRFLOW)
    found = [p for p in {*found, *processes.of_stack(home)} if p.is_running()]
    tasks = [p for p in found if p.pid != master and not processes.is_database(p)]
    if tasks:
        say(f"ending {len(tasks)} processes of tasks")
        processes.end(tasks)
    if master is not None:
        say("stopping the databases")
        supervisor.stop_programs(home, ("postgres", "mongod"))
        supervisor.shut_down(home, seconds=10)
    # What a killed supervisord left. PostgreSQL's postmaster ends its own children.
    left = processes.of_stack(home)
    postmaster = [p for p in left if p.pid == postgres.postmaster(home)]
    processes.end(postmaster, with_signal=signal.SIGINT)
    processes.end(p for p in left if p not in postmaster)
    state.forget(home)
    supervisor.forget(home)
    postgres.remove_short_socket_folder(home)
    return master is not None or bool(found)


@contextmanager
def _lock(home: Home, say: Say) -> Iterator[None]:
    with (home.run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another segue that starts or stops this stack")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
