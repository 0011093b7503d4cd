"""The local stack as it runs: who may reach it, and that it ends when it is told to."""

import json
import os
import pwd
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import httpx
import psutil
import psycopg2
import pymongo
import pytest
from pymongo.errors import OperationFailure

from segue.stack import api, credentials, processes, state, supervisor
from tests.fixtures_stack import StackHome


def test_everything_listens_on_loopback_alone(stack: StackHome) -> None:
    listening = {
        (process.name(), connection.laddr.ip, connection.laddr.port)
        for process in processes.of_stack(stack.home)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {name for name, ip, _ in listening if not ip_address(ip).is_loopback} == set()
    assert {port for _, _, port in listening} == {
        stack.state.airflow_port,
        stack.state.mongo_port,
    }


def test_a_second_up_says_that_it_runs_already(stack: StackHome) -> None:
    before = supervisor.pid(stack.home)
    again = stack.segue("up")
    assert again.returncode == 0
    assert "runs already" in again.stderr
    assert stack.state.url in again.stdout
    assert supervisor.pid(stack.home) == before


def test_status_shows_every_component_running(stack: StackHome) -> None:
    status = stack.segue("status", "--json")
    document = json.loads(status.stdout)
    assert status.returncode == 0
    assert {each["name"] for each in document["components"]} == {
        "postgres",
        "mongod",
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
    }
    assert {each["state"] for each in document["components"]} == {"RUNNING"}
    assert "password" not in document


def test_doctor_finds_nothing_wrong(stack: StackHome) -> None:
    doctor = stack.segue("doctor", "--json")
    checks = json.loads(doctor.stdout)["checks"]
    assert [each for each in checks if each["state"] == "fail"] == []
    assert doctor.returncode == 0


def test_doctor_finds_a_spark_connection_that_means_yarn(stack: StackHome) -> None:
    doctor = stack.segue("doctor", "--json", AIRFLOW_CONN_SEGUE_SPARK="spark://local[2]")
    failed = [c["name"] for c in json.loads(doctor.stdout)["checks"] if c["state"] == "fail"]
    assert failed == ["connections"]
    assert doctor.returncode == 1


def test_the_api_wants_the_generated_password(stack: StackHome) -> None:
    url = stack.state.url
    assert httpx.get(f"{url}/api/v2/dags").status_code == httpx.codes.UNAUTHORIZED
    wrong = {"username": "admin", "password": "admin"}
    refused = httpx.post(f"{url}/auth/token", json=wrong)
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    right = {"username": "admin", "password": credentials.admin_password(stack.settings)}
    token = httpx.post(f"{url}/auth/token", json=right).json()["access_token"]
    answer = httpx.get(f"{url}/api/v2/dags", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == httpx.codes.OK


def test_the_pools_have_their_slots(stack: StackHome) -> None:
    with api.client(stack.settings) as http:
        pools = {p["name"]: p["slots"] for p in http.get("/api/v2/pools").json()["pools"]}
    assert pools.items() >= {"spark": 2, "mongo_counts": 1}.items()


def test_the_airflow_command_acts_on_the_stack(stack: StackHome) -> None:
    answer = stack.airflow("connections", "get", "segue_mongo", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)[0]["host"] == f"127.0.0.1:{stack.state.mongo_port}"


def test_mongod_refuses_whoever_has_no_password(stack: StackHome) -> None:
    with pymongo.MongoClient("127.0.0.1", stack.state.mongo_port) as stranger:
        with pytest.raises(OperationFailure, match="requires authentication"):
            stranger.admin.command("listDatabases")
        with pytest.raises(OperationFailure, match="requires authentication"):
            stranger.admin.command("createUser", "stranger", pwd="x", roles=["root"])
    with pymongo.MongoClient(state.mongo_uri(stack.settings)) as owner:
        owner.admin.command("listDatabases")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_postgres_refuses_other_users_of_the_machine(stack: StackHome) -> None:
    where = {"host": str(stack.home.postgres / "socket"), "user": "airflow", "dbname": "airflow"}
    psycopg2.connect(**where).close()
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(psycopg2.OperationalError, match="Permission denied"):
            psycopg2.connect(**where)
    finally:
        os.seteuid(0)


def test_secrets_are_for_their_owner_alone(stack: StackHome) -> None:
    folder = stack.home.secrets
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert len(modes) == 5


def test_no_secret_is_in_a_command_line_or_a_log(stack: StackHome) -> None:
    secrets = [
        credentials.fernet_key(stack.home),
        credentials.jwt_secret(stack.home),
        credentials.api_secret_key(stack.home),
        credentials.mongo_password(stack.home),
        credentials.admin_password(stack.settings),
    ]
    command_lines = []
    for pid in psutil.pids():
        try:
            command_lines.append(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))
        except OSError:
            continue
    configuration = list(stack.home.run.rglob("*.conf"))
    logs = [p for p in stack.home.logs.rglob("*") if p.is_file()]
    texts = command_lines + [p.read_text(errors="replace") for p in logs + configuration]
    assert [s for s in secrets if any(s in text for text in texts)] == []


def test_a_component_that_dies_is_started_anew(stack: StackHome) -> None:
    before = _pid(stack, "dag-processor")
    os.kill(before, signal.SIGKILL)
    _until(lambda: _pid(stack, "dag-processor") not in {0, before})


def test_up_starts_what_has_ended_and_leaves_the_rest(stack: StackHome) -> None:
    kept = _pid(stack, "scheduler")
    supervisor.stop_programs(stack.home, ["triggerer"])
    assert stack.segue("status").returncode == 1
    again = stack.segue("up")
    assert again.returncode == 0, again.stderr
    assert "triggerer" in again.stderr
    assert stack.segue("status").returncode == 0
    assert _pid(stack, "scheduler") == kept


def test_two_ups_at_once_start_one_stack_and_a_killed_supervisor_is_recovered_from(
    stack_home: StackHome,
) -> None:
    first, second = stack_home.start("up"), stack_home.start("up")
    outcomes = [process.communicate(timeout=300) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outcomes
    assert sorted("runs already" in err for _, err in outcomes) == [False, True]

    supervisor_pid = supervisor.pid(stack_home.home)
    assert supervisor_pid is not None
    os.kill(supervisor_pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(supervisor_pid)], timeout=5)
    assert stack_home.segue("status").returncode == 1
    left = {p.pid for p in processes.of_stack(stack_home.home)}
    assert left, "its children live on"

    again = stack_home.segue("up")
    assert again.returncode == 0, again.stderr
    assert not left & {p.pid for p in processes.of_stack(stack_home.home)}

    # As a task's spark-submit that outlives its task.
    orphan = subprocess.Popen(
        ["setsid", "sleep", "1000"], env=processes.marked(os.environ, stack_home.home)
    )
    assert stack_home.segue("down").returncode == 0
    assert orphan.wait(timeout=5) == -signal.SIGTERM
    assert processes.of_stack(stack_home.home) == []
    assert "starting up" not in _last_start(stack_home.home.log("postgres"))
    assert stack_home.segue("down").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_foreground_stack_with_no_process_left(
    stack_home: StackHome, number: signal.Signals
) -> None:
    with stack_home.start("up", "--foreground") as foreground:
        assert foreground.stdout is not None
        _until(lambda: state.running(stack_home.settings) is not None, seconds=300)
        foreground.send_signal(number)
        foreground.communicate(timeout=60)
    assert foreground.returncode == 0
    assert processes.of_stack(stack_home.home) == []


def test_ctrl_c_while_it_starts_leaves_nothing(stack_home: StackHome) -> None:
    with stack_home.start("up") as starting:
        assert starting.stderr is not None
        for line in starting.stderr:
            if "creating Airflow's tables" in line:
                break
        starting.send_signal(signal.SIGINT)
        starting.communicate(timeout=60)
    assert starting.returncode == 130
    assert processes.of_stack(stack_home.home) == []


def test_a_component_that_fails_is_named_with_its_log(
    stack_home: StackHome, tmp_path: Path
) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho no space left on the moon\nexit 7\n")
    broken.chmod(0o755)
    up = stack_home.segue("up", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert up.returncode == 1
    assert re.search(r"mongod did not start .*mongod\.log", up.stderr.replace("\n", " "))
    assert "no space left on the moon" in up.stderr
    assert processes.of_stack(stack_home.home) == []


def _pid(stack: StackHome, name: str) -> int:
    return next(p.pid for p in supervisor.processes(stack.home) if p.name == name)


def _last_start(log: Path) -> str:
    return log.read_text().rpartition("starting PostgreSQL")[2]


def _until(true: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
