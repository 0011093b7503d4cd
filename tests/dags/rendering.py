"""Renders every task of every DAG as a run of one date would."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.execution_time import macros
from airflow.sdk.plugins_manager import integrate_macros_plugins

from segue.airflow.library import library_zip
from segue.settings import PROJECT, get_settings

LAKE = "s3://bucket/lake"
DATE = datetime(2021, 4, 9, tzinfo=UTC)
VERSION = "2021-04-10-0123abcd"
_MAPPED = {
    "fetch": {"op_kwargs": {"label": "songs 1–500", "batch": "1", "key": "plans/batch-0000.json"}}
}
"""What mapped tasks are rendered with: values of one of their mappings."""

_HOME = tempfile.TemporaryDirectory(prefix="segue-golden-")


@contextmanager
def environment() -> Iterator[None]:
    """Settings and connections of a made-up production."""
    values = {
        "SEGUE_LAKE": LAKE,
        "SEGUE_HOME": _HOME.name,
        "AIRFLOW_CONN_SEGUE_SPARK": json.dumps({"conn_type": "spark", "host": "local[2]"}),
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}
    with patch.dict(os.environ, clean | values, clear=True):
        get_settings.cache_clear()
        library_zip.cache_clear()
        try:
            yield
        finally:
            get_settings.cache_clear()
            library_zip.cache_clear()


def dags() -> dict[str, DAG]:
    """Every DAG of the project; raises `AssertionError` with the errors of files that fail."""
    with environment():
        bag = DagBag(str(PROJECT / "dags"))
    assert not bag.import_errors, bag.import_errors
    return dict(bag.dags)


def context(dag: DAG, task: Any) -> dict[str, Any]:
    """What the templates of `task` see in a run of DATE."""
    integrate_macros_plugins()
    run = SimpleNamespace(
        dag_id=dag.dag_id,
        run_id="scheduled__2021-04-09",
        logical_date=DATE,
        data_interval_start=DATE,
        data_interval_end=DATE + timedelta(days=1),
    )
    ti = SimpleNamespace(xcom_pull=lambda task_ids: {"plan_version": VERSION}[task_ids])
    return {
        "dag": dag,
        "dag_run": run,
        "macros": macros,
        "params": {name: param.value for name, param in dag.params.items()}
        if hasattr(dag.params, "items")
        else {},
        "task": task,
        "ti": ti,
    }


def rendered(dag: DAG, task: Any) -> Any:
    """`task` with its templates rendered; raises `UndefinedError` for a variable there is not."""
    copy = (task.unmap(_MAPPED[task.task_id]) if task.is_mapped else task).prepare_for_execution()
    copy.render_template_fields(context(dag, task), dag.get_template_env())
    return copy


def spark_submit(dag: DAG, task: Any) -> str:
    """The spark-submit command of a task, an argument a line, places by name."""
    command = rendered(dag, task)._get_hook()._build_spark_submit_command(task.application)
    places = {library_zip(): "$LIBRARY", str(PROJECT): "$PROJECT"}
    lines = []
    for argument in command:
        for place, name in places.items():
            argument = argument.replace(place, name)
        lines.append(argument)
    return "\n".join(lines) + "\n"


GOLDEN = Path(__file__).parent / "golden"
