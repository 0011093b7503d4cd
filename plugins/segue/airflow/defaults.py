"""What every task and DAG of Segue has in common."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from jinja2 import StrictUndefined

from segue.errors import MalformedInput, SettingError
from segue.settings import get_settings

SPARK_CONNECTION = "segue_spark"
MONGO_CONNECTION = "segue_mongo"

SPARK_POOL, COUNTS_POOL, DEFAULT_POOL = "spark", "mongo_counts", "default_pool"

TAGS = frozenset({"segue", "ingest", "train", "lyrics", "maintenance"})
"""The closed list of DAG tags."""

# Older than the first playlist of the Million Playlist Dataset: any date can be backfilled.
START = datetime(2010, 1, 1, tzinfo=UTC)

FAIL_FAST = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[
                f"{SettingError.__module__}.{SettingError.__name__}",
                f"{MalformedInput.__module__}.{MalformedInput.__name__}",
            ],
            action=RetryAction.FAIL,
            reason="no retry mends a wrong setting or malformed input",
        )
    ]
)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "segue",
    "retries": 3,
    # Airflow spreads exponential delays by a hash of the try: its jitter.
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": FAIL_FAST,
    "pool": DEFAULT_POOL,
    "execution_timeout": timedelta(hours=6),
}


def dag_defaults() -> dict[str, Any]:
    """Keyword arguments that every DAG is made with."""
    settings = get_settings()
    return {
        "start_date": START,
        "catchup": settings.catchup,
        "max_active_runs": settings.max_active_runs,
        "default_args": DEFAULT_ARGS,
        # A template with a misspelt variable fails instead of rendering an empty string.
        "template_undefined": StrictUndefined,
    }
