"""The Spark adapter: files decoded and songs merged in Python workers.

Workers get names and return names and counts; the data goes straight from the object store to the
object store. Whatever a task writes has a name of its own, and only what the successful attempt
of a task returned counts, so that retries and speculation leave nothing behind that is read.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import SparkContext, TaskContext

from segue.errors import SegueError
from segue.ingest.decode import DecodedSlice, decode_slice
from segue.ingest.duplicates import PlaylistVersions, losers_across_files
from segue.ingest.merge import merge_tracks, split_tracks
from segue.lake import Attempt, Lake

REASONS = 5
"""Reasons a file reports, for the log."""

_BUCKET_BYTES = 128 << 20  # JSON of which one worker merges the songs at a time.
_COMPRESSION_RATIO = 6  # Of MPD slices, roughly.
_SCRATCH = "songs"
_REPEATING = ["artist_uri", "artist_name", "album_uri", "album_name"]


@dataclass(frozen=True)
class DropJob:
    """The files of one date, and the attempt that turns them into partitions."""

    lake_url: str
    date: str
    attempt_name: str
    token: int
    sizes: dict[str, int]
    """Bytes of each file, as it landed."""

    @property
    def playlists_key(self) -> str:
        """Key of the partition of playlists."""
        return f"staging/playlists/dt={self.date}"

    @property
    def tracks_key(self) -> str:
        """Key of the partition of tracks."""
        return f"staging/tracks/dt={self.date}"

    @property
    def quarantine_key(self) -> str:
        """Key of the partition of quarantine records."""
        return f"quarantine/dt={self.date}"

    @property
    def buckets(self) -> int:
        """Parts that the songs are merged in; grows with the size of the drop."""
        size = sum(
            size if name.endswith(".json") else size * _COMPRESSION_RATIO
            for name, size in self.sizes.items()
        )
        return max(1, math.ceil(size / _BUCKET_BYTES))

    def attempt(self) -> Attempt:
        """The attempt, on this machine."""
        return Attempt(Lake(self.lake_url), self.attempt_name, self.token)


@dataclass(frozen=True)
class FileResult:
    """What a worker made of one file: names, in the attempt's work folder, and counts."""

    file: str
    playlists_file: str | None
    quarantine_file: str | None
    songs_key: str | None
    playlists_out: int
    quarantined: int
    unreadable: bool
    entries: int
    size: int
    versions: PlaylistVersions
    reasons: list[str]


def decode_drop(context: SparkContext, drop: DropJob) -> list[FileResult]:
    """What each file of the drop became, one task a file, the largest first.

    Of a playlist in several files the latest version is kept: files that hold another one are
    decoded again without it. Raises `SegueError` when a file is not as it landed.
    """
    results = {r.file: r for r in _decode(context, drop, {name: {} for name in drop.sizes})}
    losers = losers_across_files([r.versions for r in results.values()])
    if losers:
        results.update({r.file: r for r in _decode(context, drop, losers)})
    return [results[name] for name in sorted(results)]


def merge_drop(
    context: SparkContext, drop: DropJob, files: Sequence[FileResult]
) -> tuple[list[str], int]:
    """Names of the files with the songs of all `files`, and how many songs there are."""
    # In the order of their names: a song's names come from the first file that has it.
    keys = [r.songs_key for r in sorted(files, key=lambda r: r.file) if r.songs_key]
    if not keys:
        return [], 0
    merge = partial(_merge_bucket, drop, keys)
    merged = context.parallelize(range(drop.buckets), drop.buckets).map(merge).collect()
    written = [(name, rows) for name, rows in merged if rows]
    return [name for name, _ in written], sum(rows for _, rows in written)


def write_parquet(table: pa.Table, out: IO[bytes]) -> None:
    """Writes `table` to `out` as Parquet with zstd."""
    unique = "track_uri" in table.column_names
    pq.write_table(table, out, compression="zstd", use_dictionary=_REPEATING if unique else True)


