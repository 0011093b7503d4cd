"""Airflow's connections, as the rest of Segue needs them."""

from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode

from airflow.sdk import BaseHook

from segue.airflow.defaults import MONGO_CONNECTION, SPARK_CONNECTION
from segue.errors import SettingError
from segue.settings import get_settings

if TYPE_CHECKING:
    from segue.store.client import Database


def mongo_uri() -> str:
    """The URI, with its password, of the connection `segue_mongo`; its extra holds URI options."""
    connection = BaseHook.get_connection(MONGO_CONNECTION)
    if connection.conn_type not in ("mongo", "mongodb"):
        raise SettingError(f"connection {MONGO_CONNECTION}: its type must be mongo")
    options = dict(connection.extra_dejson)
    scheme = "mongodb+srv" if options.pop("srv", False) else "mongodb"
    login = ""
    if connection.login:
        login = f"{quote_plus(connection.login)}:{quote_plus(connection.password or '')}@"
    port = f":{connection.port}" if connection.port else ""
    query = urlencode({k: str(v).lower() if isinstance(v, bool) else v for k, v in options.items()})
    return f"{scheme}://{login}{connection.host}{port}/{connection.schema or ''}?{query}"


def database() -> "Database":
    """The database that the connection `segue_mongo` and SEGUE_MONGO_DATABASE name."""
    from segue.store.client import connect

    return connect(mongo_uri(), get_settings().mongo_database)


def require_spark() -> None:
    """Raises `SettingError` unless the connection `segue_spark` says where Spark is.

    The Spark hook would quietly turn a bad one into `--master yarn`.
    """
    connection = BaseHook.get_connection(SPARK_CONNECTION)
    if connection.conn_type != "spark" or not connection.host:
        raise SettingError(
            f"connection {SPARK_CONNECTION}: needs the type spark and a host, as "
            '{"conn_type": "spark", "host": "local[2]"} or "spark://host" with its port'
        )
