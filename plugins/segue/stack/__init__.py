"""The local stack: Airflow, PostgreSQL and mongod on loopback, kept by supervisord."""
