"""`segue runs` and `segue models`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from segue.cli.main import app
from segue.errors import SegueError
from segue.settings import get_settings
from segue.store.client import Database
from segue.store.registry import publish, register
from segue.store.runs import record_run
from tests.fixtures_mongo import Mongo


@pytest.fixture(autouse=True)
def _settings(mongo: Mongo, db: Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SEGUE_MONGO_URI", mongo.uri)
    monkeypatch.setenv("SEGUE_MONGO_DATABASE", db.name)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def segue(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if isinstance(result.exception, SegueError):
        raise result.exception
    return result


def printed(*arguments: str) -> dict[str, Any]:
    """The one JSON document on stdout."""
    document: dict[str, Any] = json.loads(segue(*arguments, "--json").stdout)
    return document


def trained(db: Database, version: str, date: int) -> None:
    db[f"song_vectors__{version}"].insert_one({"_id": "a"})
    at = datetime(2021, 4, date, tzinfo=UTC)
    register(db, version, logical_date=at, vectors={"song_vectors": 1}, lineage={"dates": ["x"]})


def test_runs_are_listed_latest_first(db: Database) -> None:
    assert "Nothing has run yet" in segue("runs").stdout
    checks = [{"name": "drift", "ok": False, "severity": "warn", "observed": 1}]
    rows = {"playlists_in": 12, "playlists_out": 11, "playlists_quarantined": 1}
    record_run(db, "ingest/1", dag_id="ingest", logical_date="2021-04-09")
    record_run(db, "ingest/2", dag_id="ingest", logical_date="2021-04-10", rows=rows, checks=checks)
    lines = segue("runs").stdout.splitlines()
    assert lines[1].split() == ["ingest", "2021-04-10", "12", "11", "1", "0", "drift", "(warning)"]
    assert len(lines) == 3
    (run,) = printed("runs", "--last", "1")["runs"]
    assert run["run_id"] == "ingest/2"
    assert run["rows"] == rows


def test_versions_are_listed_shown_promoted_and_rolled_back(db: Database) -> None:
    assert "No version yet" in segue("models").stdout
    assert printed("models") == {"published": None, "models": []}
    for number in (1, 2):
        trained(db, f"v{number}", number)
    publish(db, "v2", datetime(2021, 4, 2, tzinfo=UTC), None)
    assert segue("models").stdout.splitlines()[1].split()[:3] == ["v2", "published", "2021-04-02"]
    assert printed("models", "promote", "v1") == {"published": "v1"}
    assert printed("models")["published"] == "v1"
    assert "v1 is published." in segue("models", "promote", "v1").stdout
    shown = printed("models", "show", "v1")
    assert shown["state"] == "published"
    assert [e["how"] for e in shown["history"]] == ["promoted"]
    assert "lineage.dates" in segue("models", "show", "v1").stdout
    assert printed("models", "rollback") == {"published": "v2"}
    with pytest.raises(SegueError, match="nothing to go back to"):
        segue("models", "rollback")
    with pytest.raises(SegueError, match="no version v9"):
        segue("models", "show", "v9")
