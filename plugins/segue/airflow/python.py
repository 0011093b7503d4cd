"""Python tasks: one function builds them all."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import XComArg, task


def python_task(
    function: Callable[..., Any], *, options: dict[str, Any] | None = None, **arguments: str
) -> XComArg:
    """The task, named and documented after it, that calls `function` with templated arguments."""
    make = task(task_id=function.__name__, doc_md=function.__doc__, **(options or {}))
    return make(function)(**arguments)
