"""A real mongod with a login, and an empty database in it for each test."""

import itertools
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pytest
from pymongo.errors import PyMongoError

from segue.stack.mongod import mongod_binary
from segue.store.client import Database, connect
from segue.store.collections import apply

USER, PASSWORD = "segue", "p@ss:w/rd" + secrets.token_hex(8)
_names = (f"test_{n}" for n in itertools.count())


@dataclass(frozen=True)
class Mongo:
    """A server: `uri` has the login."""

    uri: str
    port: int

    def database(self) -> Database:
        """A new, empty database."""
        return connect(self.uri, next(_names))


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    """A mongod of its own on loopback, with a login, for the whole session."""
    folder = tmp_path_factory.mktemp("mongod")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = _start(folder, port, "--auth")
    try:
        _create_user(port)
        quoted = PASSWORD.replace("@", "%40").replace(":", "%3A").replace("/", "%2F")
        yield Mongo(f"mongodb://{USER}:{quoted}@127.0.0.1:{port}/?authSource=admin", port)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def db(mongo: Mongo) -> Iterator[Database]:
    """An empty database with the collections of Segue, dropped after the test."""
    database = mongo.database()
    apply(database)
    yield database
    database.client.drop_database(database.name)
    database.client.close()


def _start(folder: Path, port: int, *options: str) -> "subprocess.Popen[bytes]":
    log = folder / "mongod.log"
    command = [mongod_binary(), "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--logpath", log, "--wiredTigerCacheSizeGB", "0.5", "--unixSocketPrefix", folder]
    return subprocess.Popen([str(c) for c in command] + list(options), stdout=subprocess.DEVNULL)


def _create_user(port: int) -> None:
    """Uses what mongod grants on loopback until there is a first user."""
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient("127.0.0.1", port)
    deadline = time.monotonic() + 60
    while True:
        try:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["root"])
            break
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    client.close()
