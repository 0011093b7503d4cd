"""What the DAGs are made of; the only package that imports Airflow."""
