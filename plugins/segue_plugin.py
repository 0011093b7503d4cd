"""Registers Segue with Airflow: the macros that templates use."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from segue.airflow.dates import as_of, partition_date
from segue.airflow.library import library_zip


class SeguePlugin(AirflowPlugin):
    """`macros.segue.…` in every template."""

    name = "segue"
    macros: ClassVar[list[Any]] = [partition_date, as_of, library_zip]
