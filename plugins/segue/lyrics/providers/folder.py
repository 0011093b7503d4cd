"""A folder of `.lrc` and `.txt` files, for people who keep their own."""

import logging
import re
from collections import defaultdict
from pathlib import Path

from segue.errors import SettingError
from segue.lyrics import lrc
from segue.lyrics.lookup import Entry
from segue.lyrics.names import normalise

log = logging.getLogger(__name__)

SETTING = "SEGUE_LYRICS_FOLDER"
LARGEST_FILE = 1_000_000
"""Bytes; what is larger is no lyric."""
MOST_FOUND = 20

_NUMBER = re.compile(r"^\d{1,3}(?:-\d{1,3})?\s*(?:[.)_-]\s*|\s+)(?=\S)")
_INSTRUMENTAL = re.compile(r"\[\s*(?:au|re|by)\s*:\s*instrumental\s*\]", re.IGNORECASE)


class Folder:
    """A `Catalogue` over the files in `path`, read once.

    Files are named `Artist - Title.lrc`, `Artist/Title.lrc` or `Artist/Album/01 Title.lrc`; what
    the tags `[ar:]`, `[ti:]`, `[al:]` and `[length:]` say counts more. They are UTF-8, UTF-16 with
    a mark, or else Windows-1252. A file that can't be read is left out, with a warning.

    Raises `SettingError` when there is no such folder.
    """

    name = "folder"

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise SettingError(f"{SETTING}: {path} is not a folder")
        self._by_names: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._by_word: dict[str, list[Entry]] = defaultdict(list)
        # Of two files with the same names the first by path is meant, on every machine.
        for file in sorted(path.rglob("*"), key=lambda f: f.relative_to(path).as_posix()):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.suffix.lower() in (".lrc", ".txt") and not hidden:
                self._add(file, path)

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        """The first file with these names; one that doesn't say its album or length fits any."""
        wanted = normalise(album or "")
        for entry in self._by_names.get((normalise(title), normalise(artist)), ()):
            if wanted and entry.album and normalise(entry.album) != wanted:
                continue
            if duration and entry.duration and abs(entry.duration - duration) > 2:
                continue
            return entry
        return None

    async def search(self, title: str, artist: str) -> list[Entry]:
        """Up to 20 files that have the words of `title` in their title and those of `artist`."""
        asked, by = normalise(title).split(), normalise(artist).split()
        if not asked:
            return []
        # Of all the words the rarest has the fewest files to look through.
        rarest = min(asked, key=lambda word: len(self._by_word.get(word, ())))
        return [
            entry
            for entry in self._by_word.get(rarest, ())
            if set(asked) <= set(normalise(entry.title).split())
            and set(by) <= set(normalise(f"{entry.artist} {entry.title}").split())
        ][:MOST_FOUND]

    def _add(self, file: Path, root: Path) -> None:
        try:
            if file.stat().st_size > LARGEST_FILE:
                raise ValueError(f"it is larger than {LARGEST_FILE} bytes")
            text = _decoded(file.read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            log.warning("%s is left out: %s", file, reason)
            return
        entry = _entry(file.relative_to(root), text)
        if not normalise(entry.title) or not normalise(entry.artist):
            log.warning("%s is left out: neither its name nor its tags say whose song it is", file)
            return
        self._by_names[normalise(entry.title), normalise(entry.artist)].append(entry)
        for word in set(normalise(entry.title).split()):
            self._by_word[word].append(entry)


def _decoded(data: bytes) -> str:
    """The text of a file. Raises `ValueError` when it is none."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            # Five bytes mean nothing in it; they must not cost the rest.
            text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise ValueError("it is not text")
    return text


def _entry(file: Path, text: str) -> Entry:
    artist, album, title = _from_path(file)
    said = lrc.tags(text)
    plain = lrc.plain(text)
    return Entry(
        title=said.get("ti", title),
        artist=said.get("ar", artist),
        album=said.get("al", album),
        duration=_seconds(said.get("length", "")),
        instrumental=not plain and _INSTRUMENTAL.search(text) is not None,
        plain=plain or None,
        synced=text if lrc.is_stamped(text) else None,
    )


def _from_path(file: Path) -> tuple[str, str, str]:
    """Artist, album and title as folders and file name say them; what they don't say is empty."""
    folders, stem = file.parts[:-1], file.stem
    artist, dash, title = stem.partition(" - ")
    if not folders:
        return (artist.strip(), "", title.strip()) if dash else ("", "", stem)
    # A number stands before a title only in an album's folder: `99 Problems` is a title.
    if len(folders) == 1:
        in_name = dash and normalise(artist) == normalise(folders[0])
        return folders[0], "", title.strip() if in_name else stem
    stem = _NUMBER.sub("", stem)
    artist, dash, title = stem.partition(" - ")
    in_name = dash and normalise(artist) == normalise(folders[-2])
    return folders[-2], folders[-1], title.strip() if in_name else stem


def _seconds(length: str) -> float | None:
    """Seconds of `3:25`, `03:25.40` or `1:02:03`; None if it is none of these."""
    if not re.fullmatch(r"\d{1,3}(?::\d{1,2}){1,2}(?:\.\d{1,3})?", length):
        return None
    seconds = 0.0
    for part in length.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds or None
