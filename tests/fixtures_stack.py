"""A whole stack, in a home of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from segue.settings import Settings
from segue.stack import state
from segue.stack.environment import airflow_environment
from segue.stack.home import Home
from segue.stack.ports import free_port
from segue.stack.state import StackState


@dataclass(frozen=True)
class StackHome:
    """A SEGUE_HOME, and the commands on it."""

    settings: Settings

    @property
    def home(self) -> Home:
        return Home.of(self.settings)

    @property
    def state(self) -> StackState:
        running = state.running(self.settings)
        assert running is not None, "the stack does not run"
        return running

    @property
    def environment(self) -> dict[str, str]:
        """For a command that is to act on this home."""
        return os.environ | {
            "SEGUE_HOME": str(self.settings.home),
            "SEGUE_AIRFLOW_PORT": str(self.settings.airflow_port),
            "SEGUE_MONGO_PORT": str(self.settings.mongo_port),
        }

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """`segue …`, under way."""
        return subprocess.Popen(
            [Path(sys.executable).with_name("segue"), *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def segue(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """`segue …`, ended."""
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def airflow(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`airflow …`, ended, on this stack."""
        return subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=airflow_environment(self.settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _new_home() -> StackHome:
    # Unix socket paths are short: pytest's own temporary folders can be too long for them.
    folder = Path(tempfile.mkdtemp(prefix="segue-"))
    airflow_port = free_port(20000 + os.getpid() % 20000)
    mongo_port = free_port(airflow_port + 1)
    return StackHome(Settings(home=folder, airflow_port=airflow_port, mongo_port=mongo_port))


def _remove(stack: StackHome) -> None:
    down = stack.segue("down")
    assert down.returncode == 0, down.stderr
    shutil.rmtree(stack.settings.home)


@pytest.fixture(scope="session")
def stack() -> Iterator[StackHome]:
    """A stack that runs for the whole session."""
    result = _new_home()
    try:
        up = result.segue("up")
        assert up.returncode == 0, up.stderr
        yield result
    finally:
        _remove(result)


@pytest.fixture
def stack_home() -> Iterator[StackHome]:
    """A home in which nothing has been started."""
    result = _new_home()
    try:
        yield result
    finally:
        _remove(result)
