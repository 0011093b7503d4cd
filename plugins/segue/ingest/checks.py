"""The data-quality checks of a staged partition: what must hold before it is loaded.

A failed check of severity "error" stops the run; one of severity "warn" is shown to people.
Memory grows with the number of distinct songs (some 50 bytes each) and of playlists (8 bytes
each), not with the size of the files.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segue import schemas
from segue.errors import Fenced
from segue.lake import Manifest, Partition

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

DRIFT_RUNS = 3
"""Runs with playlists that it takes before a count can drift."""

DRIFT_FACTOR = 8.0
"""How many times the usual count, or what share of it, is no drift yet.

Playlists change in bursts: the songs of one real feed's days vary by six within a week. Where
they vary more, so does the bound.
"""

NULL_SHARE_JUMP = 0.5

_BATCH_ROWS = 10_000
_COMPACT = 2_000_000


@dataclass(frozen=True)
class CheckResult:
    """How one check ended."""

    name: str
    ok: bool
    severity: Literal["error", "warn"]
    observed: Any
    expected: Any
    detail: str = ""


def check_partition(
    playlists: pa.Table,
    tracks: pa.Table,
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> list[CheckResult]:
    """The results of all checks of a partition that is in memory.

    `facts` are the counts of the manifest: playlists_in, playlists_out, playlists_quarantined,
    and, if it has them, tracks and entries. `history` are the last runs' documents (`rows`,
    `checks`), of earlier dates.
    """
    return _check(playlists.to_batches(), tracks.to_batches(), facts, history)


def check_files(
    playlists: Partition, tracks: Partition, history: Sequence[Mapping[str, Any]]
) -> list[CheckResult]:
    """The same for partitions of the lake, read in bounded memory.

    Raises `SegueError` when one is not there, `Fenced` when one is replaced meanwhile.
    """
    found = [playlists.committed(), tracks.committed()]
    facts = {**found[0].facts, "playlists_rows": found[0].rows, "tracks": found[1].rows}
    same = CheckResult(
        "one_attempt",
        found[0].token == found[1].token,
        "error",
        {"playlists": found[0].token, "tracks": found[1].token},
        "one token",
        "both tables come from one attempt of preprocess",
    )
    rows = [_batches(p, m) for p, m in zip((playlists, tracks), found, strict=True)]
    return [same, *_check(rows[0], rows[1], facts, history)]


def render_checks(results: Sequence[CheckResult]) -> str:
    """The results as a plain table for a log."""
    rows = [("check", "result", "observed", "expected", "detail")]
    for r in results:
        outcome = "ok" if r.ok else "FAILED" if r.severity == "error" else "warning"
        rows.append((r.name, outcome, str(r.observed), str(r.expected), r.detail))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[4]]) for r in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _batches(partition: Partition, manifest: Manifest) -> Iterable[pa.RecordBatch]:
    for name in manifest.files:
        try:
            with partition.lake.open(f"{partition.key}/{name}") as source:
                yield from pq.ParquetFile(source).iter_batches(_BATCH_ROWS)
        except FileNotFoundError:
            raise Fenced(f"{partition.key} was replaced while it was read: check again") from None


@dataclass
class _Songs:
    """Counts by the hash of a song's URI, added up as they come."""

    parts: list[tuple[Hashes, Ints, Ints]] = field(default_factory=list)
    rows: int = 0

    def add(self, hashes: Hashes, playlists: Ints, entries: Ints) -> None:
        self.parts.append((hashes, playlists, entries))
        self.rows += len(hashes)
        if self.rows > _COMPACT:
            self.parts = [self.sums()]
            # What has just been added up is not added up again before as much has come.
            self.rows = 0

    def sums(self) -> tuple[Hashes, Ints, Ints]:
        """Distinct hashes, ascending, with their sums."""
        if not self.parts:
            none = np.empty(0, np.int64)
            return none.astype(np.uint64), none, none
        hashes, playlists, entries = (np.concatenate(p) for p in zip(*self.parts, strict=True))
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        if not len(hashes):
            return hashes, playlists, entries
        return (
            hashes[starts],
            np.add.reduceat(playlists[order], starts),
            np.add.reduceat(entries[order], starts),
        )


