"""What runs: the state that `segue up` leaves in SEGUE_HOME/run/state.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from segue.errors import SegueError
from segue.settings import Settings
from segue.stack import supervisor
from segue.stack.credentials import ADMIN, mongo_password
from segue.stack.home import Home
from segue.stack.ports import LOOPBACK

MONGO_USER = "segue"


@dataclass(frozen=True)
class StackState:
    """Where a stack listens. `mongo_port` is None when SEGUE_MONGO_URI names another server."""

    airflow_port: int
    mongo_port: int | None
    started_at: str
    ready: bool
    admin: str = ADMIN

    @property
    def url(self) -> str:
        """The address of Airflow's UI and API."""
        return f"http://{LOOPBACK}:{self.airflow_port}"


def save(home: Home, state: StackState) -> None:
    """Writes the state, whole or not at all."""
    draft = _file(home).with_suffix(".draft")
    draft.write_text(json.dumps(asdict(state)))
    draft.replace(_file(home))


def forget(home: Home) -> None:
    """Removes the state."""
    _file(home).unlink(missing_ok=True)


def last(home: Home) -> StackState | None:
    """The state as last written, whether or not its stack still runs."""
    try:
        return StackState(**json.loads(_file(home).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def running(settings: Settings) -> StackState | None:
    """The state of the stack that runs, None when none does or it is not up yet."""
    home = Home.of(settings)
    state = last(home)
    return state if state and state.ready and supervisor.alive(home) else None


def mongo_uri(settings: Settings) -> str:
    """The URI of the MongoDB in use: SEGUE_MONGO_URI, else the embedded mongod's.

    Raises `SegueError` when there is neither.
    """
    if settings.mongo_uri is not None:
        return settings.mongo_uri.get_secret_value()
    home = Home.of(settings)
    state = last(home)
    if state is None or state.mongo_port is None or not supervisor.alive(home):
        raise SegueError("no MongoDB: start the stack with `segue up`, or set SEGUE_MONGO_URI")
    return embedded_mongo_uri(home, state.mongo_port)


def embedded_mongo_uri(home: Home, port: int) -> str:
    """The URI of the embedded mongod on `port`."""
    password = quote(mongo_password(home), safe="")
    return f"mongodb://{MONGO_USER}:{password}@{LOOPBACK}:{port}/?authSource=admin"


def _file(home: Home) -> Path:
    return home.run / "state.json"
