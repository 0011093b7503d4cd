"""A connection to MongoDB that waits a bounded time and keeps the password to itself."""

from typing import Any

import pymongo
from pymongo.database import Database as PymongoDatabase
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from segue.errors import SegueError, SettingError

Document = dict[str, Any]
Database = PymongoDatabase[Document]

SELECTION_MS = 10_000
SOCKET_MS = 600_000
"""Long enough for a recount of a million playlists; a dead server is noticed sooner."""


def connect(uri: str, database: str) -> Database:
    """The database `database` of the MongoDB at `uri`, which has answered and accepted the login.

    Raises `SettingError` for a malformed `uri`, `SegueError` when the server does not answer or
    refuses the login. No message and no trace holds the password.
    """
    try:
        client: pymongo.MongoClient[Document] = pymongo.MongoClient(
            uri,
            appname="segue",
            retryWrites=True,
            w="majority",
            wTimeoutMS=60_000,
            tz_aware=True,
            serverSelectionTimeoutMS=SELECTION_MS,
            connectTimeoutMS=SELECTION_MS,
            socketTimeoutMS=SOCKET_MS,
        )
        hosts = ", ".join(f"{host}:{port}" for host, port in parse_uri(uri)["nodelist"])
    # The driver's own words may quote a piece of the URI that was meant as the password.
    except (InvalidURI, ConfigurationError, ValueError, TypeError):
        raise SettingError(
            "SEGUE_MONGO_URI is not a MongoDB URI, as mongodb://user:password@host:27017; special "
            "characters of the user and the password must be percent-encoded"
        ) from None
    try:
        client.admin.command("ping")
        # A ping needs no login; this does.
        client[database].command("listCollections", nameOnly=True, authorizedCollections=True)
    except OperationFailure as error:
        client.close()
        raise SegueError(
            f"MongoDB at {hosts} refuses the login or its rights on the database {database} "
            f"({error.code}): check SEGUE_MONGO_URI"
        ) from None
    except ConnectionFailure:
        client.close()
        raise SegueError(
            f"no MongoDB answers at {hosts} within {SELECTION_MS // 1000} s: is it running, and "
            "is SEGUE_MONGO_URI right?"
        ) from None
    except PyMongoError as error:
        client.close()
        raise SegueError(
            f"MongoDB at {hosts} cannot be used ({type(error).__name__}): check SEGUE_MONGO_URI"
        ) from None
    return client[database]
