"""`segue up`, `down`, `status` and `doctor`: the local stack."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from segue.cli.main import app
from segue.cli.output import Json, note, report, stderr, table
from segue.settings import Settings, get_settings
from segue.stack import lifecycle, supervisor
from segue.stack.credentials import admin_password, admin_passwords_file
from segue.stack.doctor import examine
from segue.stack.home import Home
from segue.stack.ports import LOOPBACK
from segue.stack.state import StackState, running

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}

ShowPassword = Annotated[
    bool, typer.Option("--show-password", help="Print the password of Airflow's user admin.")
]


@app.command()
def up(
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until Ctrl-C or SIGTERM, then stop it all.")
    ] = False,
    show_password: ShowPassword = False,
) -> None:
    """Start the local stack: Airflow, PostgreSQL and MongoDB, on loopback."""
    settings = get_settings()
    with _sigterm_interrupts():
        with _progress() as say:
            state, ran_already = lifecycle.up(settings, say)
        if ran_already:
            stderr.print("The stack runs already.")
        with_password = show_password or sys.stdout.isatty()
        for line in address(settings, state, with_password=with_password):
            print(line, flush=True)
        if foreground and not ran_already:
            _stay(settings)


@app.command()
def down() -> None:
    """Stop the local stack and every process that it left."""
    with _progress() as say:
        stopped = lifecycle.down(get_settings(), say)
    stderr.print("The stack is stopped." if stopped else "Nothing runs.")


@app.command()
def status(show_password: ShowPassword = False, as_json: Json = False) -> None:
    """Show the components of the local stack; exits with 1 unless all run."""
    settings = get_settings()
    home = Home.of(settings)
    state = running(settings)
    components = [_component(process, state) for process in supervisor.processes(home)]
    faulty = state is None or any(each["state"] != "RUNNING" for each in components)
    disk = _bytes_below(home.root)
    document: dict[str, Any] = {
        "running": not faulty,
        "url": state.url if state else None,
        "user": state.admin if state else None,
        "components": components,
        "home": str(home.root),
        "disk_bytes": disk,
        "logs": str(home.logs),
    }
    if show_password and state:
        document["password"] = admin_password(settings)

    def render() -> Group:
        rows = [
            (each["name"], each["state"], each["pid"] or "", each["since"] or "", each["address"])
            for each in components
        ]
        lines = [] if state is None else address(settings, state, with_password=show_password)
        lines += [f"data      {home.root} ({disk / 2**20:,.0f} MiB)", f"logs      {home.logs}"]
        if not components:
            return Group(Text("The stack does not run; start it with `segue up`."), *lines)
        return Group(table(("component", "state", "pid", "since", "address"), rows), "", *lines)

    report(document, render, as_json=as_json)
    if faulty:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check settings, versions, connections and disk; say how to mend what is wrong."""
    checks = examine()
    failed = any(check.state == "fail" for check in checks)
    document = {"ok": not failed, "checks": [asdict(check) for check in checks]}

    def render() -> Table:
        grid = Table.grid(padding=(0, 2))
        for check in checks:
            grid.add_row(
                Text(check.state, style=_COLOURS[check.state]), check.name, Text(check.detail)
            )
            if check.state != "ok" and check.mend:
                grid.add_row("", "", Text(f"→ {check.mend}", style="bold"))
        return grid

    report(document, render, as_json=as_json)
    if failed:
        raise typer.Exit(1)


def _component(process: supervisor.ProcessInfo, state: StackState | None) -> dict[str, Any]:
    address = ""
    if state and process.name == "api-server":
        address = state.url
    elif state and process.name == "mongod":
        address = f"{LOOPBACK}:{state.mongo_port}"
    elif process.name == "postgres":
        address = "Unix socket"
    since = datetime.fromtimestamp(process.since).astimezone() if process.pid else None
    return {
        "name": process.name,
        "state": process.state,
        "pid": process.pid or None,
        "since": since.isoformat(sep=" ", timespec="seconds") if since else None,
        "address": address,
    }


def address(settings: Settings, state: StackState, *, with_password: bool) -> list[str]:
    """The lines that say where Airflow is and how to log in."""
    file = admin_passwords_file(Home.of(settings))
    password = admin_password(settings) if with_password else f"in {file} (or --show-password)"
    return [f"Airflow   {state.url}", f"user      {state.admin}", f"password  {password}"]


def _stay(settings: Settings) -> None:
    home = Home.of(settings)
    complained: list[str] = []
    stderr.print("Ctrl-C stops it.")
    try:
        while supervisor.alive(home):
            if (faulty := lifecycle.faulty(home)) and faulty != complained:
                note(f"not running: {', '.join(faulty)}; logs in {home.logs}")
            complained = faulty
            time.sleep(1)
    except KeyboardInterrupt:
        note("stopping")
    with _progress() as say:
        lifecycle.down(settings, say)


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            # Files come and go while a stack runs.
            with suppress(OSError):
                total += (Path(parent) / name).lstat().st_blocks * 512
    return total


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What says how far it is: a spinner for people, a line a step for logs."""
    said = ""
    if stderr.is_terminal:
        with stderr.status("") as spinner:
            yield lambda text: spinner.update(text)
        return

    def say(text: str) -> None:
        nonlocal said
        if text != said:
            said = text
            note(text)

    yield say
