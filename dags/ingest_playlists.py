"""Daily: wait for the inbox, stage, preprocess, check, load."""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from segue.airflow import assets, ingesting
from segue.airflow.defaults import COUNTS_POOL, dag_defaults
from segue.airflow.python import python_task
from segue.airflow.spark import SHORT_JOB, spark_task
from segue.airflow.waiting import WaitFor
from segue.settings import get_settings

DATE = "{{ macros.segue.partition_date(dag_run) }}"

DOC = """
### What is it for
Brings one day's playlists (Million Playlist Dataset slices) from the inbox into the lake and
MongoDB. The day is the run's **logical date**.

### What does it read and write
Reads `SEGUE_INBOX/dt=<date>/`. Writes `landing/`, `quarantine/`, `staging/playlists/` and
`staging/tracks/` for that date, the MongoDB collections `playlists`, `tracks` and `runs`, and the
asset `playlists`.

### Is it safe to re-run
Yes: for any date, in any order, as often as you like. A date is replaced whole; an older drop never
overwrites a newer version of a playlist.

### What to do when it is red
- `wait_for_drop`: the drop never became complete. Put the slices into the inbox, then a file
  `_READY`; clear the task.
- `preprocess`: more of the drop was quarantined than allowed. `quarantine/dt=<date>/*.jsonl` names
  the file, the record and what was wrong, a line each. Mend the feed and clear `stage`, or trigger
  the date again with a higher `quarantine_max_share`.
- `check`: the log has the table of checks; nothing was loaded.
- `load`, `count_playlists`: MongoDB was out of reach for longer than the retries; clear the task.
"""

with DAG(
    dag_id="ingest_playlists",
    description="Brings the playlists of one day, the logical date, into the lake and MongoDB",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    doc_md=DOC,
    tags=["segue", "ingest"],
    params={
        "quarantine_max_share": Param(
            get_settings().quarantine_max_share,
            type="number",
            minimum=0,
            maximum=1,
            title="Quarantine, largest share",
            description="The run fails when a larger share of the drop's playlists can't be read.",
        )
    },
    **dag_defaults(),
) as dag:
    wait_for_drop = WaitFor(
        task_id="wait_for_drop",
        condition="segue.airflow.conditions.drop_complete",
        arguments={"date": DATE},
        timeout=timedelta(hours=24),
        inlets=[assets.INBOX],
        doc_md="Waits until the drop is complete: `_READY`, or files that stopped changing.",
    )
    stage = python_task(ingesting.stage, date=DATE)
    preprocess = spark_task(
        "preprocess",
        "preprocess",
        ["--date", DATE, "--quarantine-max-share", "{{ params.quarantine_max_share }}"],
        conf=SHORT_JOB,
        doc="Decodes the slices into `staging/playlists` and `staging/tracks`; what can't be read "
        "goes to `quarantine` with its reason.",
    )
    check = python_task(ingesting.check, date=DATE)
    prepare_store = python_task(ingesting.prepare_store)
    load = spark_task(
        "load",
        "load",
        ["--date", DATE],
        uses_mongo=True,
        conf=SHORT_JOB,
        doc="Upserts the day's playlists and tracks into MongoDB from Spark's executors.",
    )
    count_playlists = python_task(
        ingesting.count_playlists, options={"pool": COUNTS_POOL, "outlets": [assets.PLAYLISTS]}
    )

    wait_for_drop >> stage >> preprocess >> prepare_store >> check >> load >> count_playlists
