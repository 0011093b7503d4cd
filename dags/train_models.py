"""Weekly: corpus, vectors of songs, playlists and lyrics, bundle, publish, correlation."""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from segue.airflow import assets, training
from segue.airflow.defaults import dag_defaults
from segue.airflow.python import python_task
from segue.airflow.spark import SHORT_JOB, spark_task
from segue.airflow.waiting import WaitFor
from segue.settings import get_settings

AS_OF = "{{ macros.segue.as_of(dag_run) }}"
VERSION = "{{ ti.xcom_pull(task_ids='plan_version') }}"

WITH_OR_WITHOUT_LYRICS = {"trigger_rule": "none_failed_min_one_success"}

DOC = """
### What is it for
Trains the vectors of songs and playlists on everything that had landed by the run's **logical
date**, and publishes them as a new version. Where lyrics have been collected, it trains the vectors
of their words too, and reports whether playlists go by them.

### What does it read and write
Reads `staging/`. Writes `corpus/<version>`, `models/{word2vec,lyrics}/<version>`,
`bundles/<version>`, `exports/<version>`, the MongoDB collections `song_vectors__<version>`,
`playlist_vectors__<version>`, `word_vectors__<version>`, `lyrics_vectors__<version>`, `models`,
`published` and `runs`, and the asset `published`.

### Is it safe to re-run
Yes: the same playlists and parameters give the same version and the same vectors. Publishing never
moves to an older date; a person does that with `segue models promote` or `segue models rollback`.

### What to do when it is red
- `has_lyrics` and what follows it are skipped: no lyrics have been collected, which is no error.
- `correlate_lyrics`: nothing that is served depends on it; the version is published without it.
- `wait_for_playlists`: a day that landed has not been ingested. Mend the `ingest_playlists` run the
  log names, then clear this task.
- `build_corpus` says that the playlists changed since the version was planned: clear the run from
  `plan_version` on.
- anything else: read the task's log, mend, clear the task; what is finished is not done again.
"""

with DAG(
    dag_id="train_models",
    description="Trains vectors on all playlists so far and publishes them as a version",
    # Of the two cron timetables the one without an interval: a run's logical date is the moment up
    # to which it sees playlists, scheduled, backfilled and triggered by hand alike.
    schedule=CronTriggerTimetable("0 0 * * 0", timezone="UTC"),
    doc_md=DOC,
    tags=["segue", "train"],
    **dag_defaults(),
) as dag:
    wait_for_playlists = WaitFor(
        task_id="wait_for_playlists",
        condition="segue.airflow.conditions.playlists_ingested",
        arguments={"as_of": AS_OF},
        timeout=timedelta(hours=24),
        inlets=[assets.PLAYLISTS],
        doc_md="Waits until every day that landed before the run's date is ingested.",
    )
    plan_version = python_task(training.plan_version, as_of=AS_OF)
    build_corpus = spark_task(
        "build_corpus",
        "build_corpus",
        [
            "--version",
            VERSION,
            "--as-of",
            AS_OF,
            "--word2vec-partitions",
            str(get_settings().word2vec_partitions),
        ],
        doc="The latest version of each playlist, as lists of track indices.",
    )
    train_song_vectors = spark_task(
        "train_song_vectors",
        "train_song_vectors",
        ["--version", VERSION, "--partitions", str(get_settings().word2vec_partitions)],
        doc="MLlib Word2Vec, 32 dimensions, playlists as sentences.",
    )
    build_playlist_vectors = spark_task(
        "build_playlist_vectors",
        "build_playlist_vectors",
        ["--version", VERSION],
        conf=SHORT_JOB,
        doc="For each playlist the mean of its songs' vectors.",
    )
    has_lyrics = python_task(training.has_lyrics, version=VERSION)
    train_lyrics_vectors = spark_task(
        "train_lyrics_vectors",
        "train_lyrics_vectors",
        ["--version", VERSION],
        doc="MLlib Word2Vec on the words of lyrics; for each song the mean over its words.",
    )
    load_vectors = spark_task(
        "load_vectors",
        "load_vectors",
        ["--version", VERSION],
        uses_mongo=True,
        conf=SHORT_JOB,
        options=WITH_OR_WITHOUT_LYRICS,
        doc="Loads the version's vectors of songs, playlists, words and lyrics into MongoDB.",
    )
    build_bundle = python_task(
        training.build_bundle, version=VERSION, options=WITH_OR_WITHOUT_LYRICS
    )
    correlate_lyrics = spark_task(
        "correlate_lyrics",
        "correlate_lyrics",
        ["--version", VERSION, "--pairs", str(get_settings().lyrics_pairs)],
        conf=SHORT_JOB,
        doc="Do people build playlists on lyrical themes? Writes a report below `exports`.",
    )
    register_version = python_task(training.register_version, version=VERSION, as_of=AS_OF)
    publish_version = python_task(
        training.publish_version,
        version=VERSION,
        as_of=AS_OF,
        options={"outlets": [assets.PUBLISHED]},
    )

    (
        wait_for_playlists
        >> plan_version
        >> build_corpus
        >> train_song_vectors
        >> build_playlist_vectors
    )
    build_corpus >> has_lyrics >> train_lyrics_vectors
    [build_playlist_vectors, train_lyrics_vectors] >> load_vectors
    [build_playlist_vectors, train_lyrics_vectors] >> build_bundle
    [load_vectors, build_bundle] >> register_version >> publish_version
    [train_song_vectors, train_lyrics_vectors] >> correlate_lyrics
