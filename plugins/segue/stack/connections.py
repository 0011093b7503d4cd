"""The Airflow connections of the local stack, in the JSON form of AIRFLOW_CONN_*."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote


def spark(master: str) -> str:
    """The connection `segue_spark`.

    Always JSON: Airflow reads `local[2]` as a URI without a host, and the Spark hook then submits
    to YARN without a word.
    """
    return json.dumps({"conn_type": "spark", "host": master, "extra": {"deploy-mode": "client"}})


def mongo(uri: str) -> str:
    """The connection `segue_mongo`, for a mongodb:// or mongodb+srv:// URI."""
    # Not urlsplit: a replica set names several hosts, and a `#` begins no fragment.
    scheme, _, rest = uri.partition("://")
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    login, _, password = credentials.partition(":")
    extra: dict[str, Any] = {name: _typed(value) for name, value in parse_qsl(query)}
    if scheme == "mongodb+srv":
        extra["srv"] = True
    connection = {
        "conn_type": "mongo",
        "host": hosts,
        "login": unquote(login) or None,
        "password": unquote(password) or None,
        "schema": path.strip("/") or None,
        "extra": extra,
    }
    return json.dumps({name: value for name, value in connection.items() if value is not None})


def master_of(connection: str) -> str | None:
    """The Spark master that a connection's JSON names, None when it is not such JSON."""
    try:
        fields = json.loads(connection)
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("conn_type") != "spark":
        return None
    host, port = fields.get("host"), fields.get("port")
    return (f"{host}:{port}" if port else str(host)) if host else None


def _typed(value: str) -> str | int | bool:
    # The hook hands them to MongoClient as keyword arguments, which want their types.
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return int(value) if value.isdigit() else value
