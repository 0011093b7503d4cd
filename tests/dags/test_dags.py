"""Every DAG, present and future: nothing here names one."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from airflow.sdk import DAG, RetryAction
from airflow.serialization.serialized_objects import DagSerialization

from segue.airflow import assets, defaults
from segue.airflow.waiting import WaitFor
from segue.errors import MalformedInput, SettingError
from segue.settings import PROJECT
from tests.dags import golden, rendering

DAGS = rendering.dags()
TASKS = [(dag, task) for dag in DAGS.values() for task in dag.tasks]
FILES = sorted((PROJECT / "dags").glob("*.py"))

POOLS = {defaults.SPARK_POOL, defaults.COUNTS_POOL, defaults.DEFAULT_POOL, defaults.LYRICS_POOL}

each_dag = pytest.mark.parametrize("dag", DAGS.values(), ids=DAGS.keys())
each_task = pytest.mark.parametrize(
    ("dag", "task"), TASKS, ids=[f"{d.dag_id}.{t.task_id}" for d, t in TASKS]
)


@pytest.fixture
def production() -> Iterator[None]:
    with rendering.environment():
        yield


def test_every_file_holds_one_dag_named_after_it() -> None:
    assert sorted(DAGS) == [file.stem for file in FILES]


@each_dag
def test_a_dag_says_who_owns_it_and_what_to_do_when_it_is_red(dag: DAG) -> None:
    assert dag.owner == "segue"
    assert dag.tags
    assert set(dag.tags) <= defaults.TAGS
    assert dag.description
    for question in ("What is it for", "read and write", "safe to re-run", "when it is red"):
        assert question in (dag.doc_md or ""), question


@each_dag
def test_a_dag_can_be_backfilled(dag: DAG) -> None:
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert stored.timetable.periodic
    assert not stored.timetable.asset_condition
    assert dag.catchup is False
    assert dag.max_active_runs > 1


@each_dag
def test_a_trigger_form_explains_its_parameters(dag: DAG) -> None:
    for name in dag.params:
        schema = dag.params.get_param(name).schema
        assert schema.get("type"), name
        assert schema.get("title"), name
        assert dag.params.get_param(name).description, name


@each_dag
def test_a_dag_survives_the_way_into_the_database(dag: DAG) -> None:
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    assert sorted(DagSerialization.from_dict(stored).task_ids) == sorted(dag.task_ids)


@each_task
def test_a_task_is_documented_retried_and_pooled(dag: DAG, task) -> None:
    assert task.doc_md
    assert task.retries == defaults.RETRIES
    assert isinstance(task.retry_policy, defaults.Backoff)
    assert task.pool in POOLS
    assert task.execution_timeout


@pytest.mark.parametrize("error", [SettingError("x"), MalformedInput("x")])
def test_what_no_retry_mends_fails_at_once(error: Exception) -> None:
    assert defaults.Backoff().evaluate(error, 1, defaults.RETRIES).action is RetryAction.FAIL


def test_what_may_mend_is_tried_again_after_a_growing_random_delay() -> None:
    def delay(try_number: int, max_tries: int) -> float:
        decision = defaults.Backoff().evaluate(OSError("reset"), try_number, max_tries)
        assert decision.action is RetryAction.RETRY
        assert decision.retry_delay is not None
        return decision.retry_delay.total_seconds()

    for tries, base in enumerate((10, 20, 40, 80), start=1):
        delays = {delay(tries, defaults.RETRIES) for _ in range(50)}
        assert all(base / 2 <= d <= base * 1.5 for d in delays)
        assert len(delays) > 1
    # Cleared after three tries: it starts anew.
    assert delay(4, defaults.RETRIES + 3) <= 15


@each_task
def test_every_template_renders_with_undefined_variables_as_errors(
    dag: DAG, task, production: None
) -> None:
    copy = rendering.rendered(dag, task)
    for field in task.template_fields:
        assert "{{" not in str(getattr(copy, field)), field


@each_task
def test_a_wait_holds_no_worker(dag: DAG, task) -> None:
    if "wait" in task.task_id:
        assert isinstance(task, WaitFor)
        assert task.inlets, "what does it wait for?"


def test_what_a_task_waits_for_is_produced_by_some_task() -> None:
    produced = {asset.name for _, task in TASKS for asset in task.outlets}
    awaited = {a.name for _, t in TASKS if isinstance(t, WaitFor) for a in t.inlets}
    assert awaited <= produced | assets.EXTERNAL


def test_the_spark_submit_commands_are_the_golden_ones() -> None:
    """A change of a default shows in the diff of tests/dags/golden: `make golden`."""
    stored = {file.name: file.read_text() for file in rendering.GOLDEN.glob("*.txt")}
    assert golden.commands() == stored


def test_no_secret_stands_in_a_golden_command() -> None:
    for command in golden.commands().values():
        assert "mongodb" not in command
        assert "password" not in command.lower()


PARSE = """
import sys, time
from airflow.dag_processing.dagbag import DagBag
import airflow.providers.apache.spark.operators.spark_submit
began = time.process_time()
DagBag(sys.argv[1])
print(time.process_time() - began)
"""


@pytest.mark.parametrize("file", FILES, ids=[f.name for f in FILES])
def test_a_dag_file_parses_within_a_second_of_processor_time(file, production: None) -> None:
    """In a process of its own, as the DAG processor does; the best of three."""
    seconds = min(
        float(
            subprocess.run(
                [sys.executable, "-c", PARSE, str(file)], capture_output=True, text=True, check=True
            ).stdout.splitlines()[-1]
        )
        for _ in range(3)
    )
    assert seconds < 1
