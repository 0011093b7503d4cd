"""Daily: look up the lyrics of songs that have none yet, those in most playlists first."""

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task

from segue.airflow import assets, collecting
from segue.airflow.defaults import LYRICS_POOL, dag_defaults
from segue.airflow.python import python_task
from segue.airflow.spark import SHORT_JOB, spark_task
from segue.settings import get_settings

DOC = """
### What is it for
Looks up the lyrics of songs, politely and never twice, and writes what is known of them to the
lake. A provider is named by `SEGUE_LYRICS_PROVIDERS`; without one the run is skipped.

### What does it read and write
Reads the MongoDB collection `tracks` and the provider. Writes the collections `lyrics` and `runs`,
and `staging/lyrics` and `staging/tracks_with_lyrics`.

### Is it safe to re-run
Yes: what was answered is not asked again, and two runs never ask for the same song at once. The
date of a run changes nothing but its name: lyrics are facts about songs, not events of a day.

### What to do when it is red
- `plan`: a parameter or a setting is wrong; the log names it.
- `fetch`: the service did not answer, or refused, for longer than the retries. What was answered
  is saved; the next run goes on from there.
- `summarise`: no batch got through; see `fetch`.
- `snapshot_lyrics`: MongoDB or the lake was out of reach; clear the task.
"""

with DAG(
    dag_id="collect_lyrics",
    description="Looks up lyrics, those of the songs in most playlists first",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    doc_md=DOC,
    tags=["segue", "lyrics"],
    params={
        "max_songs": Param(
            get_settings().lyrics_max_songs,
            type="integer",
            minimum=1,
            maximum=10_000_000,
            title="Songs, at most",
            description="How many songs this run looks up.",
        ),
        "provider": Param(
            get_settings().lyrics_providers,
            type="string",
            title="Providers",
            description="Where lyrics are looked up, in this order: lrclib, dump, folder, with "
            "commas between them. Empty: not at all.",
        ),
        "retry_failed": Param(
            True,
            type="boolean",
            title="Failed ones again",
            description="Whether songs whose look-up failed are looked up again.",
        ),
        "lrclib_url": Param(
            get_settings().lrclib_url,
            type="string",
            pattern="^https?://",
            title="LRCLIB's address",
            description="Another one for a mirror, or for a stand-in.",
        ),
        "rate": Param(
            get_settings().lyrics_rate,
            type="number",
            exclusiveMinimum=0,
            maximum=10_000,
            title="Requests a second",
            description="Of all tasks of this run together.",
        ),
    },
    **dag_defaults(),
) as dag:
    plan = python_task(
        collecting.plan,
        provider="{{ params.provider }}",
        max_songs="{{ params.max_songs }}",
        retry_failed="{{ params.retry_failed }}",
        options={"inlets": [assets.PLAYLISTS]},
    )
    fetch = (
        task(
            task_id="fetch",
            doc_md=collecting.fetch.__doc__,
            pool=LYRICS_POOL,
            map_index_template="{{ task.op_kwargs['label'] }}",
        )(collecting.fetch)
        .partial(
            provider="{{ params.provider }}",
            lrclib_url="{{ params.lrclib_url }}",
            rate="{{ params.rate }}",
        )
        .expand_kwargs(plan)
    )
    # Whatever became of single batches; skipped with them when there was nothing to look up.
    after_all = {"trigger_rule": "none_skipped"}
    summarise = python_task(collecting.summarise, options=after_all)
    snapshot_lyrics = spark_task(
        "snapshot_lyrics",
        "snapshot_lyrics",
        [],
        uses_mongo=True,
        conf=SHORT_JOB,
        options={**after_all, "outlets": [assets.LYRICS]},
        doc="Writes what MongoDB knows of lyrics, alone and beside every song, to the lake.",
    )

    fetch >> [summarise, snapshot_lyrics]
