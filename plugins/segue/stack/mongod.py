"""The embedded mongod: its binary, its configuration and its one user."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from segue.errors import SegueError
from segue.stack import credentials
from segue.stack.home import Home
from segue.stack.ports import LOOPBACK
from segue.stack.state import MONGO_USER, embedded_mongo_uri

_AUTHENTICATION_FAILED = 18
_CACHE_GB = 1


def mongod_binary() -> Path:
    """The `mongod` of PATH, else the one of the wheel; raises `SegueError` if there is none."""
    if found := shutil.which("mongod"):
        return Path(found)
    spec = importlib.util.find_spec("fiftyone")
    for folder in spec.submodule_search_locations or () if spec else ():
        binary = Path(folder) / "db" / "bin" / "mongod"
        if binary.exists():
            return binary
    raise SegueError(
        "no mongod: install MongoDB 6 or newer, or set SEGUE_MONGO_URI to one that runs elsewhere"
    )


def version() -> str:
    """The version of the binary, as `db version v6.0.5`."""
    answer = subprocess.run(
        [mongod_binary(), "--version"], capture_output=True, text=True, check=True
    )
    return answer.stdout.splitlines()[0]


def command(home: Home, port: int) -> tuple[str, ...]:
    """The command line of the server; writes the configuration that it reads."""
    config = home.run / "mongod.conf"
    # YAML reads JSON.
    config.write_text(
        json.dumps(
            {
                "net": {
                    "bindIp": LOOPBACK,
                    "port": port,
                    # It would stand in /tmp, for every user.
                    "unixDomainSocket": {"enabled": False},
                },
                "security": {"authorization": "enabled"},
                "storage": {
                    "dbPath": str(home.mongo),
                    "wiredTiger": {"engineConfig": {"cacheSizeGB": _CACHE_GB}},
                },
                "setParameter": {"diagnosticDataCollectionEnabled": False},
            },
            indent=2,
        )
    )
    return (str(mongod_binary()), "--config", str(config))


def accepts(port: int) -> bool:
    """Whether a mongod answers on `port`."""
    client = _client(f"mongodb://{LOOPBACK}:{port}/")
    try:
        client.admin.command("hello")
    except PyMongoError:
        return False
    finally:
        client.close()
    return True


def create_user(home: Home, port: int) -> None:
    """Creates the one user where it is missing.

    Raises `SegueError` when the data has a user with another password.
    """
    if _opens(home, port):
        return
    # mongod lets a client of its own host create the first user, and nothing after it.
    client = _client(f"mongodb://{LOOPBACK}:{port}/")
    try:
        client.admin.command(
            "createUser", MONGO_USER, pwd=credentials.mongo_password(home), roles=["root"]
        )
    except OperationFailure as error:
        raise SegueError(
            f"the password in {home.secrets / 'mongo_password'} does not open the data in "
            f"{home.mongo} ({error.details.get('codeName') if error.details else error}); "
            "bring back the password, or remove the folder to start with an empty database"
        ) from None
    finally:
        client.close()


def _opens(home: Home, port: int) -> bool:
    client = _client(embedded_mongo_uri(home, port))
    try:
        client.admin.command("ping")
    except OperationFailure as error:
        if error.code == _AUTHENTICATION_FAILED:
            return False
        raise
    finally:
        client.close()
    return True


def _client(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=2000, directConnection=True)
