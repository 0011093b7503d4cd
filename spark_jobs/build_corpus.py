"""Builds the corpus of a version: the latest version of each playlist, as lists of track indices.

Reads staging/playlists and staging/tracks, writes corpus/<version>/{playlists,tracks}.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession, functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from segue import job, schemas
from segue.embeddings.parameters import version_parameters
from segue.errors import SegueError
from segue.ingest.corpus import PLAYLISTS, TRACKS, CorpusPlan, frozen_lyrics, plan_corpus
from segue.lake import Lake, Manifest, Partition, begin, is_made
from segue.lake.spark import write_table

ROWS_PER_FILE = 200_000


def arg_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store")
    parser.add_argument("--version", required=True, help="version, as planned")
    parser.add_argument("--as-of", required=True, help="days that were over then count, ISO 8601")
    parser.add_argument(
        "--word2vec-partitions", required=True, type=int, help="part of the version"
    )
    return parser


def latest_playlists(playlists: DataFrame) -> DataFrame:
    """For each pid the row with the latest modified_at; ties: the latest dt."""
    row = F.struct("name", "modified_at", "track_uris")
    latest = F.max_by(row, F.struct("modified_at", "dt")).alias("row")
    return playlists.groupBy("pid").agg(latest).select("pid", "row.*")


def index_tracks(playlists: DataFrame, tracks: DataFrame) -> DataFrame:
    """The songs of `playlists`, numbered by falling number of entries (ties by URI).

    Names are those of the latest dt in `tracks`.
    """
    entries = playlists.select("pid", F.explode("track_uris").alias("track_uri"))
    per_playlist = entries.groupBy("track_uri", "pid").agg(F.count("*").alias("n"))
    counts = per_playlist.groupBy("track_uri").agg(
        F.count("*").cast("int").alias("num_playlists"), F.sum("n").cast("int").alias("num_entries")
    )
    names = [f.name for f in schemas.CORPUS_TRACKS if f.name in tracks.columns]
    described = [n for n in names if n not in ("track_uri", "num_playlists", "num_entries")]
    latest = F.max_by(F.struct(*described), "dt").alias("row")
    known = tracks.groupBy("track_uri").agg(latest).select("track_uri", "row.*")
    ranked = counts.join(known, "track_uri").orderBy(F.desc("num_entries"), "track_uri").coalesce(1)
    numbered = ranked.withColumn("track", F.monotonically_increasing_id().cast("int"))
    return numbered.select(*[f.name for f in schemas.CORPUS_TRACKS])


def encode(playlists: DataFrame, lake_url: str, track_keys: list[str]) -> DataFrame:
    """`playlists` with URIs replaced by track indices; rows stay where they are."""

    def to_indices(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lake = Lake(lake_url)
        columns = []
        for key in track_keys:
            with lake.open(key) as source:
                columns.append(pq.read_table(source, columns=["track_uri"])["track_uri"])
        uris = pa.chunked_array([c for column in columns for c in column.chunks], pa.string())
        for batch in batches:
            lists = batch["track_uris"]
            indices = pc.index_in(lists.flatten(), value_set=uris).cast(pa.int32())
            tracks = pa.ListArray.from_arrays(_offsets_from_zero(lists), indices)
            yield pa.record_batch(
                [batch["pid"], batch["name"], batch["modified_at"], tracks],
                schema=schemas.CORPUS_PLAYLISTS,
            )

    return playlists.mapInArrow(to_indices, from_arrow_schema(schemas.CORPUS_PLAYLISTS))


def _offsets_from_zero(lists: pa.ListArray) -> pa.Array:
    return pc.subtract(lists.offsets, lists.offsets[0])


def build(spark: SparkSession, lake: Lake, plan: CorpusPlan) -> None:
    """Builds and commits the corpus of `plan`; raises `SegueError` if the staging is not whole."""
    keys = [f"corpus/{plan.version}/{table}" for table in ("tracks", "playlists")]
    if all(is_made(lake, key, plan.digest) for key in keys):
        print(f"corpus {plan.version} is there already")
        return
    attempt = begin(lake, f"corpus/{plan.version}")
    playlists = latest_playlists(_read(spark, lake, PLAYLISTS, plan.dates)).cache()
    tracks = _read(spark, lake, TRACKS, plan.dates)
    track_files = write_table(index_tracks(playlists, tracks), attempt, keys[0])
    work_keys = [f"{attempt.work}/{keys[0]}/{name}" for name in track_files]
    n_playlists = playlists.count()
    n_files = -(-n_playlists // ROWS_PER_FILE)
    ordered = playlists.repartitionByRange(n_files, "pid").sortWithinPartitions("pid")
    encoded = encode(ordered, lake.url, work_keys)
    playlist_files = write_table(encoded, attempt, keys[1])
    written = spark.read.parquet(lake.spark_url(f"{attempt.work}/{keys[1]}"))
    entries, unknown = written.select(
        F.sum(F.size("tracks")),
        F.sum(F.when(F.exists("tracks", lambda t: t.isNull()), 1).otherwise(0)),
    ).first() or (0, 0)
    if unknown:
        raise SegueError(f"{unknown} playlists hold songs that staging/tracks lacks; ingest again")
    n_tracks = spark.read.parquet(lake.spark_url(f"{attempt.work}/{keys[0]}")).count()
    # What was read may be newer than what was planned.
    require(plan.still_holds(lake), plan)
    facts = {"playlists": n_playlists, "tracks": n_tracks, "entries": entries, "dates": plan.dates}
    attempt.commit(
        {
            keys[0]: Manifest(track_files, attempt.token, plan.digest, n_tracks, facts),
            keys[1]: Manifest(playlist_files, attempt.token, plan.digest, n_playlists, facts),
        }
    )
    print(f"corpus {plan.version}: {n_playlists} playlists, {n_tracks} songs, {entries} entries")


def require(unchanged: bool, plan: CorpusPlan) -> None:
    """Raises `SegueError` if the playlists changed since the version was planned."""
    if not unchanged:
        raise SegueError(
            f"the playlists changed while {plan.version} was built: clear the run from "
            "plan_version on"
        )


def _read(spark: SparkSession, lake: Lake, table: str, dates: list[str]) -> DataFrame:
    urls = [u for d in dates for u in Partition(lake, f"{table}/dt={d}").spark_urls()]
    return spark.read.option("basePath", lake.spark_url(table)).parquet(*urls)


def main() -> None:
    args = arg_parser().parse_args()
    lake = Lake(args.lake)
    lyrics = frozen_lyrics(lake, args.version)
    parameters = version_parameters(args.word2vec_partitions)
    plan = plan_corpus(lake, datetime.fromisoformat(args.as_of), parameters, lyrics)
    require(plan.version == args.version, plan)
    with SparkSession.builder.appName("build_corpus").getOrCreate() as spark:
        build(spark, lake, plan)


if __name__ == "__main__":
    job.run(main)
