"""What every task and DAG of Segue has in common."""

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any

from airflow.sdk import Context, ExceptionRetryPolicy, RetryAction, RetryDecision, RetryRule
from jinja2 import StrictUndefined

from segue.errors import MalformedInput, SettingError
from segue.settings import get_settings

SPARK_CONNECTION = "segue_spark"
MONGO_CONNECTION = "segue_mongo"

SPARK_POOL, COUNTS_POOL, DEFAULT_POOL = "spark", "mongo_counts", "default_pool"
LYRICS_POOL = "lyrics_api"

TAGS = frozenset({"segue", "ingest", "train", "lyrics", "maintenance"})
"""The closed list of DAG tags."""


RETRIES = 4


class Backoff(ExceptionRetryPolicy):
    """Fails at once on what no retry mends; else retries after a growing, random delay.

    The delay grows with the tries since the task was last cleared. Airflow's own exponential
    backoff counts those before it too, so that a task cleared for the third time would wait for
    minutes. A task that was killed has no exception to judge: it is tried again after
    `retry_delay`.
    """

    FIRST, LONGEST = timedelta(seconds=10), timedelta(minutes=5)

    def __init__(self) -> None:
        rules = [
            RetryRule(
                exception=[f"{e.__module__}.{e.__name__}" for e in (SettingError, MalformedInput)],
                action=RetryAction.FAIL,
                reason="no retry mends a wrong setting or malformed input",
            )
        ]
        super().__init__(rules)

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """What to do about `exception`, of the try `try_number` of at most `max_tries` + 1."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        if decision.action is RetryAction.FAIL:
            return decision
        tries = max(try_number - (max_tries - RETRIES), 1)
        delay = min(self.FIRST * 2 ** (tries - 1), self.LONGEST)
        return RetryDecision.retry(delay * random.uniform(0.5, 1.5))


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "segue",
    "retries": RETRIES,
    "retry_delay": timedelta(seconds=10),
    "retry_policy": Backoff(),
    "pool": DEFAULT_POOL,
    "execution_timeout": timedelta(hours=6),
}


def dag_defaults() -> dict[str, Any]:
    """Keyword arguments that every DAG is made with."""
    settings = get_settings()
    return {
        "start_date": datetime.combine(settings.start_date, time(), UTC),
        "catchup": settings.catchup,
        "max_active_runs": settings.max_active_runs,
        "default_args": DEFAULT_ARGS,
        # A template with a misspelt variable fails instead of rendering an empty string.
        "template_undefined": StrictUndefined,
    }
