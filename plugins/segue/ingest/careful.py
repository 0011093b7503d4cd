"""The careful path: the stretch of every playlist found, good ones saved, bad ones named.

Every byte of the `playlists` array belongs to a playlist that is saved or to a quarantine record.
The time is linear in the size of the file, whatever it holds.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from segue.ingest.quarantine import WHOLE_FILE, QuarantineRecord, raw_text
from segue.ingest.records import InvalidRecord, MalformedRecord, decode_playlist, pid_in
from segue.ingest.tables import playlist_type

_SPACE = re.compile(rb"[ \t\r\n]*")
_SEPARATOR = re.compile(rb"[ \t\r\n,]*")
_PLAYLISTS = re.compile(rb'"playlists"[ \t\r\n]*:[ \t\r\n]*\[')

# An object that begins with a key that playlists have and songs do not: the next playlist, also
# when the one before it has lost a brace or a quote. Text never looks so: a quote that stands in
# text is escaped.
_PLAYLIST_START = re.compile(
    rb'\{\s*"(?:name|description|collaborative|pid|modified_at|num_[a-z]+|tracks)"\s*:'
)
_SONG_START = re.compile(rb'\{\s*"(?:pos|track_|artist_|album_)')
# What follows a playlist, if its braces are to be believed: another one that does not begin as a
# song does, or the end of the array and of the document.
_AFTER_PLAYLIST = re.compile(
    rb'\s*(?:,\s*\{(?!\s*"(?:pos|track_|artist_|album_))|\]\s*(?:\}|\Z|,\s*")|\Z)'
)
_END_OF_ARRAY = re.compile(rb'\](?=\s*(?:\}|\Z|,\s*"))')
_OBJECT_OR_END = re.compile(rb'\{|\](?=\s*(?:\}|\Z|,\s*"))')
_END_OF_FILE = re.compile(rb"\]\s*\}\s*\Z")
_SCALAR = re.compile(rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[-+.\w]++)(?=\s*[,\]])', re.DOTALL)
# A flat object, a string, a brace, or a quote without its partner.
_TOKEN = re.compile(
    rb'\{[^{}"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^{}"]*+)*+\}'
    rb'|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}"]',
    re.DOTALL,
)

_CHUNK = 256
"""Playlists held as Python objects at a time."""

_PLAYLIST = playlist_type(pa.string())


@dataclass(frozen=True)
class Careful:
    """What the careful path made of a file."""

    playlists: pa.StructArray
    """The saved playlists, as `tables.playlist_type`, in the order of the file."""
    quarantined: list[QuarantineRecord]
    unreadable: bool
    """Whether no `playlists` array was found."""


def decode_carefully(
    file: str, data: bytes, damage: str | None = None, exclude: dict[int, str] | None = None
) -> Careful:
    """Every good playlist of `data`, and a quarantine record for everything that is not one.

    `damage` says what was wrong with the file before it could be decoded. `exclude` gives the
    playlists, by pid, that are to be quarantined although they are good, each with the reason.
    Raises nothing, whatever `data` holds.
    """
    reader = _Reader(file, data, damage)
    reader.read()
    return reader.result(exclude or {})


@dataclass(frozen=True)
class _Kept:
    """Where a saved playlist came from."""

    pid: int
    modified_at: int
    index: int
    start: int
    end: int


class _Reader:
    def __init__(self, file: str, data: bytes, damage: str | None) -> None:
        self.file = file
        self.data = data
        self.damage = damage
        self.kept: list[_Kept] = []
        self.chunks: list[pa.Array] = [pa.array([], _PLAYLIST)]
        self.rows: list[dict[str, Any]] = []
        self.quarantined: list[QuarantineRecord] = []
        self.unreadable = False
        # Indices of saved playlists of which songs were found astray behind them.
        self.revoked: set[int] = set()
        # Whether a record tells already that the file ends too early.
        self.told_of_end = False
        self.next_start = -1
        # Index of the last object that was taken for a playlist.
        self.last_object = -1
        # Bytes that may be read in vain beyond the next start of a playlist.
        self.budget = 2 * len(data)

    def read(self) -> None:
        """Goes through the document once."""
        start = self._find_array()
        if start is None:
            self.unreadable = True
            return
        end = self._read_array(start, "$.playlists", None)
        if end is not None:
            self._read_rest(end)
        if self.damage:
            self._refuse_end(self.damage)

    def result(self, exclude: dict[int, str]) -> Careful:
        """What `read` found, without the older versions of a pid."""
        self._flush()
        latest: dict[int, _Kept] = {}
        for kept in self.kept:
            if kept.index in self.revoked:
                continue
            best = latest.get(kept.pid)
            if best is None or kept.modified_at > best.modified_at:
                latest[kept.pid] = kept
        saved = []
        for kept in self.kept:
            if kept.index in self.revoked:
                saved.append(False)
                continue
            best = latest[kept.pid]
            reason = exclude.get(kept.pid)
            if best is not kept:
                reason = (
                    f"duplicate pid: $.playlists[{best.index}] of this file, "
                    f"modified at {best.modified_at}, is kept"
                )
            saved.append(reason is None)
            if reason is not None:
                path = f"$.playlists[{kept.index}].pid"
                self._refuse(kept.start, kept.end, path, reason, kept.pid)
        playlists = pa.concat_arrays(self.chunks)
        if not all(saved):
            playlists = playlists.filter(pa.array(saved, pa.bool_()))
        self.quarantined.sort(key=lambda q: (q.start, q.end))
        return Careful(playlists, self.quarantined, self.unreadable)

    # The document around the array.

    def _find_array(self) -> int | None:
        """The position after `"playlists": [`, or None; what cannot be read before it is refused.

        A document that is broken before the array is searched for it.
        """
        at = self._skip(3 if self.data.startswith(b"\xef\xbb\xbf") else 0)
        if at == len(self.data):
            self._refuse_file("the file is empty")
            return None
        broken = at
        if self._byte(at) == b"{":
            at += 1
            separator = b""
            while True:
                broken = at = self._skip(at)
                if self._byte(at) == b"}":
                    self._refuse_file("there is no `playlists`")
                    return None
                if self._byte(at)[: len(separator)] != separator:
                    break
                member = self._member(at + len(separator))
                if member is None:
                    break
                key, value = member
                if key == "playlists":
                    if self._byte(value) == b"[":
                        return value + 1
                    self._refuse_file("`playlists` is not an array")
                    return None
                end = self._value_end(value)
                if end is None:
                    break
                self._check_text(at, end, key)
                at, separator = end, b","
        found = _PLAYLISTS.search(self.data, broken)
        if found is None:
            self._refuse_file("not a JSON document with `playlists`")
            return None
        self._refuse(broken, found.start(), WHOLE_FILE, "not JSON before the playlists")
        return found.end()

    def _read_rest(self, at: int) -> None:
        """Refuses what follows the array and is not the rest of one JSON document."""
        while True:
            at = self._skip(at)
            if at == len(self.data):
                self._refuse_end("the file ends before its document does")
                return
            if self._byte(at) == b"}":
                at = self._skip(at + 1)
                self._refuse_tail(at, "after the end of the document")
                return
            member = self._member(at + 1) if self._byte(at) == b"," else None
            if member is None:
                self._refuse_tail(at, "not JSON after the playlists")
                return
            key, value = member
            if key == "playlists" and self._byte(value) == b"[":
                path = "$.playlists"
                after = self._read_array(value + 1, path, "duplicate key `playlists`")
                if after is None:
                    return
                at = after
                continue
            end = self._value_end(value)
            if end is None:
                self._refuse_tail(at, "not JSON after the playlists")
                return
            if key == "playlists":
                self._refuse(at, end, "$.playlists", "duplicate key `playlists`")
            else:
                self._check_text(at, end, key)
            at = end

    def _member(self, at: int) -> tuple[str, int] | None:
        """The key at `at` and where its value begins, or None if there is none."""
        at = self._skip(at)
        if self._byte(at) != b'"':
            return None
        end = self._value_end(at)
        if end is None:
            return None
        key = json.loads(self.data[at:end].decode("latin-1"))
        colon = self._skip(end)
        return (key, self._skip(colon + 1)) if self._byte(colon) == b":" else None

    def _value_end(self, at: int) -> int | None:
        """Where the JSON value at `at` ends, or None if there is none."""
        try:
            # In Latin-1 a character is a byte: positions in the text are those in the file.
            _, end = _DECODER.raw_decode(self._text, at)
        except (ValueError, RecursionError):
            return None
        return int(end)

    @cached_property
    def _text(self) -> str:
        return self.data.decode("latin-1")

    def _check_text(self, start: int, end: int, key: str) -> None:
        try:
            self.data[start:end].decode()
        except UnicodeDecodeError:
            self._refuse(start, end, f"$.{ascii(key)[1:-1]}", "invalid UTF-8")

    # The array.

    def _read_array(self, at: int, path: str, verdict: str | None) -> int | None:
        """The position after the array that begins at `at`, or None if the file ends in it.

        Every playlist of it is refused for the reason `verdict`, if there is one.
        """
        index = 0
        self.last_object = -1
        follows_playlist = False
        check_commas = True
        while True:
            start = _end(_SEPARATOR, self.data, at)
            closing = _END_OF_ARRAY.match(self.data, start)
            if check_commas and start < len(self.data):
                expected = 1 if follows_playlist and not closing else 0
                if self.data.count(b",", at, start) != expected:
                    reason = "a comma is missing or too many between playlists"
                    self._refuse(at, start, WHOLE_FILE, reason)
            at = start
            if at == len(self.data):
                self._refuse_end("the file ends inside the playlists")
                return None
            if closing:
                return closing.end()
            at, check_commas = self._read_playlist(at, index, path, verdict)
            index += 1
            follows_playlist = True

    def _read_playlist(
        self, at: int, index: int, path: str, verdict: str | None
    ) -> tuple[int, bool]:
        """Saves or refuses what begins at `at`; its end, and whether that end is certain."""
        path = f"{path}[{index}]"
        if self._byte(at) != b"{":
            return self._refuse_stranger(at, path)
        next_start = self._next_start(at + 1)
        if _SONG_START.match(self.data, at):
            return self._refuse_songs(at, next_start, index, path), False
        self.last_object = index
        end_or_none = self._close(at, next_start)
        if end_or_none is None and next_start < len(self.data) and self.budget > 0:
            # An object in a field that is not read may look like the start of a playlist.
            limit = min(len(self.data), at + self.budget)
            end_or_none = self._close(at, limit)
            self.budget -= (end_or_none or limit) - at
            if end_or_none is not None and not self._is_playlist(at, end_or_none):
                end_or_none = None
        if end_or_none is None:
            end = self._trim(at, next_start)
            reason = verdict or self._why_broken(at, end, next_start)
            self._refuse(at, end, path, reason, pid_in(self.data[at:end]))
            return end, False
        end = end_or_none
        raw = self.data[at:end]
        try:
            if verdict:
                raise InvalidRecord("", verdict, pid_in(raw))
            value = decode_playlist(raw)
        except MalformedRecord as error:
            certain = _AFTER_PLAYLIST.match(self.data, end) is not None
            if not certain:
                end = self._trim(at, next_start)
            self._refuse(at, end, path + error.path, error.reason, error.pid)
            return end, certain
        except InvalidRecord as error:
            self._refuse(at, end, path + error.path, error.reason, error.pid)
        else:
            self._keep(value, _Kept(value["pid"], value["modified_at"], index, at, end))
        return end, True

    def _refuse_stranger(self, at: int, path: str) -> tuple[int, bool]:
        """Refuses what stands where a playlist should and is not an object."""
        scalar = _SCALAR.match(self.data, at)
        if scalar:
            self._refuse(at, scalar.end(), path, "expected an object")
            return scalar.end(), True
        found = _OBJECT_OR_END.search(self.data, at + 1)
        end = self._trim(at, found.start() if found else len(self.data))
        self._refuse(at, end, path, "expected an object")
        return end, False

    def _refuse_songs(self, at: int, next_start: int, index: int, path: str) -> int:
        """Refuses songs outside a playlist, with the playlist that an extra bracket has cut short.

        Gives the end of what was refused.
        """
        last = _END_OF_FILE.search(self.data, at) if next_start == len(self.data) else None
        end = self._trim(at, last.start() if last else next_start)
        start, pid = at, None
        if self.kept and self.kept[-1].index == self.last_object:
            cut_short = self.kept[-1]
            self.revoked.add(cut_short.index)
            start, pid = cut_short.start, cut_short.pid
            path = path.replace(f"[{index}]", f"[{cut_short.index}]")
            # What stood between the two is part of this record.
            while self.quarantined and self.quarantined[-1].start >= start:
                self.quarantined.pop()
        self._refuse(start, end, path, "not JSON: songs follow the end of the playlist", pid)
        return end

    def _is_playlist(self, start: int, end: int) -> bool:
        try:
            decode_playlist(self.data[start:end])
        except InvalidRecord:
            return False
        return True

    def _why_broken(self, start: int, end: int, next_start: int) -> str:
        if next_start == len(self.data):
            self.told_of_end = True
            return "the file ends inside this playlist" + (
                f": {self.damage}" if self.damage else ""
            )
        try:
            decode_playlist(self.data[start:end])
        except InvalidRecord as error:
            return error.reason
        return "the playlist does not end"

    def _next_start(self, at: int) -> int:
        """Where the next object that looks like a playlist begins, or the end of the file."""
        if self.next_start < at:
            found = _PLAYLIST_START.search(self.data, at)
            self.next_start = found.start() if found else len(self.data)
        return self.next_start

    def _close(self, start: int, limit: int) -> int | None:
        """Where the object that begins at `start` ends, by its braces, or None before `limit`."""
        depth = 0
        for token in _TOKEN.finditer(self.data, start, limit):
            first = self.data[token.start()]
            if first == _QUOTE:
                if token.end() - token.start() == 1:
                    return None
            elif token.end() - token.start() == 1:
                depth += 1 if first == _OPEN else -1
            if depth == 0:
                return token.end()
        return None

    # What becomes of a stretch.

    def _keep(self, value: dict[str, Any], kept: _Kept) -> None:
        flag = value.get("collaborative")
        if isinstance(flag, bool):
            value["collaborative"] = "true" if flag else "false"
        self.kept.append(kept)
        self.rows.append(value)
        if len(self.rows) == _CHUNK:
            self._flush()

    def _flush(self) -> None:
        self.chunks.append(pa.array(self.rows, _PLAYLIST))
        self.rows = []

    def _refuse(self, start: int, end: int, path: str, reason: str, pid: int | None = None) -> None:
        raw, truncated = raw_text(self.data, start, end)
        self.quarantined.append(
            QuarantineRecord(self.file, start, end, path, pid, reason, raw, truncated)
        )

    def _refuse_file(self, reason: str) -> None:
        self.quarantined.clear()
        self._refuse(0, len(self.data), WHOLE_FILE, self.damage or reason)

    def _refuse_end(self, reason: str) -> None:
        """Tells, once, that the file ends too early, when no broken playlist tells it."""
        if not self.told_of_end:
            self.told_of_end = True
            self._refuse(len(self.data), len(self.data), WHOLE_FILE, self.damage or reason)

    def _refuse_tail(self, at: int, reason: str) -> None:
        """Refuses the rest of the file, in one record for each thing that looks like a playlist."""
        start = at
        first = self._next_start(at)
        following = first
        while start < len(self.data):
            following = self._next_start(following + 1)
            pid = pid_in(self.data[start:following])
            self._refuse(start, self._trim(start, following), WHOLE_FILE, reason, pid)
            start = following

    # Bytes.

    def _byte(self, at: int) -> bytes:
        return self.data[at : at + 1]

    def _skip(self, at: int) -> int:
        return _end(_SPACE, self.data, at)

    def _trim(self, start: int, end: int) -> int:
        """`end` without the separators before it."""
        while end > start + 1 and self.data[end - 1] in b" \t\r\n,":
            end -= 1
        return end


_QUOTE = ord('"')
_OPEN = ord("{")


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    return found.end() if found else at
