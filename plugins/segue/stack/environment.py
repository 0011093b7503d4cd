"""The environment of Airflow's processes: its whole configuration, and what Spark needs."""

import os
import shutil
import sys
from pathlib import Path

from segue.settings import PROJECT, Settings
from segue.stack import connections, credentials, postgres, state
from segue.stack.home import Home
from segue.stack.ports import LOOPBACK
from segue.stack.state import StackState

# Tasks at once. Most of them wait; what is heavy is bounded by the pool `spark`.
_PARALLELISM = 8


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Everything that `airflow` needs to act on this home's stack.

    AIRFLOW_CONN_SEGUE_* of this process win over the stack's own; AIRFLOW__* of the stack win
    over this process's.
    """
    home = Home.of(settings)
    last = state.last(home)
    port = last.airflow_port if last else settings.airflow_port
    logs = home.logs / "airflow"
    url = f"http://{LOOPBACK}:{port}"
    inherited = {k: v for k, v in os.environ.items() if k not in _FOREIGN}
    return {
        "AIRFLOW_CONN_SEGUE_SPARK": connections.spark(settings.spark_master),
        **_mongo(settings, last),
        **_java(),
        **inherited,
        **(_SPARK_ON_LOOPBACK if settings.spark_master.startswith("local") else {}),
        "PATH": _path(),
        "PYTHONUNBUFFERED": "1",
        # Java and Spark read the locale to encode arguments and files.
        "LANG": inherited.get("LANG", "C.UTF-8"),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        # Absolute: the stack's processes work in another folder than this one.
        "SEGUE_HOME": str(home.root),
        "SEGUE_LAKE": settings.lake_url,
        "SEGUE_INBOX": settings.inbox_url,
        "AIRFLOW_HOME": str(home.airflow),
        **_airflow(
            core={
                "dags_folder": PROJECT / "dags",
                "plugins_folder": PROJECT / "plugins",
                "load_examples": False,
                "executor": "LocalExecutor",
                "parallelism": _PARALLELISM,
                "dags_are_paused_at_creation": False,
                "fernet_key": credentials.fernet_key(home),
                "execution_api_server_url": f"{url}/execution/",
                "auth_manager": _SIMPLE_AUTH_MANAGER,
                "simple_auth_manager_all_admins": False,
                "simple_auth_manager_users": f"{credentials.ADMIN}:admin",
                "simple_auth_manager_passwords_file": credentials.admin_passwords_file(home),
                "unit_test_mode": False,
            },
            database={
                "sql_alchemy_conn": postgres.dsn(home, "psycopg2"),
                "sql_alchemy_conn_async": postgres.dsn(home, "asyncpg"),
            },
            api={
                "host": LOOPBACK,
                "port": port,
                "base_url": url,
                "workers": 1,
                "secret_key": credentials.api_secret_key(home),
            },
            api_auth={"jwt_secret": credentials.jwt_secret(home)},
            dag_processor={
                # A new file shows within the first, an edited one within both.
                "refresh_interval": 10,
                "min_file_process_interval": 30,
                "parsing_processes": 1,
            },
            # After an abrupt stop, the tasks it left as "running" are tried again soon.
            scheduler={
                "orphaned_tasks_check_interval": 60,
                # A task whose supervisor was killed is tried again after this many seconds.
                "task_instance_heartbeat_timeout": 120,
            },
            logging={
                "base_log_folder": logs,
                "dag_processor_child_process_log_directory": logs / "dag_processor",
                "colored_console_log": False,
            },
            usage_data_collection={"enabled": False},
        ),
    }


_SIMPLE_AUTH_MANAGER = (
    "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
)

# Spark listens on every interface unless told, its UI and block manager included.
_SPARK_ON_LOOPBACK = {"SPARK_LOCAL_IP": LOOPBACK, "SPARK_LOCAL_HOSTNAME": "localhost"}

# Settings of another Airflow, or of another Python, that must not reach this one.
_FOREIGN = {"AIRFLOW_CONFIG", "PYTHONHOME", "PYTHONSTARTUP"}


def _airflow(**sections: dict[str, object]) -> dict[str, str]:
    return {
        f"AIRFLOW__{section}__{option}".upper(): str(value)
        for section, options in sections.items()
        for option, value in options.items()
    }


def _mongo(settings: Settings, last: StackState | None) -> dict[str, str]:
    if settings.mongo_uri is not None:
        uri = settings.mongo_uri.get_secret_value()
    elif last is not None and last.mongo_port is not None:
        uri = state.embedded_mongo_uri(Home.of(settings), last.mongo_port)
    else:
        return {}
    return {"AIRFLOW_CONN_SEGUE_MONGO": connections.mongo(uri)}


def _path() -> str:
    # spark-submit and airflow stand beside the interpreter.
    here = str(Path(sys.executable).parent)
    others = [p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if p and p != here]
    return os.pathsep.join([here, *others])


def _java() -> dict[str, str]:
    java = shutil.which("java")
    if java is None:
        return {}
    home = Path(java).resolve().parents[1]
    # Only a real installation: on some systems `java` is a launcher that finds one.
    return {"JAVA_HOME": str(home)} if (home / "lib").is_dir() else {}
