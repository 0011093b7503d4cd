"""Looking up many songs at once: bounded in flight, saved as it goes, killed without loss."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Protocol

from segue.lyrics.lookup import STATUSES, Catalogue, Outcome, ProviderFailed, Song
from segue.lyrics.matching import look_up

ROUNDS = 3
"""How often a song is looked up whose provider gave no answer."""

_RENEW_SECONDS = 300
_STEP = math.log(1.1)


class Store(Protocol):
    """Where claims and answers go: `segue.store.lyrics.LyricsStore`."""

    def claim(self, uris: Sequence[str]) -> set[str]:
        """Those of `uris` that are to be asked for now."""

    def save(self, outcomes: Sequence[Outcome]) -> None:
        """Stores answers and gives their claims back."""

    def release(self, uris: Sequence[str]) -> None:
        """Gives claims back, without an answer."""

    def renew(self) -> None:
        """Prolongs all claims."""


@dataclass
class Latencies:
    """How long answers took, counted in steps of a tenth: small, and easy to add up."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float) -> None:
        """Takes one answer's seconds in."""
        self.counts[round(math.log(max(seconds, 1e-4)) / _STEP)] += 1

    def percentile(self, share: float) -> float | None:
        """The seconds, within 5%, that a `share` of the answers took at most; None without any."""
        left = share * self.counts.total()
        for step in sorted(self.counts):
            left -= self.counts[step]
            if left <= 0:
                return math.exp(step * _STEP)
        return None


@dataclass
class Summary:
    """What a collection did."""

    found: int = 0
    instrumental: int = 0
    not_found: int = 0
    failed: int = 0
    skipped: int = 0
    """Songs that another task asked for, or that were answered meanwhile."""
    unasked: int = 0
    """Songs given back because the host was down."""
    seconds: float = 0.0
    host_down: str | None = None
    """Why nothing more was asked, None if all was."""

    def as_json(self) -> dict[str, Any]:
        """The summary as JSON can hold it."""
        return asdict(self)


async def collect(
    songs: Iterable[Song],
    catalogues: Sequence[Catalogue],
    store: Store,
    *,
    in_flight: int,
    save_every: int = 50,
    save_seconds: float = 5,
) -> Summary:
    """Looks `songs` up, in their order, `in_flight` at once, and saves every answer.

    Answers are saved at least every `save_every` of them or `save_seconds`; when this is cancelled
    too, and then the other songs are given back. A song whose provider gave no answer is looked up
    again after the others, `ROUNDS` times in all, and is `failed` then. When a host is down the
    songs that are left are given back unasked.
    Memory does not grow with the number of songs. Raises what the store raises.
    """
    run = _Run(catalogues, store, in_flight, save_every, save_seconds)
    return await run.over(iter(songs))


class _Run:
    def __init__(
        self,
        catalogues: Sequence[Catalogue],
        store: Store,
        in_flight: int,
        save_every: int,
        save_seconds: float,
    ) -> None:
        self.catalogues, self.store, self.in_flight = catalogues, store, in_flight
        # Half may be on their way to the store while the other half gathers.
        self.batch, self.save_seconds = max(save_every // 2, 1), save_seconds
        self.summary, self.counts = Summary(), Counter[str]()
        self.held: set[str] = set()
        self.again: list[Song] = []
        self.answered: list[Outcome] = []
        self.unsaved = asyncio.Semaphore(save_every)
        self.enough = asyncio.Event()
        self.saving: asyncio.Task[None] | None = None

    async def over(self, songs: Iterator[Song]) -> Summary:
        begun = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                saver = tasks.create_task(self._save_as_they_come())
                await self._round(songs, 1)
                for tries in range(2, ROUNDS + 1):
                    again, self.again = self.again, []
                    await self._round(iter(again), tries)
                saver.cancel()
        except BaseExceptionGroup as error:
            raise _first(error) from None
        finally:
            # When it was cancelled too: what is answered is saved, the rest given back.
            try:
                await self._save()
            finally:
                if self.held:
                    await asyncio.to_thread(self.store.release, sorted(self.held))
        self.summary.seconds = time.monotonic() - begun
        for status in STATUSES:
            setattr(self.summary, status, self.counts[status])
        return self.summary

    async def _round(self, songs: Iterator[Song], tries: int) -> None:
        queue: asyncio.Queue[Song | None] = asyncio.Queue(self.in_flight)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed(songs, queue, claim=tries == 1))
            for _ in range(self.in_flight):
                tasks.create_task(self._work(queue, tries))

    async def _feed(
        self, songs: Iterator[Song], queue: "asyncio.Queue[Song | None]", *, claim: bool
    ) -> None:
        """Hands songs to the workers, claimed no earlier than they are about to be asked for."""
        while chunk := list(islice(songs, max(self.in_flight // 2, 1))):
            mine = {song.uri for song in chunk}
            if self.summary.host_down is not None:
                self.summary.unasked += len(chunk)
                continue
            if claim:
                mine = await self._claim(sorted(mine))
                self.summary.skipped += len(chunk) - len(mine)
            for song in chunk:
                if song.uri in mine:
                    await queue.put(song)
        for _ in range(self.in_flight):
            await queue.put(None)

    async def _claim(self, uris: list[str]) -> set[str]:
        claiming = asyncio.create_task(asyncio.to_thread(self.store.claim, uris))
        try:
            mine = await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # The thread goes on: what it claims has to be given back.
            self.held |= await claiming
            raise
        self.held |= mine
        return mine

    async def _work(self, queue: "asyncio.Queue[Song | None]", tries: int) -> None:
        while (song := await queue.get()) is not None:
            if self.summary.host_down is not None:
                self.summary.unasked += 1
                continue
            try:
                outcome = await look_up(song, self.catalogues)
            except ProviderFailed as error:
                if error.host_down:
                    self.summary.host_down = str(error)
                    self.summary.unasked += 1
                    continue
                if error.transient and tries < ROUNDS:
                    self.again.append(song)
                    continue
                outcome = Outcome(song.uri, "failed", error=str(error)[:200])
            try:
                await self.unsaved.acquire()
            finally:
                # Cancelled meanwhile or not: it is answered, and the last save takes it along.
                self.answered.append(outcome)
            if len(self.answered) >= self.batch:
                self.enough.set()

    async def _save_as_they_come(self) -> None:
        """Saves as soon as there are enough answers or they have waited; keeps the claims alive."""
        renewed_at = time.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.save_seconds * 0.8):
                    await self.enough.wait()
            self.enough.clear()
            await self._save()
            if time.monotonic() - renewed_at >= _RENEW_SECONDS:
                renewed_at = time.monotonic()
                await asyncio.to_thread(self.store.renew)

    async def _save(self) -> None:
        """Saves what is answered, after what is being saved; raises what the store has raised."""
        await self._saved()
        if self.answered:
            batch, self.answered = self.answered, []
            # A task of its own: who waits may be cancelled, what is being saved is not.
            self.saving = asyncio.create_task(self._store(batch))
            await self._saved()

    async def _saved(self) -> None:
        if self.saving is not None:
            await asyncio.shield(self.saving)
            self.saving = None

    async def _store(self, batch: list[Outcome]) -> None:
        await asyncio.to_thread(self.store.save, batch)
        self.held -= {outcome.uri for outcome in batch}
        self.counts.update(outcome.status for outcome in batch)
        for _ in batch:
            self.unsaved.release()


def _first(error: BaseException) -> BaseException:
    """What went wrong first: the groups around it are only how the tasks were run."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
