"""Turns the playlists that landed on a date into the staging tables of that date.

Reads `landing/dt=D`, writes `quarantine/dt=D`, `staging/tracks/dt=D` and `staging/playlists/dt=D`,
in that order. What each input becomes is in docs/formats.md.
"""

import argparse
import hashlib
import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import SparkSession

from segue import job, schemas
from segue.errors import MalformedInput, SegueError, SettingError
from segue.ingest.spark import DropJob, FileResult, decode_drop, merge_drop
from segue.lake import Lake, Manifest, begin, read_manifest

log = logging.getLogger("segue.preprocess")


def arg_parser() -> argparse.ArgumentParser:
    """The arguments of this job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="root of the object store, a URL")
    parser.add_argument("--date", required=True, help="date of the drop, YYYY-MM-DD")
    parser.add_argument(
        "--quarantine-max-share",
        default="0.01",
        help="share of the playlists, or of the files, that may be quarantined",
    )
    return parser


def summarise(files: Sequence[FileResult]) -> dict[str, Any]:
    """The counts of a drop: what came in, what goes out, what is quarantined."""
    out = sum(r.playlists_out for r in files)
    quarantined = sum(r.quarantined for r in files)
    return {
        "files_in": len(files),
        "files_quarantined": sum(r.unreadable for r in files),
        "playlists_in": out + quarantined,
        "playlists_out": out,
        "playlists_quarantined": quarantined,
        "entries": sum(r.entries for r in files),
        "MB": round(sum(r.size for r in files) / 1e6, 3),
    }


def quarantined_share(facts: dict[str, Any]) -> float:
    """The share of playlists quarantined or of files unreadable, whichever is larger.

    A file that cannot be read is one line in quarantine, and may have held a thousand playlists.
    """
    playlists = facts["playlists_quarantined"] / max(facts["playlists_in"], 1)
    return float(max(playlists, facts["files_quarantined"] / max(facts["files_in"], 1)))


def digest_of(checksums: Mapping[str, str]) -> str:
    """What identifies a partition made from files with these SHA-256, by name, by this format."""
    facts = [schemas.FORMAT, sorted(checksums.items())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def preprocess(spark: SparkSession, lake: Lake, date: str, max_share: float) -> dict[str, Any]:
    """The facts of the partitions of `date`, which it commits.

    Raises `SegueError` when nothing landed, `MalformedInput` when more than `max_share` is
    quarantined (then only the quarantine is committed), `Fenced` when a newer attempt has begun.
    """
    started = time.monotonic()
    landing = read_manifest(lake, f"landing/dt={date}")
    if landing is None:
        raise SegueError(f"{lake.url}/landing/dt={date} has no _SUCCESS marker: stage it first")
    inputs = landing.facts["files"] if landing.files else {}
    attempt = begin(lake, f"ingest/dt={date}")
    sizes = {name: int(inputs[name]["size"]) for name in landing.files}
    drop = DropJob(lake.url, date, attempt.name, attempt.token, sizes)
    log.info("%s: %d files, attempt %d", date, len(sizes), attempt.token)

    files = decode_drop(spark.sparkContext, drop) if sizes else []
    attempt.refuse_if_overtaken()
    facts = summarise(files)
    share = quarantined_share(facts)
    log.info("%s: %s", date, ", ".join(f"{name} {value}" for name, value in facts.items()))
    for reason in (reasons := [line for r in files for line in r.reasons])[:20]:
        log.warning("quarantined %s", reason)
    digest = digest_of({name: inputs[name]["sha256"] for name in landing.files})
    quarantine = Manifest(
        files=[r.quarantine_file for r in files if r.quarantine_file],
        token=attempt.token,
        digest=digest,
        rows=facts["playlists_quarantined"],
        facts={**facts, "share": share},
    )
    if share > max_share:
        attempt.commit({drop.quarantine_key: quarantine})
        raise MalformedInput(
            f"{date}: {facts['playlists_quarantined']} of {facts['playlists_in']} playlists and "
            f"{facts['files_quarantined']} of {facts['files_in']} files are quarantined, more "
            f"than the share of {max_share:g} allowed; see {lake.url}/{drop.quarantine_key}. "
            f"First reasons: {'; '.join(reasons[:5])}"
        )

    track_files, tracks = merge_drop(spark.sparkContext, drop, files)
    playlist_files = [r.playlists_file for r in files if r.playlists_file]
    if not playlist_files:
        log.info("%s: no playlists in this drop", date)
    facts |= {
        "tracks": tracks,
        "landing_digest": landing.digest,
        "seconds": round(time.monotonic() - started, 3),
    }
    attempt.commit(
        {
            drop.quarantine_key: quarantine,
            drop.tracks_key: Manifest(track_files, attempt.token, digest, tracks, facts),
            drop.playlists_key: Manifest(
                playlist_files, attempt.token, digest, facts["playlists_out"], facts
            ),
        }
    )
    log.info("%s: committed, %d songs, %.1f s", date, tracks, facts["seconds"])
    return facts


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the job with the arguments `argv`."""
    args = arg_parser().parse_args(argv)
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", args.date):
        raise SettingError(f"--date: {args.date!r} is not a date as 2021-04-09")
    try:
        max_share = float(args.quarantine_max_share)
    except ValueError:
        raise SettingError(f"--quarantine-max-share: {args.quarantine_max_share!r}") from None
    spark = SparkSession.builder.appName(f"preprocess {args.date}").getOrCreate()
    preprocess(spark, Lake(args.lake), args.date, max_share)


if __name__ == "__main__":
    job.run(main)
