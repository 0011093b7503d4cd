"""Checks of everything the platform stands on, each with how to mend it."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import fsspec
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from segue.errors import SegueError, SettingError
from segue.settings import Settings, get_settings, unknown_variables
from segue.stack import api, connections, mongod, postgres, state, supervisor
from segue.stack.environment import airflow_environment
from segue.stack.home import Home
from segue.stack.ports import is_free

_PYTHONS = ((3, 11), (3, 13))
_JAVA = 17
_DISK_FAIL_GIB = 2
_DISK_WARN_GIB = 10


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    mend: str = ""


def examine() -> list[Check]:
    """Every check, none of which changes anything but for a probe file in the lake and inbox."""
    try:
        settings = get_settings()
    except SettingError as error:
        return [Check("settings", "fail", str(error), "correct it in the environment or .env")]
    return [check(settings) for check in _CHECKS]


def _settings(settings: Settings) -> Check:
    if unknown := unknown_variables():
        return Check(
            "settings",
            "warn",
            f"no setting is called {', '.join(unknown)}",
            "see .env.example for the names",
        )
    return Check("settings", "ok", f"home {settings.home}")


def _python(_settings: Settings) -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    lowest, highest = _PYTHONS
    if lowest <= sys.version_info[:2] <= highest:
        return Check("python", "ok", found)
    return Check("python", "fail", found, "run `make setup` with Python 3.11, 3.12 or 3.13")


def _java(settings: Settings) -> Check:
    environment = airflow_environment(settings)
    # As Spark's own scripts choose it.
    home = environment.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else "java"
    mend = "install a Java 17 runtime (`make setup` does where it may)"
    try:
        answer = subprocess.run(
            [java, "-version"], env=environment, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return Check("java", "fail", f"{java} does not run", mend)
    line = (answer.stderr or answer.stdout).splitlines()[0]
    number = re.search(r'"(\d+)', line)
    if number is None or int(number[1]) < _JAVA:
        return Check("java", "fail", f"{line}; Spark needs {_JAVA}", mend)
    return Check("java", "ok", line)


def _spark(settings: Settings) -> Check:
    mend = "run `make setup`"
    try:
        pyspark, client = version("pyspark"), version("pyspark-client")
    except PackageNotFoundError as error:
        return Check("spark", "fail", f"{error.name} is not installed", mend)
    if pyspark != client:
        detail = f"pyspark {pyspark} and pyspark-client {client} overwrite each other's files"
        return Check("spark", "fail", detail, mend)
    environment = airflow_environment(settings)
    submit = shutil.which("spark-submit", path=environment["PATH"])
    if submit is None:
        return Check("spark", "fail", "no spark-submit beside the interpreter", mend)
    if other := environment.get("SPARK_HOME"):
        detail = f"SPARK_HOME={other} makes spark-submit use that Spark, not pyspark {pyspark}"
        return Check("spark", "warn", detail, "unset SPARK_HOME unless it is meant")
    return Check("spark", "ok", f"{pyspark}, {submit}")


def _postgres(_settings: Settings) -> Check:
    try:
        return Check("postgres", "ok", postgres.version())
    except (SegueError, OSError, subprocess.CalledProcessError) as error:
        return Check("postgres", "fail", str(error), "run `make setup`")


def _mongo(settings: Settings) -> Check:
    embedded = settings.mongo_uri is None
    if embedded and state.running(settings) is None:
        try:
            return Check("mongodb", "ok", f"{mongod.version()}, not started yet")
        except (SegueError, OSError, subprocess.CalledProcessError) as error:
            return Check("mongodb", "fail", str(error), "install MongoDB or set SEGUE_MONGO_URI")
    mend = "restart the stack: `segue down; segue up`" if embedded else "check SEGUE_MONGO_URI"
    try:
        with MongoClient[dict[str, object]](
            state.mongo_uri(settings), serverSelectionTimeoutMS=5000
        ) as client:
            # Unlike ping, it needs a login where the server asks for one.
            client[settings.mongo_database].command("listCollections", nameOnly=True)
            number = client.server_info()["version"]
    except PyMongoError as error:
        return Check("mongodb", "fail", str(error).split(" (configured")[0], mend)
    whose = "embedded" if embedded else "SEGUE_MONGO_URI"
    return Check("mongodb", "ok", f"{number} ({whose}), database {settings.mongo_database}")


def _lake(settings: Settings) -> Check:
    return _writable("lake", settings.lake_url)


def _inbox(settings: Settings) -> Check:
    return _writable("inbox", settings.inbox_url)


def _writable(name: str, url: str) -> Check:
    mend = f"check SEGUE_{name.upper()} and who may write there"
    try:
        if urlsplit(url).scheme == "file":
            # The folder itself may not be there before the first drop.
            with tempfile.TemporaryFile(dir=_existing(Path(url.removeprefix("file://")))):
                pass
        else:
            filesystem, path = fsspec.url_to_fs(f"{url}/.segue-doctor-{uuid.uuid4().hex}")
            filesystem.pipe_file(path, b"")
            filesystem.rm_file(path)
    # Each store raises its own kinds of errors, and the report names them all.
    except Exception as error:
        return Check(name, "fail", f"{url}: {error or type(error).__name__}", mend)
    return Check(name, "ok", url)


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(_existing(settings.home)).free / 2**30
    detail = f"{free:.1f} GiB free for {settings.home}"
    mend = "make room, or move SEGUE_HOME"
    if free < _DISK_FAIL_GIB:
        return Check("disk", "fail", detail, mend)
    return Check("disk", "warn" if free < _DISK_WARN_GIB else "ok", detail, mend)


def _ports(settings: Settings) -> Check:
    if current := state.running(settings):
        ports = [current.airflow_port, *([current.mongo_port] if current.mongo_port else [])]
        return Check("ports", "ok", f"in use by the stack: {', '.join(map(str, ports))}")
    wanted = {"SEGUE_AIRFLOW_PORT": settings.airflow_port}
    if settings.mongo_uri is None:
        wanted["SEGUE_MONGO_PORT"] = settings.mongo_port
    taken = [f"{port} ({name})" for name, port in wanted.items() if not is_free(port)]
    if taken:
        detail = f"taken by other programs: {', '.join(taken)}; the next free ones will be used"
        return Check("ports", "warn", detail, f"set {' and '.join(wanted)} to choose")
    return Check("ports", "ok", ", ".join(map(str, wanted.values())))


def _connections(settings: Settings) -> Check:
    environment = airflow_environment(settings)
    spark = environment["AIRFLOW_CONN_SEGUE_SPARK"]
    master = connections.master_of(spark)
    if master is None:
        return Check(
            "connections",
            "fail",
            "AIRFLOW_CONN_SEGUE_SPARK is not JSON of a Spark connection: jobs would go to YARN",
            f"unset it, or set it to {connections.spark(settings.spark_master)}",
        )
    mongo = environment.get("AIRFLOW_CONN_SEGUE_MONGO")
    if mongo is not None and not _is_mongo(mongo):
        return Check(
            "connections",
            "fail",
            "AIRFLOW_CONN_SEGUE_MONGO is not JSON of a MongoDB connection",
            "unset it, or write it as JSON with conn_type mongo",
        )
    known = "segue_mongo" if mongo else "segue_mongo (once the stack runs)"
    return Check("connections", "ok", f"segue_spark ({master}), {known}")


def _is_mongo(connection: str) -> bool:
    try:
        return bool(json.loads(connection)["conn_type"] == "mongo")
    except (ValueError, TypeError, KeyError):
        return False


def _stack(settings: Settings) -> Check:
    home = Home.of(settings)
    current = state.running(settings)
    if current is None:
        if state.last(home) is None:
            return Check("stack", "ok", "not running; `segue up` starts it")
        detail = "it was started, and is not (or not yet) up"
        return Check("stack", "warn", detail, "wait for `segue up`, or run it again")
    faulty = [p.name for p in supervisor.processes(home) if p.state != "RUNNING"]
    if faulty := faulty or api.unhealthy(current.url):
        return Check(
            "stack",
            "fail",
            f"not healthy: {', '.join(faulty)}",
            f"read {home.logs}; `segue up` starts what does not run anew",
        )
    return Check("stack", "ok", f"healthy at {current.url}")


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


_CHECKS: tuple[Callable[[Settings], Check], ...] = (
    _settings,
    _python,
    _java,
    _spark,
    _postgres,
    _mongo,
    _lake,
    _inbox,
    _disk,
    _ports,
    _connections,
    _stack,
)
