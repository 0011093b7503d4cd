"""A folder of playlists on somebody's disk, as drops for the inbox."""

import re
from datetime import date
from pathlib import Path

from segue.errors import SettingError
from segue.ingest.inbox import READY, SUFFIXES
from segue.lake import Lake
from segue.lake.store import CHUNK, name_of

_DATED = re.compile(r"^dt=(\d{4}-\d{2}-\d{2})$")


def read_source(folder: Path, day: date | None, *, default: date) -> dict[date, list[Path]]:
    """The slices in `folder` by date: its `dt=YYYY-MM-DD` subfolders, or all for `day`.

    `day` None stands for `default`. Raises `SettingError` when there is nothing to ingest, or
    when both the folders and `day` give a date.
    """
    if folder.is_file():
        raise SettingError(f"--source {folder}: is a file; name the folder it is in")
    if not folder.is_dir():
        raise SettingError(f"--source {folder}: there is no such folder")
    dated = {
        m[1]: p for p in sorted(folder.iterdir()) if p.is_dir() and (m := _DATED.match(p.name))
    }
    flat = _slices(folder)
    if dated and flat:
        raise SettingError(f"--source {folder}: has both slices and dt=… folders; which is it?")
    if not dated and not flat:
        raise SettingError(
            f"--source {folder}: no MPD slice ({', '.join('*' + s for s in SUFFIXES)}) "
            "and no dt=YYYY-MM-DD folder in it"
        )
    if flat:
        return {day or default: flat}
    if day is not None:
        raise SettingError(f"--date {day}: the dt=… folders in {folder} have dates of their own")
    try:
        return {date.fromisoformat(text): _slices(path) for text, path in dated.items()}
    except ValueError as error:
        raise SettingError(f"--source {folder}: a dt=… folder is no date: {error}") from None


def _slices(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if _is_slice(p))


def _is_slice(path: Path) -> bool:
    return path.is_file() and path.name.endswith(SUFFIXES) and not path.name.startswith((".", "_"))


def drop_into(inbox: Lake, day: date, slices: list[Path]) -> list[str]:
    """Copies `slices` into the inbox's drop of `day`, marks it ready last.

    Returns the names of other slices that the drop held already.
    """
    folder = f"dt={day.isoformat()}"
    before = {name_of(k) for k in inbox.children(folder)}
    for path in slices:
        with path.open("rb") as source, inbox.writer(f"{folder}/{path.name}") as out:
            while chunk := source.read(CHUNK):
                out.write(chunk)
    inbox.put(f"{folder}/{READY}", b"")
    others = before - {p.name for p in slices}
    return sorted(n for n in others if n.endswith(SUFFIXES) and not n.startswith((".", "_")))


def ranges(days: list[date]) -> list[tuple[date, date]]:
    """Sorted `days` as runs of consecutive dates, first and last of each."""
    result: list[tuple[date, date]] = []
    for day in sorted(days):
        if result and (day - result[-1][1]).days == 1:
            result[-1] = (result[-1][0], day)
        else:
            result.append((day, day))
    return result
