"""The inbox: what a day's drop holds, and whether it is complete."""

import time
from dataclasses import dataclass

from segue.lake import Lake
from segue.lake.store import name_of

READY = "_READY"
SUFFIXES = (".json", ".json.gz", ".json.zst")


@dataclass(frozen=True)
class Drop:
    """One date's folder of the inbox, as it stands."""

    slices: list[str]
    """Names of the MPD slices, sorted."""
    ignored: list[str]
    """Names of everything else that is not hidden."""
    complete: bool
    why: str
    """One line for the log: why it is complete, or what is still waited for."""


def read_drop(inbox: Lake, date: str, settle_seconds: float, *, now: float | None = None) -> Drop:
    """The drop `dt=date` of the inbox.

    It is complete once `_READY` stands in it, or, as people copy files by hand, once it holds a
    slice and nothing in it has changed for `settle_seconds`. `now` is in seconds since 1970.
    """
    folder = f"dt={date}"
    try:
        entries = inbox.fs.ls(inbox.path(folder), detail=True)
    except FileNotFoundError:
        return Drop([], [], complete=False, why=f"there is no {inbox.url}/{folder} yet")
    named = {name_of(str(e["name"]).rstrip("/")): e for e in entries}
    # A link to a file is a file; a listing calls it something else.
    files = {n: e for n, e in named.items() if inbox.exists(f"{folder}/{n}")}
    shown = [n for n in sorted(files) if not n.startswith((".", "_"))]
    slices = [n for n in shown if n.endswith(SUFFIXES)]
    folders = [n for n in named if n not in files]
    ignored = [n for n in shown if n not in slices] + [
        n for n in sorted(folders) if n and n != folder and not n.startswith((".", "_"))
    ]
    if READY in files:
        return Drop(slices, ignored, complete=True, why=f"{READY} is there")
    if not slices:
        return Drop([], ignored, complete=False, why=f"no slice and no {READY} in {folder} yet")
    age = (time.time() if now is None else now) - max(_changed_at(e) for e in files.values())
    if age < settle_seconds:
        wait = settle_seconds - age
        return Drop(
            slices, ignored, complete=False, why=f"changed {age:.0f} s ago, {wait:.0f} s to go"
        )
    return Drop(slices, ignored, complete=True, why=f"nothing changed for {age:.0f} s")


def _changed_at(entry: dict[str, object]) -> float:
    # On a disk the time of the last change of the inode: a copy that keeps the file's own dates
    # cannot set it back.
    created = entry.get("created")
    if isinstance(created, int | float):
        return float(created)
    modified = entry.get("LastModified")
    return modified.timestamp() if hasattr(modified, "timestamp") else time.time()
