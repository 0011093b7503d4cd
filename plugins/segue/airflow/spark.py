"""Spark tasks: one function builds them all."""

import os
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Context

from segue.airflow.connections import mongo_uri, require_spark
from segue.airflow.defaults import SPARK_CONNECTION, SPARK_POOL
from segue.errors import MalformedInput, SettingError
from segue.settings import PROJECT, get_settings

CONF = {
    # Executors of the local stack are the driver; a page nobody opens would listen on a port.
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
}


SHORT_JOB = {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1"}
"""For jobs whose work is in Python: the JVM's second compiler would cost more than it saves."""


class SegueSparkSubmitOperator(SparkSubmitOperator):
    """Submits a job of `spark_jobs/`, and tells errors that no retry mends from the rest.

    The job gets MongoDB's URI in its environment: never in its command line, which others can
    read, nor in a templated field, which Airflow stores.
    """

    def __init__(self, *, uses_mongo: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.uses_mongo = uses_mongo

    def execute(self, context: Context) -> None:
        """Runs the job to its end; raises `SettingError`, `MalformedInput`, `AirflowException`."""
        require_spark()
        if self.uses_mongo:
            # The environment of this process, which spark-submit inherits. `env_vars` would do for
            # local and standalone masters, but the hook writes it into the command for others.
            os.environ["SEGUE_MONGO_URI"] = mongo_uri()
        try:
            super().execute(context)
        except Exception as error:
            process = getattr(self._hook, "_submit_sp", None)
            code = None if process is None else process.returncode
            for kind in (MalformedInput, SettingError):
                if code == kind.exit_code:
                    raise kind(
                        f"{self.name}: see the line above that begins with segue:"
                    ) from error
            raise


def spark_task(
    task_id: str,
    job: str,
    arguments: list[str],
    *,
    doc: str,
    uses_mongo: bool = False,
    conf: dict[str, str] | None = None,
    options: dict[str, Any] | None = None,
) -> SegueSparkSubmitOperator:
    """The task that submits `spark_jobs/<job>.py` with `arguments` (templated)."""
    settings = get_settings()
    return SegueSparkSubmitOperator(
        task_id=task_id,
        name=job,
        application=str(PROJECT / "spark_jobs" / f"{job}.py"),
        application_args=["--lake", settings.lake_url, *arguments],
        py_files="{{ macros.segue.library_zip() }}",
        conn_id=SPARK_CONNECTION,
        conf={
            **CONF,
            "spark.sql.shuffle.partitions": str(settings.spark_shuffle_partitions),
            **(conf or {}),
        },
        driver_memory=settings.spark_driver_memory,
        uses_mongo=uses_mongo,
        pool=SPARK_POOL,
        doc_md=doc,
        **(options or {}),
    )