@dataclass
class _Seen:
    """What one pass over both tables has seen."""

    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("playlists", "tracks"), 0))
    nulls: dict[str, int] = field(default_factory=dict)
    entries: int = 0
    wrong_lengths: int = 0
    pids: list[Ints] = field(default_factory=list)
    uris: list[Hashes] = field(default_factory=list)
    held: _Songs = field(default_factory=_Songs)
    described: _Songs = field(default_factory=_Songs)

    def note(self, table: str, schema: pa.Schema, batch: pa.RecordBatch) -> None:
        self.rows[table] += batch.num_rows
        for column in schema:
            name = f"{table}/{column.name}"
            self.nulls[name] = self.nulls.get(name, 0) + batch.column(column.name).null_count

    def add_playlists(self, batch: pa.RecordBatch) -> None:
        self.note("playlists", schemas.PLAYLISTS, batch)
        self.pids.append(_ints(batch.column("pid").drop_null()))
        lists = batch.column("track_uris")
        sizes = _ints(pc.fill_null(pc.list_value_length(lists), 0))
        stated = _ints(pc.fill_null(batch.column("num_tracks"), -1))
        self.wrong_lengths += int((sizes != stated).sum())
        uris = lists.flatten()
        name = "playlists/track_uris"
        self.nulls[name] += uris.null_count
        owner = np.repeat(np.arange(len(sizes)), sizes)[_valid(uris)]
        encoded = uris.drop_null().dictionary_encode()
        codes, songs = _ints(encoded.indices), len(encoded.dictionary)
        self.entries += len(codes)
        pairs = np.unique(owner * songs + codes)
        self.held.add(
            _hashes(encoded.dictionary),
            np.bincount(pairs % max(songs, 1), minlength=songs).astype(np.int64),
            np.bincount(codes, minlength=songs).astype(np.int64),
        )

    def add_tracks(self, batch: pa.RecordBatch) -> None:
        self.note("tracks", schemas.TRACKS, batch)
        batch = batch.filter(batch.column("track_uri").is_valid())
        hashes = _hashes(batch.column("track_uri"))
        self.uris.append(hashes)
        counts = [
            _ints(pc.fill_null(batch.column(f"num_{c}"), -1)) for c in ("playlists", "entries")
        ]
        self.described.add(hashes, counts[0], counts[1])


def _valid(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def _ints(values: pa.Array) -> Ints:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.int64)


def _hashes(uris: pa.Array) -> Hashes:
    """64 bits a URI: among 3 million songs two share theirs with a chance of 1 in 4 million."""
    texts = np.asarray(uris.to_pylist(), dtype=object)
    return np.asarray(pd.util.hash_array(texts, categorize=False), np.uint64)


