"""Waiting without a worker: one sensor and one trigger for every condition on the lake."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any, cast

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralTimeout
from airflow.triggers.base import BaseTrigger, TriggerEvent


class ConditionTrigger(BaseTrigger):
    """Fires once `condition(**arguments)` says (True, why)."""

    def __init__(self, condition: str, arguments: dict[str, Any], interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's triggers are untyped
        self.condition = condition
        self.arguments = arguments
        self.interval = interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How Airflow stores the trigger."""
        path = f"{type(self).__module__}.{type(self).__name__}"
        fields = ("condition", "arguments", "interval")
        return path, {name: getattr(self, name) for name in fields}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Asks every `interval` seconds; a changed reason is logged."""
        function, last = _function(self.condition), None
        while True:
            met, why = await asyncio.to_thread(function, **self.arguments)
            if met:
                yield TriggerEvent(why)  # type: ignore[no-untyped-call]  # as above
                return
            if why != last:
                self.log.info("waiting: %s", why)
                last = why
            await asyncio.sleep(self.interval)


class WaitFor(BaseOperator):
    """Waits, deferred, for a condition: a function that returns (met, why).

    `condition` is its dotted path, `arguments` are templated.
    """

    template_fields: Sequence[str] = ("arguments",)

    def __init__(
        self,
        *,
        condition: str,
        arguments: dict[str, Any],
        interval: float = 5,
        timeout: timedelta = timedelta(hours=24),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.condition = condition
        self.arguments = arguments
        self.interval = interval
        self.timeout = timeout

    def execute(self, context: Context) -> str:
        """Returns why the condition is met, at once or through `resume`."""
        met, why = _function(self.condition)(**self.arguments)
        self.log.info("%s: %s", "ready" if met else "waiting", why)
        if not met:
            self.defer(
                trigger=ConditionTrigger(self.condition, self.arguments, self.interval),
                method_name="resume",
                timeout=self.timeout,
            )
        return str(why)

    def resume(self, context: Context, event: str) -> str:
        """What follows when the trigger has fired."""
        self.log.info("ready: %s", event)
        return event

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Tells a wait that took too long what it was waiting for."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout as error:
            met, why = _function(self.condition)(**self.arguments)
            if met:
                return str(why)
            raise AirflowSensorTimeout(f"waited {self.timeout} in vain: {why}") from error


def _function(path: str) -> Callable[..., tuple[bool, str]]:
    module, _, name = path.rpartition(".")
    return cast("Callable[..., tuple[bool, str]]", getattr(import_module(module), name))
