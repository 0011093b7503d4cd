"""What the tasks are made of: waiting, submitting, dates."""

import asyncio
import json
import os
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from segue.airflow.dates import as_of, partition_date
from segue.airflow.library import library_zip
from segue.airflow.spark import SegueSparkSubmitOperator
from segue.airflow.waiting import ConditionTrigger, WaitFor
from segue.errors import MalformedInput, SettingError
from tests.dags import rendering

answers: list[tuple[bool, str]] = []
asked: list[dict[str, Any]] = []


def condition(**arguments: Any) -> tuple[bool, str]:
    asked.append(arguments)
    return answers.pop(0)


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    answers.clear()
    asked.clear()


def wait_for() -> WaitFor:
    return WaitFor(task_id="w", condition=f"{__name__}.condition", arguments={"date": "d"})


def test_a_condition_that_is_met_defers_nothing() -> None:
    answers.append((True, "there"))
    assert wait_for().execute({}) == "there"
    assert asked == [{"date": "d"}]


def test_a_condition_that_is_not_met_is_waited_for_in_the_triggerer() -> None:
    answers.append((False, "not yet"))
    with pytest.raises(TaskDeferred) as deferred:
        wait_for().execute({})
    path, fields = deferred.value.trigger.serialize()
    assert path == "segue.airflow.waiting.ConditionTrigger"
    # What Airflow stores must survive its database.
    answers.extend([(False, "not yet"), (False, "still not"), (True, "there")])
    trigger = ConditionTrigger(**json.loads(json.dumps(fields)) | {"interval": 0})
    event = asyncio.run(anext(trigger.run()))
    assert event.payload == "there"
    assert wait_for().resume({}, event.payload) == "there"


def test_a_wait_that_took_too_long_says_what_it_waited_for() -> None:
    answers.append((False, "no _READY yet"))
    with pytest.raises(AirflowSensorTimeout, match="no _READY yet"):
        wait_for().resume_execution("__fail__", {"error": "Trigger timeout"}, {})


def test_a_condition_met_at_the_last_moment_counts() -> None:
    answers.append((True, "there after all"))
    result = wait_for().resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    assert result == "there after all"


@pytest.mark.parametrize("date_of", [partition_date, as_of])
def test_a_run_without_a_logical_date_says_so(date_of: Any) -> None:
    with pytest.raises(SettingError, match="no logical date"):
        date_of(SimpleNamespace(logical_date=None))


def test_the_library_reaches_executors_whole() -> None:
    with rendering.environment():
        first = library_zip()
        with zipfile.ZipFile(first) as archive:
            names = set(archive.namelist())
        assert {"segue/__init__.py", "segue/lake/store.py", "segue/ingest/spark.py"} <= names
        library_zip.cache_clear()
        assert library_zip() == first


class Failing:
    """A spark-submit that ends with `code`."""

    def __init__(self, code: int) -> None:
        self._submit_sp = SimpleNamespace(returncode=code)


@pytest.mark.parametrize(
    ("code", "error"), [(65, MalformedInput), (78, SettingError), (1, AirflowException)]
)
def test_a_job_that_no_retry_mends_is_told_from_the_rest(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    def fail(self: Any, context: Any) -> None:
        self._hook = Failing(code)
        raise AirflowException(f"Error code is: {code}.")

    monkeypatch.setattr(SparkSubmitOperator, "execute", fail)
    with rendering.environment(), pytest.raises(error):
        SegueSparkSubmitOperator(task_id="t", name="job").execute({})


def test_mongodb_s_uri_reaches_the_job_in_its_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_SEGUE_MONGO",
        json.dumps(
            {
                "conn_type": "mongo",
                "host": "db",
                "port": 27018,
                "login": "u@x",
                "password": "p:w/d",
                "extra": {"authSource": "admin", "tls": True},
            }
        ),
    )
    seen: list[str | None] = []
    monkeypatch.setattr(
        SparkSubmitOperator,
        "execute",
        lambda self, context: seen.append(os.environ.get("SEGUE_MONGO_URI")),
    )
    uri = "mongodb://u%40x:p%3Aw%2Fd@db:27018/?authSource=admin&tls=true"
    with rendering.environment():
        SegueSparkSubmitOperator(task_id="t", name="job").execute({})
        task = SegueSparkSubmitOperator(task_id="t", name="job", uses_mongo=True)
        task.execute({})
        # Airflow stores templated fields, and the hook puts these into some masters' commands.
        assert task.env_vars is None
    assert seen == [None, uri]


@pytest.mark.parametrize("connection", ["spark://", '{"conn_type": "http", "host": "h"}'])
def test_a_spark_connection_that_would_mean_yarn_is_refused(
    monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    with rendering.environment():
        monkeypatch.setenv("AIRFLOW_CONN_SEGUE_SPARK", connection)
        with pytest.raises(SettingError, match="segue_spark"):
            SegueSparkSubmitOperator(task_id="t", name="job").execute({})
