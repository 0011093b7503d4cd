"""One playlist, decoded strictly: an error names the path to the value that was wrong."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from segue import schemas
from segue.ingest.limits import INT32_MAX, INT64_MAX, NAME_LENGTH


def _whole(pattern: str) -> str:
    # `$` would let a line end pass at the end of the text.
    return pattern.removesuffix("$") + r"\Z"


_Name = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
_Natural = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=INT32_MAX)]


class Track(msgspec.Struct):
    """An entry of a playlist; fields it does not know are let pass."""

    pos: _Natural
    track_uri: Annotated[str, msgspec.Meta(pattern=_whole(schemas.TRACK_URI_PATTERN))]
    track_name: _Name
    artist_uri: Annotated[str, msgspec.Meta(pattern=_whole(schemas.ARTIST_URI_PATTERN))]
    artist_name: _Name
    album_uri: Annotated[str, msgspec.Meta(pattern=_whole(schemas.ALBUM_URI_PATTERN))]
    album_name: _Name
    duration_ms: _Natural


class Playlist(msgspec.Struct):
    """A playlist; fields it does not know are let pass."""

    pid: _Natural
    name: _Name
    modified_at: Annotated[int, msgspec.Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]
    tracks: list[Track]
    description: _Name | None = None
    collaborative: Literal["true", "false"] | bool | None = None
    num_tracks: _Count | None = None
    num_albums: _Count | None = None
    num_artists: _Count | None = None
    num_followers: _Count | None = None
    num_edits: _Count | None = None
    duration_ms: _Natural | None = None


class InvalidRecord(Exception):
    """A record is not a valid playlist: where below it, why, and its pid when known."""

    def __init__(self, path: str, reason: str, pid: int | None = None) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self.pid = pid


class MalformedRecord(InvalidRecord):
    """The record is not even JSON: where it ends is a guess."""


def decode_playlist(raw: bytes) -> dict[str, Any]:
    """The playlist in `raw`, a JSON object, with the types of `Playlist`; other fields stay.

    Raises `InvalidRecord`, with a path below the record (`.tracks[3].pos`, or nothing).
    """
    try:
        text = raw.decode()
        utf8_error = None
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8", "surrogateescape")
        utf8_error = f"invalid UTF-8 at byte {error.start} of the record"
    decoder = _StrictDecoder()
    try:
        value = decoder.decode(text)
    except (ValueError, RecursionError) as error:
        reason = utf8_error or f"not JSON: {_first_line(error)}"
        raise MalformedRecord("", reason, pid_in(raw)) from None
    if not isinstance(value, dict):
        raise InvalidRecord("", f"expected an object, got {_kind(value)}")
    pid = value.get("pid")
    pid = pid if type(pid) is int and 0 <= pid <= INT64_MAX else None
    if utf8_error or "\\u" in text:
        for path, name in _texts(value):
            if not _is_unicode(name):
                raise InvalidRecord(path, utf8_error or "a lone surrogate is not Unicode", pid)
    if utf8_error:
        raise InvalidRecord("", utf8_error, pid)
    for path, keys in _repeated_keys(value):
        raise InvalidRecord(f"{path}.{keys[0]}", f"duplicate key `{keys[0]}`", pid)
    try:
        msgspec.convert(value, Playlist)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        if decoder.constant:
            what = f"{decoder.constant} is not a JSON number"
        raise InvalidRecord(where.removesuffix("`"), what, pid) from None
    if decoder.constant:
        raise InvalidRecord("", f"{decoder.constant} is not a JSON number", pid)
    return value


class _Repeated(dict[str, Any]):
    """An object of which keys were given more than once."""

    repeated: list[str]


class _StrictDecoder:
    def __init__(self) -> None:
        self.constant: str | None = None
        self.decode = json.JSONDecoder(
            object_pairs_hook=_object, parse_constant=self._note_constant
        ).decode

    def _note_constant(self, constant: str) -> float:
        # Goes on, so that the check of types can name the path.
        self.constant = constant
        return float("nan")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    marked = _Repeated(value)
    keys = [key for key, _ in pairs]
    marked.repeated = [key for key in value if keys.count(key) > 1]
    return marked


def _repeated_keys(playlist: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Known keys that stand more than once; in fields that are not read it does not matter."""
    if type(playlist) is _Repeated:
        known = [k for k in playlist.repeated if k in Playlist.__struct_fields__]
        if known:
            yield "", known
    tracks = playlist.get("tracks")
    for i, track in enumerate(tracks if isinstance(tracks, list) else ()):
        if type(track) is _Repeated:
            known = [k for k in track.repeated if k in Track.__struct_fields__]
            if known:
                yield f".tracks[{i}]", known


def _texts(playlist: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in Playlist.__struct_fields__:
        if isinstance(playlist.get(key), str):
            yield f".{key}", playlist[key]
    tracks = playlist.get("tracks")
    for i, track in enumerate(tracks if isinstance(tracks, list) else ()):
        for key in Track.__struct_fields__ if isinstance(track, dict) else ():
            if isinstance(track.get(key), str):
                yield f".tracks[{i}].{key}", track[key]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_PID = re.compile(rb'"pid"\s*:\s*(\d{1,18})\s*[,}]')


def pid_in(raw: bytes) -> int | None:
    """The pid that text which may not be JSON states, if it states exactly one."""
    found = _PID.findall(raw)
    return int(found[0]) if len(found) == 1 else None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "an array"}
    return names[type(value)]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