def _check(
    playlists: Iterable[pa.RecordBatch],
    tracks: Iterable[pa.RecordBatch],
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> list[CheckResult]:
    seen = _Seen()
    for batch in playlists:
        seen.add_playlists(batch)
    for batch in tracks:
        seen.add_tracks(batch)
    shares = {n: round(c / max(seen.rows[n.split("/")[0]], 1), 6) for n, c in seen.nulls.items()}
    counts = {
        "playlists_out": seen.rows["playlists"],
        "tracks": seen.rows["tracks"],
        "entries": seen.entries,
    }
    return [
        _row_counts(counts, facts),
        _accounted(facts),
        _unique("pid_unique", seen.pids),
        _unique("track_uri_unique", seen.uris),
        _required_fields(shares),
        _zero("num_tracks", seen.wrong_lengths, "playlists whose num_tracks is not their length"),
        *_references(seen),
        _not_empty(seen.rows["playlists"]),
        _null_shares(shares, history),
        *(_drift(name, value, history) for name, value in counts.items()),
    ]


def _zero(name: str, observed: int, detail: str) -> CheckResult:
    return CheckResult(name, observed == 0, "error", observed, 0, detail)


def _row_counts(counts: Mapping[str, int], facts: Mapping[str, Any]) -> CheckResult:
    expected = {name: facts[name] for name in counts if name in facts}
    observed = {name: counts[name] for name in expected}
    if "playlists_rows" in facts:
        expected["playlists_rows"] = facts["playlists_rows"]
        observed["playlists_rows"] = counts["playlists_out"]
    ok = "playlists_out" in expected and observed == expected
    return CheckResult("row_counts", ok, "error", observed, expected, "the manifest's counts")


def _accounted(facts: Mapping[str, Any]) -> CheckResult:
    names = ("playlists_in", "playlists_out", "playlists_quarantined")
    missing = [name for name in names if name not in facts]
    if missing:
        detail = f"the manifest does not say {', '.join(missing)}"
        return CheckResult("rows_accounted", False, "error", None, None, detail)
    came, out, quarantined = (int(facts[name]) for name in names)
    detail = f"playlists in = {out} out + {quarantined} quarantined"
    return CheckResult(
        "rows_accounted", came == out + quarantined, "error", out + quarantined, came, detail
    )


def _unique(name: str, parts: Sequence[npt.NDArray[Any]]) -> CheckResult:
    values = np.concatenate(parts) if parts else np.empty(0, np.int64)
    return _zero(
        name, len(values) - len(np.unique(values)), "rows with a key that was there before"
    )


def _required_fields(shares: Mapping[str, float]) -> CheckResult:
    required = {f"playlists/{f.name}" for f in schemas.PLAYLISTS if not f.nullable}
    required |= {f"tracks/{f.name}" for f in schemas.TRACKS if not f.nullable}
    observed = {name: share for name, share in shares.items() if share and name in required}
    return CheckResult("required_fields", not observed, "error", observed, {}, "share of nulls")


def _references(seen: _Seen) -> list[CheckResult]:
    held, described = seen.held.sums(), seen.described.sums()
    both, at_held, at_described = np.intersect1d(
        held[0], described[0], assume_unique=True, return_indices=True
    )
    wrong = (held[1][at_held] != described[1][at_described]) | (
        held[2][at_held] != described[2][at_described]
    )
    return [
        _zero("songs_described", len(held[0]) - len(both), "songs of playlists not in tracks"),
        _zero("songs_held", len(described[0]) - len(both), "songs of tracks in no playlist"),
        _zero("songs_counted", int(wrong.sum()), "songs with wrong num_playlists or num_entries"),
    ]


def _not_empty(playlists: int) -> CheckResult:
    detail = "" if playlists else "the drop is empty: the run succeeds, and changes nothing"
    return CheckResult("not_empty", playlists > 0, "warn", playlists, "1 or more", detail)


def _null_shares(shares: Mapping[str, float], history: Sequence[Mapping[str, Any]]) -> CheckResult:
    optional = {
        n: shares.get(n, 0.0)
        for n in (f"playlists/{f.name}" for f in schemas.PLAYLISTS if f.nullable)
    }
    before = [
        check["observed"]
        for run in history
        for check in run.get("checks", [])
        if check["name"] == "null_shares" and run.get("rows", {}).get("playlists_out")
    ]
    expected = {
        name: round(statistics.median(past[name] for past in before), 6)
        for name in optional
        if len(before) >= DRIFT_RUNS and all(name in past for past in before)
    }
    jumps = [n for n, usual in expected.items() if optional[n] > usual + NULL_SHARE_JUMP]
    detail = f"far more nulls than usual: {', '.join(jumps)}" if jumps else ""
    return CheckResult("null_shares", not jumps, "warn", optional, expected, detail)


def _drift(name: str, observed: int, history: Sequence[Mapping[str, Any]]) -> CheckResult:
    """Compares with the median of the last runs that were not empty."""
    past = [n for run in history if (n := int(run.get("rows", {}).get(name) or 0)) > 0]
    label = f"drift_{name.removesuffix('_out')}"
    if not observed or len(past) < DRIFT_RUNS:
        detail = f"nothing to compare with: {len(past)} runs with any" if observed else "empty"
        return CheckResult(label, True, "warn", observed, None, detail)
    logs = [math.log(n) for n in past]
    usual = statistics.median(logs)
    spread = statistics.median(abs(value - usual) for value in logs)
    bound = max(math.log(DRIFT_FACTOR), 6 * spread)
    expected = [math.floor(math.exp(usual - bound)), math.ceil(math.exp(usual + bound))]
    ok = expected[0] <= observed <= expected[1]
    detail = f"usual is {round(math.exp(usual))}, of the last {len(past)} runs with any"
    return CheckResult(label, ok, "warn", observed, expected, detail)
