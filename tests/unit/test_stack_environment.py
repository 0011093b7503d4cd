"""The environment that Airflow's processes get."""

import json
from pathlib import Path

import pytest

from segue.settings import PROJECT, Settings
from segue.stack import state
from segue.stack.environment import airflow_environment
from segue.stack.home import Home
from segue.stack.state import StackState


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("SEGUE_MONGO_URI", "AIRFLOW_CONN_SEGUE_SPARK", "AIRFLOW_CONN_SEGUE_MONGO"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path, mongo_uri=None)


def test_it_is_a_local_executor_on_postgres_with_logins(settings: Settings) -> None:
    environment = airflow_environment(settings)
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environment["AIRFLOW__CORE__DAGS_FOLDER"] == str(PROJECT / "dags")
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    conn = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert conn.startswith("postgresql+psycopg2://airflow@/airflow?host=/")


def test_another_airflow_of_this_shell_does_not_reach_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("AIRFLOW_CONFIG", "/elsewhere/airflow.cfg")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    environment = airflow_environment(settings)
    assert environment["AIRFLOW_HOME"] == str(settings.home / "airflow")
    assert "AIRFLOW_CONFIG" not in environment
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"


def test_connections_of_this_shell_win(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "local[2]" in airflow_environment(settings)["AIRFLOW_CONN_SEGUE_SPARK"]
    monkeypatch.setenv("AIRFLOW_CONN_SEGUE_SPARK", '{"conn_type": "spark", "host": "yarn"}')
    assert "yarn" in airflow_environment(settings)["AIRFLOW_CONN_SEGUE_SPARK"]


def test_the_mongo_connection_is_the_embedded_server_once_its_port_is_known(
    settings: Settings,
) -> None:
    assert "AIRFLOW_CONN_SEGUE_MONGO" not in airflow_environment(settings)
    home = Home.of(settings)
    home.create()
    state.save(home, StackState(airflow_port=1, mongo_port=2, started_at="", ready=False))
    connection = json.loads(airflow_environment(settings)["AIRFLOW_CONN_SEGUE_MONGO"])
    assert connection["host"] == "127.0.0.1:2"
    assert connection["login"] == "segue"


def test_spark_stays_on_loopback_with_a_local_master_and_is_free_with_a_cluster(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    assert airflow_environment(settings)["SPARK_LOCAL_IP"] == "127.0.0.1"
    cluster = settings.model_copy(update={"spark_master": "spark://host:7077"})
    assert "SPARK_LOCAL_IP" not in airflow_environment(cluster)


def test_relative_places_become_absolute_for_processes_that_work_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the checkout, from wherever the command was called."""
    monkeypatch.setattr("segue.settings.PROJECT", tmp_path)
    environment = airflow_environment(Settings(home=Path("h"), lake="l", inbox="s3://drops"))
    assert environment["SEGUE_HOME"] == str(tmp_path / "h")
    assert environment["SEGUE_LAKE"] == (tmp_path / "l").as_uri()
    assert environment["SEGUE_INBOX"] == "s3://drops"
