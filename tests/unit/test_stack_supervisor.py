"""Talking to supervisord."""

import xmlrpc.client
from pathlib import Path

import pytest

from segue.stack import supervisor
from segue.stack.home import Home


class Answering:
    """A supervisord that answers a start with a fault."""

    def __init__(self, code: int) -> None:
        self.code = code

    def startProcess(self, name: str, wait: bool) -> None:
        raise xmlrpc.client.Fault(self.code, name)


def test_a_component_that_ends_at_once_is_left_to_its_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "_server", lambda home: Answering(50))
    supervisor.start_program(Home(tmp_path), "mongod")


def test_any_other_fault_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supervisor, "_server", lambda home: Answering(10))
    with pytest.raises(xmlrpc.client.Fault):
        supervisor.start_program(Home(tmp_path), "mongod")
