"""Airflow's REST API of the local stack."""

from typing import Any

import httpx

from segue.errors import SegueError
from segue.settings import Settings
from segue.stack import state
from segue.stack.credentials import admin_password
from segue.stack.home import Home


class _Api(httpx.Client):
    """A client whose failures to reach the server are for people to read."""

    def request(self, *arguments: Any, **options: Any) -> httpx.Response:
        """As httpx has it; raises `SegueError`."""
        try:
            return super().request(*arguments, **options)
        except httpx.HTTPError as error:
            raise SegueError(f"Airflow at {self.base_url} does not answer: {error}") from None


def client(settings: Settings) -> httpx.Client:
    """A client logged in as `admin`; paths are relative to the server, as `/api/v2/dags`.

    Raises `SegueError` when no stack runs or it refuses the login.
    """
    last = state.last(Home.of(settings))
    if last is None:
        raise SegueError("the local stack does not run: start it with `segue up`")
    # Loopback: never through a proxy.
    try:
        answer = httpx.post(
            f"{last.url}/auth/token",
            json={"username": last.admin, "password": admin_password(settings)},
            timeout=30,
            trust_env=False,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise SegueError(f"no login to Airflow at {last.url}: {error}") from None
    return _Api(
        base_url=last.url,
        headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
        timeout=30,
        trust_env=False,
    )


def unhealthy(url: str) -> list[str]:
    """The parts of Airflow that do not report themselves healthy; empty when all do."""
    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return ["api-server"]
    parts = {
        "metadatabase": "postgres",
        "scheduler": "scheduler",
        "dag_processor": "dag-processor",
        "triggerer": "triggerer",
    }
    return [name for part, name in parts.items() if health.get(part, {}).get("status") != "healthy"]


def set_pools(http: httpx.Client, settings: Settings) -> None:
    """Creates the pools, or gives them back the slots that the settings say."""
    for name, slots, description in (
        ("spark", settings.spark_slots, "Spark jobs at once (SEGUE_SPARK_SLOTS)"),
        ("mongo_counts", 1, "Tasks that recount a whole collection"),
        ("lyrics_api", settings.lyrics_slots, "Batches of songs that are looked up at once"),
    ):
        pool = {
            "name": name,
            "slots": slots,
            "description": description,
            # What a deferred task waits for still runs.
            "include_deferred": True,
        }
        answer = http.post("/api/v2/pools", json=pool)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = http.patch(f"/api/v2/pools/{name}", json=pool)
        answer.raise_for_status()
