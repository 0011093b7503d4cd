"""The date of a run, for templates: `{{ macros.segue.partition_date(dag_run) }}`."""

from typing import Any

from segue.errors import SettingError


def partition_date(dag_run: Any) -> str:
    """The logical date's day, YYYY-MM-DD: the `dt` of what the run ingests.

    Raises `SettingError` for a run that was triggered without a logical date.
    """
    return str(_logical_date(dag_run).strftime("%Y-%m-%d"))


def as_of(dag_run: Any) -> str:
    """The moment up to which a training sees playlists, ISO 8601: the logical date.

    Raises `SettingError` for a run that was triggered without a logical date.
    """
    return str(_logical_date(dag_run).isoformat())


def _logical_date(dag_run: Any) -> Any:
    if dag_run.logical_date is None:
        raise SettingError("this run has no logical date: trigger it again and choose one")
    return dag_run.logical_date
