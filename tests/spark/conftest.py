"""One Spark for all tests of jobs, and what most of them read and write."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from segue.lake import Lake
from segue.store.client import Database
from segue.store.spark import Target
from tests.fixtures_mongo import Mongo


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session with two local workers, which run this Python, and no page."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake on the disk."""
    return Lake(tmp_path.as_uri())


@pytest.fixture
def store(mongo: Mongo, db: Database) -> Target:
    """The test's database, as a job is told of it."""
    return Target(SecretStr(mongo.uri), db.name)
