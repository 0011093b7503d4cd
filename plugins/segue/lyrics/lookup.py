"""What is asked of a provider, what it answers, and what became of a song."""

from dataclasses import dataclass
from typing import Literal, Protocol

from segue.errors import SegueError

Status = Literal["found", "instrumental", "not_found", "failed"]
STATUSES: tuple[Status, ...] = ("found", "instrumental", "not_found", "failed")

Method = Literal["album", "no_album", "cleaned", "search"]
"""How a match was found, best first: title, artist and duration with the album, without it, with a
cleaned title, by a search."""


@dataclass(frozen=True)
class Song:
    """A song that lyrics are wanted for, as `tracks` names it."""

    uri: str
    title: str
    artist: str
    album: str
    duration_ms: int
    """0: not known."""


@dataclass(frozen=True)
class Entry:
    """An entry of a provider's catalogue, as it names it."""

    title: str
    artist: str
    album: str
    duration: float | None
    """Seconds."""
    instrumental: bool
    plain: str | None
    synced: str | None


class Catalogue(Protocol):
    """What can be asked by name. Its answers are those of LRCLIB's rules, wherever they come from.

    Both raise `ProviderFailed` when there is no answer; that there is nothing is an answer.
    """

    name: str

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        """The entry with exactly these names (as LRCLIB normalises them), duration within 2 s."""

    async def search(self, title: str, artist: str) -> list[Entry]:
        """Up to 20 entries that have the words of `title` and `artist`, in no certain order."""


@dataclass(frozen=True)
class Outcome:
    """What became of a song; everything but times, which the store adds."""

    uri: str
    status: Status
    provider: str | None = None
    method: Method | None = None
    score: float | None = None
    """0 to 1: how well the entry's title, artist and duration fit the song's."""
    text: str | None = None
    """Plain lyrics, found ones only; time stamps are gone."""
    error: str | None = None
    """Why it failed: one line, nothing secret."""


class ProviderFailed(SegueError):
    """A provider gave no answer.

    `transient`: asking again may mend it. `retry_after`: seconds after which the host wants to be
    asked again. `host_down`: nothing that is asked of this host now will be answered.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool,
        retry_after: float | None = None,
        host_down: bool = False,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after
        self.host_down = host_down
