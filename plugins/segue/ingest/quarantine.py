"""One record of what could not be used, and why."""

import json
from dataclasses import dataclass

RAW_LIMIT = 1 << 20
"""Bytes of a bad record kept in its quarantine line; `landing/` has the original."""

WHOLE_FILE = "$"
"""The path of bytes that belong to no playlist that could be told apart."""


@dataclass(frozen=True)
class QuarantineRecord:
    """A stretch of a file that was refused; a line of `quarantine/dt=…/*.jsonl`."""

    file: str
    start: int
    end: int
    path: str
    pid: int | None
    reason: str
    raw: str
    raw_truncated: bool

    def to_json(self) -> str:
        """The line, without its end: the keys of `schemas.QUARANTINE_FIELDS`, ASCII only."""
        return json.dumps(
            {
                "file": self.file,
                "bytes": [self.start, self.end],
                "path": self.path,
                "pid": self.pid,
                "reason": self.reason,
                "raw": self.raw,
                "raw_truncated": self.raw_truncated,
            }
        )


def raw_text(data: bytes, start: int, end: int) -> tuple[str, bool]:
    """The text of `data[start:end]`, cut at `RAW_LIMIT` bytes, and whether it was cut.

    Bytes that are not UTF-8 become surrogate escapes, so that the text gives them back exactly.
    """
    stop = min(end, start + RAW_LIMIT)
    if stop < end:
        # Not in the middle of a character: at most three continuation bytes stand before one.
        for _ in range(3):
            if data[stop] & 0xC0 != 0x80:
                break
            stop -= 1
    return data[start:stop].decode("utf-8", "surrogateescape"), stop < end
