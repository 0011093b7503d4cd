"""Which partitions a training sees, and the version that follows from them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from segue import schemas
from segue.lake import Lake, begin, is_made, read_manifest
from segue.lake.store import name_of

PLAYLISTS, TRACKS, LANDING = "staging/playlists", "staging/tracks", "landing"
LYRICS = "staging/lyrics"


@dataclass(frozen=True)
class CorpusPlan:
    """What a corpus is made from."""

    version: str
    """`<date>-<hash of parameters and inputs>`: the same inputs, the same version."""
    dates: list[str]
    """The partitions with playlists, oldest first."""
    digest: str
    as_of: datetime
    parameters: Mapping[str, object]
    lyrics: str | None = None
    """The digest of the lyrics that the version sees; None: of none."""

    def still_holds(self, lake: Lake) -> bool:
        """Whether the lake's partitions are still those that the version is named after."""
        return plan_corpus(lake, self.as_of, self.parameters, self.lyrics) == self


def plan_corpus(
    lake: Lake, as_of: datetime, parameters: Mapping[str, object], lyrics: str | None = None
) -> CorpusPlan:
    """The plan of a corpus of all days that were over at `as_of` (aware, UTC).

    `lyrics` is the digest of the lyrics it is trained with, if any. Empty partitions change no
    version.
    """
    inputs = {}
    for day in _partition_dates(lake, PLAYLISTS, as_of):
        manifest = read_manifest(lake, f"{PLAYLISTS}/dt={day}")
        if manifest is not None and manifest.rows:
            inputs[day] = manifest.digest
    facts: dict[str, object] = {
        "format": schemas.FORMAT,
        "parameters": dict(parameters),
        "inputs": inputs,
    }
    if lyrics is not None:
        facts["lyrics"] = lyrics
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    version = f"{as_of.astimezone(UTC).date().isoformat()}-{digest[:8]}"
    return CorpusPlan(version, sorted(inputs), digest, as_of, parameters, lyrics)


def plan_with_lyrics(lake: Lake, as_of: datetime, parameters: Mapping[str, object]) -> CorpusPlan:
    """The plan as of now, with the lyrics there are now frozen as `corpus/<version>/lyrics`.

    Lyrics are looked up every day while versions are trained: a version keeps those it was
    planned with, whatever is collected meanwhile. Without lyrics nothing is written.
    """
    while True:
        staged = read_manifest(lake, LYRICS)
        known = staged if staged is not None and staged.rows else None
        plan = plan_corpus(lake, as_of, parameters, known.digest if known else None)
        if known is None or not plan.dates:
            return plan
        key = _lyrics_key(plan.version)
        if is_made(lake, key, known.digest):
            return plan
        attempt = begin(lake, key)
        names = [attempt.file_name(f"part-{i:05d}", "parquet") for i in range(len(known.files))]
        try:
            for source, name in zip(known.files, names, strict=True):
                lake.copy(f"{LYRICS}/{source}", f"{attempt.work}/{key}/{name}")
        except FileNotFoundError:
            # A newer snapshot has just taken its place.
            if read_manifest(lake, LYRICS) == staged:
                raise
            continue
        attempt.commit({key: replace(known, files=names, token=attempt.token)})
        return plan


def frozen_lyrics(lake: Lake, version: str) -> str | None:
    """The digest of the lyrics of `version`, or None if it was planned without any."""
    manifest = read_manifest(lake, _lyrics_key(version))
    return None if manifest is None else manifest.digest


def _lyrics_key(version: str) -> str:
    return f"corpus/{version}/lyrics"


@dataclass(frozen=True)
class Readiness:
    """Whether a training can start."""

    ready: bool
    why: str
    partitions: int


def readiness(
    lake: Lake, as_of: datetime, grace_hours: float, *, now: datetime | None = None
) -> Readiness:
    """Whether every day that landed and was over at `as_of` has been ingested.

    The last day is waited for until `grace_hours` after `as_of`, landed or not.
    """
    landed = _partition_dates(lake, LANDING, as_of)
    done = _partition_dates(lake, PLAYLISTS, as_of)
    pending = [day for day in landed if not _ingested(lake, day)]
    if pending:
        return Readiness(False, f"landed but not ingested yet: {', '.join(pending)}", len(done))
    last = (as_of.astimezone(UTC).date() - timedelta(days=1)).isoformat()
    deadline = as_of + timedelta(hours=grace_hours)
    if last not in done and (now or datetime.now(UTC)) < deadline:
        return Readiness(False, f"waiting for the playlists of {last} until {deadline}", len(done))
    if not done:
        return Readiness(True, f"no playlists of any day before {as_of.date()}", 0)
    late = "" if last in done else f"; those of {last} did not come in time"
    return Readiness(True, f"{len(done)} days ingested, the last {done[-1]}{late}", len(done))


def _ingested(lake: Lake, day: str) -> bool:
    landing = read_manifest(lake, f"{LANDING}/dt={day}")
    staged = read_manifest(lake, f"{PLAYLISTS}/dt={day}")
    if landing is None:
        return True
    return staged is not None and staged.facts.get("landing_digest") == landing.digest


def _partition_dates(lake: Lake, table: str, as_of: datetime) -> list[str]:
    """Dates of the partitions of `table` whose day was over at `as_of`, oldest first."""
    days = []
    for key in lake.children(table):
        try:
            day = date.fromisoformat(name_of(key).removeprefix("dt="))
        except ValueError:
            continue
        over = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        if over <= as_of and read_manifest(lake, key) is not None:
            days.append(day.isoformat())
    return sorted(days)
