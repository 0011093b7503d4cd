"""Spark's side of the loads: units of work go to the executors, which read and write themselves.

Rows never pass through the JVM: an executor's Python worker reads its row groups from the lake
with pyarrow and writes to MongoDB with pymongo.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from pydantic import SecretStr
from pyspark.sql import SparkSession

from segue.errors import SegueError, SettingError
from segue.lake import Lake
from segue.settings import get_settings
from segue.store.client import Database, connect
from segue.store.loading import load_playlists, load_tracks
from segue.store.parquet import RowGroups, read
from segue.store.vectors import Source, load_vectors

Unit = TypeVar("Unit")
Result = TypeVar("Result")

LOADERS = {"playlists": load_playlists, "tracks": load_tracks}


class Target(NamedTuple):
    """Where the executors write. Travels inside the tasks, never on a command line."""

    uri: SecretStr
    database: str

    def connect(self) -> Database:
        """The database, over a connection that this process keeps."""
        return _connected(self.uri.get_secret_value(), self.database)


def target() -> Target:
    """The store of the settings; raises `SettingError` if there is none."""
    settings = get_settings()
    if settings.mongo_uri is None:
        raise SettingError("SEGUE_MONGO_URI: not set; the job writes there")
    return Target(settings.mongo_uri, settings.mongo_database)


@cache
def _connected(uri: str, database: str) -> Database:
    return connect(uri, database)


def results(
    spark: SparkSession, units: Sequence[Unit], work: Callable[[Unit], Result]
) -> list[Result]:
    """What `work` makes of each of `units`, one task each, in their order; small things.

    Raises the first `SegueError` of a task.
    """

    def attempt(unit: Unit) -> Result | SegueError:
        # Comes back as a value: Spark would turn it into a Java exception with a long trace.
        try:
            return work(unit)
        except SegueError as error:
            return error

    if not units:
        return []
    done = []
    for result in spark.sparkContext.parallelize(units, len(units)).map(attempt).collect():
        if isinstance(result, SegueError):
            raise result
        done.append(result)
    return done


def load_rows(
    spark: SparkSession,
    target: Target,
    lake_url: str,
    table: str,
    units: Sequence[RowGroups],
    date: str,
    commit: int,
) -> int:
    """Loads `units` of the staging table "playlists" or "tracks"; returns the rows written."""

    def work(unit: RowGroups) -> int:
        db, load = target.connect(), LOADERS[table]
        return sum(load(db, batch, date, commit) for batch in read(Lake(lake_url), unit))

    return sum(results(spark, units, work))


def load_arrays(
    spark: SparkSession,
    target: Target,
    lake_url: str,
    collection: str,
    units: Sequence[RowGroups],
    source: Source,
) -> int:
    """Loads the vectors of `units` of a table; returns how many were written."""

    def work(unit: RowGroups) -> int:
        return load_vectors(target.connect(), collection, Lake(lake_url), unit, source)

    return sum(results(spark, units, work))
