"""Fixtures of the whole suite, and the environment that Airflow is imported in."""

import logging
import os
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

# Airflow reads these when it is imported, so they come before any test module.
_airflow_home = tempfile.TemporaryDirectory(prefix="segue-airflow-")
os.environ["AIRFLOW_HOME"] = _airflow_home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(PROJECT / "plugins")
# Spark listens on loopback in tests too.
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"

# It logs from finalisers, when pytest has closed what it would log to.
logging.getLogger("py4j").setLevel(logging.WARNING)

pytest_plugins = ["tests.fixtures_mongo", "tests.fixtures_s3", "tests.fixtures_stack"]
