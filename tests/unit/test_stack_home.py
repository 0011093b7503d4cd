"""Folders, secrets and ports of the local stack."""

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segue.errors import SegueError
from segue.settings import Settings
from segue.stack import credentials, state
from segue.stack.home import Home, socket_folder
from segue.stack.ports import free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_private_folders_are_for_their_owner_alone(home: Home) -> None:
    home.create()
    for folder in (home.run, home.secrets, home.logs, home.airflow, home.mongo):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_short_socket_folder_is_kept_and_a_long_one_is_replaced() -> None:
    short, long = Path("/srv/segue/run"), Path("/srv") / ("x" * 90) / "run"
    assert socket_folder(short) == short
    assert socket_folder(long) != long
    assert socket_folder(long) == socket_folder(long)
    assert socket_folder(long) != socket_folder(long / "other")


def test_a_secret_is_generated_once_and_only_its_owner_reads_it(home: Home) -> None:
    before = os.umask(0)
    try:
        first = credentials.mongo_password(home)
    finally:
        os.umask(before)
    assert credentials.mongo_password(home) == first
    assert len(first) >= 32
    assert stat.S_IMODE((home.secrets / "mongo_password").stat().st_mode) == 0o600


def test_processes_that_generate_a_secret_at_once_agree_on_it(home: Home) -> None:
    home.create()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: credentials.jwt_secret(home), range(32)))
    assert len(found) == 1
    assert [path.name for path in home.secrets.iterdir()] == ["jwt_secret"]


def test_the_admin_password_can_be_read_aloud(tmp_path: Path) -> None:
    password = credentials.admin_password(Settings(home=tmp_path))
    assert set(password).isdisjoint("0O1lI")
    assert len(password) >= 20


def test_the_next_port_is_taken_when_one_is_in_use() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        wanted = server.getsockname()[1]
        assert free_port(wanted) > wanted


def test_a_port_meant_for_something_else_is_not_taken() -> None:
    port = free_port(28000)
    assert free_port(port, taken=frozenset({port})) > port


def test_without_a_stack_there_is_no_mongodb_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SegueError, match=r"segue up.*SEGUE_MONGO_URI"):
        state.mongo_uri(Settings(home=tmp_path, mongo_uri=None))


def test_a_mongodb_that_is_set_is_the_one_in_use(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mongo_uri="mongodb://elsewhere:27017/")
    assert state.mongo_uri(settings) == "mongodb://elsewhere:27017/"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}'])
def test_a_state_file_that_cannot_be_read_means_that_nothing_runs(home: Home, text: str) -> None:
    home.create()
    (home.run / "state.json").write_text(text)
    assert state.last(home) is None
