"""The stand-in as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@contextmanager
def stand_in(file: Path, *options: str) -> Iterator[str]:
    """The address of a server that knows the catalogue in `file`."""
    command = [sys.executable, "-m", "tests.lrclib_server", "--catalogue", str(file), *options]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