def _decode(
    context: SparkContext, drop: DropJob, exclude: dict[str, dict[int, str]]
) -> list[FileResult]:
    largest_first = sorted(exclude, key=lambda name: (-drop.sizes[name], name))
    tasks = [(name, exclude[name]) for name in largest_first]
    return context.parallelize(tasks, len(tasks)).map(partial(_decode_file, drop)).collect()


def _decode_file(drop: DropJob, task: tuple[str, dict[int, str]]) -> FileResult:
    file, exclude = task
    attempt = drop.attempt()
    blob = attempt.lake.get(f"landing/dt={drop.date}/{file}")
    if len(blob) != drop.sizes[file]:
        raise SegueError(
            f"landing/dt={drop.date}/{file}: {len(blob)} bytes, {drop.sizes[file]} were staged; "
            "stage the date again"
        )
    decoded = decode_slice(file, blob, exclude)
    del blob
    return _write(drop, attempt, decoded)


def _write(drop: DropJob, attempt: Attempt, decoded: DecodedSlice) -> FileResult:
    stem = _unique_stem()
    playlists = decoded.tables.playlists
    playlists_file = quarantine_file = songs_key = None
    if playlists.num_rows:
        playlists_file = attempt.file_name(stem, "parquet")
        with attempt.lake.writer(f"{attempt.work}/{drop.playlists_key}/{playlists_file}") as out:
            write_parquet(playlists, out)
        songs_key = f"{attempt.work}/{_SCRATCH}/{stem}.arrow"
        _write_songs(attempt.lake, songs_key, split_tracks(decoded.tables.tracks, drop.buckets))
    if decoded.quarantined:
        quarantine_file = attempt.file_name(stem, "jsonl")
        with attempt.lake.writer(f"{attempt.work}/{drop.quarantine_key}/{quarantine_file}") as out:
            for record in decoded.quarantined:
                out.write(record.to_json().encode("ascii") + b"\n")
    return FileResult(
        file=decoded.file,
        playlists_file=playlists_file,
        quarantine_file=quarantine_file,
        songs_key=songs_key,
        playlists_out=playlists.num_rows,
        quarantined=len(decoded.quarantined),
        unreadable=decoded.unreadable,
        entries=decoded.tables.entries,
        size=decoded.size,
        versions=PlaylistVersions(
            decoded.file,
            playlists.column("pid").to_numpy(),
            playlists.column("modified_at").to_numpy(),
        ),
        reasons=[f"{r.file} {r.path}: {r.reason}" for r in decoded.quarantined[:REASONS]],
    )


def _write_songs(lake: Lake, key: str, buckets: list[pa.Table]) -> None:
    """Writes one Arrow batch a bucket, so that a bucket can be read on its own."""
    buffer = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=None if lake.local else "lz4")
    with pa.ipc.new_file(buffer, buckets[0].schema, options=options) as writer:
        for bucket in buckets:
            batches = bucket.combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else _empty_batch(bucket.schema))
    with lake.writer(key) as out:
        out.write(buffer.getbuffer())


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _merge_bucket(drop: DropJob, keys: list[str], bucket: int) -> tuple[str, int]:
    attempt = drop.attempt()
    tracks = merge_tracks(_read_songs(attempt.lake, key, bucket) for key in keys)
    name = attempt.file_name(_unique_stem(), "parquet")
    if tracks.num_rows:
        with attempt.lake.writer(f"{attempt.work}/{drop.tracks_key}/{name}") as out:
            write_parquet(tracks, out)
    return name, tracks.num_rows


def _read_songs(lake: Lake, key: str, bucket: int) -> pa.Table:
    with lake.open(key) as source, pa.ipc.open_file(pa.PythonFile(source, "r")) as reader:
        return pa.Table.from_batches([reader.get_batch(bucket)])


def _unique_stem() -> str:
    """A name that no other task attempt of this application has."""
    context = TaskContext.get()
    return f"part-{context.taskAttemptId() if context else 0:05d}"
