"""Staging: a drop's files, copied into `landing/` as they came."""

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from segue.errors import SegueError
from segue.ingest.inbox import Drop
from segue.lake import Lake, Manifest, begin, read_manifest
from segue.lake.store import CHUNK

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LandedFile:
    """What is known of a landed file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Landing:
    """What staging a drop did."""

    files: int
    copied: int
    bytes_copied: int
    ignored: int


def land(inbox: Lake, lake: Lake, date: str, drop: Drop, *, workers: int = 8) -> Landing:
    """Copies the drop's slices into `landing/dt=date` and commits their manifest.

    A file that is there already with the same content is skipped, so a killed run goes on where
    it stopped; one of the same name with other content is replaced. Files that landed earlier and
    have left the inbox stay. Raises `SegueError` when a file changes while it is copied.
    """
    key = f"landing/dt={date}"
    attempt = begin(lake, key)
    with ThreadPoolExecutor(workers) as pool:
        results = list(
            pool.map(
                lambda name: _land_one(inbox, f"dt={date}/{name}", lake, key, name), drop.slices
            )
        )
    before = read_manifest(lake, key)
    known = {} if before is None else dict(before.facts["files"])
    known |= {name: asdict(r[0]) for name, r in zip(drop.slices, results, strict=True)}
    names = sorted(known)
    checksums = [(name, known[name]["sha256"]) for name in names]
    digest = hashlib.sha256(json.dumps(checksums).encode()).hexdigest()[:16]
    facts = {"files": known, "ignored": drop.ignored}
    attempt.mark(key, Manifest(names, attempt.token, digest, rows=len(names), facts=facts))
    for name in drop.ignored:
        log.warning(
            "ignored %s/dt=%s/%s: not a slice (.json, .json.gz, .json.zst)", inbox.url, date, name
        )
    copied = [file for file, was_copied in results if was_copied]
    return Landing(len(names), len(copied), sum(f.size for f in copied), len(drop.ignored))


def _land_one(inbox: Lake, source: str, lake: Lake, key: str, name: str) -> tuple[LandedFile, bool]:
    target, note = f"{key}/{name}", f"{key}/_sha256/{name}.json"
    size = inbox.size(source)
    file = LandedFile(size, inbox.sha256(source))
    try:
        noted = LandedFile(**json.loads(lake.get(note)))
        if noted == file and lake.size(target) == size:
            return file, False
    except FileNotFoundError:
        pass
    digest = hashlib.sha256()
    with inbox.open(source) as data, lake.writer(target) as out:
        while chunk := data.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
        if digest.hexdigest() != file.sha256 or inbox.size(source) != size:
            raise SegueError(
                f"{inbox.url}/{source} changed while it was copied; it will be tried again"
            )
    lake.put(note, json.dumps(asdict(file)).encode())
    return file, True
