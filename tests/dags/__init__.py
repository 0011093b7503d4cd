"""Tests of the DAGs; Airflow is imported in the suite's environment, outside pytest as well."""

from tests import conftest as conftest
