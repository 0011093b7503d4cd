"""Looking up many songs at once: bounded in flight, saved as it goes, killed without loss."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
    too. A song whose provider gave no answer is looked up again after the others, `ROUNDS` times in
    all, and is `failed` then. When a host is down the songs that are left are given back unasked.
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
        self.answered: list[Outcome] = []
        self.held: set[str] = set()
        self.again: list[Song] = []
        self.saving: asyncio.Task[None] | None = None
        self.saved_at = time.monotonic()

    async def over(self, songs: Iterable[Song]) -> Summary:
        begun = time.monotonic()
        try:
            await self._round(iter(songs), 1)
            for tries in range(2, ROUNDS + 1):
                again, self.again = self.again, []
                await self._round(iter(again), tries)
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
        tasks = [asyncio.create_task(self._feed(songs, queue, claim=tries == 1))]
        tasks += [asyncio.create_task(self._work(queue, tries)) for _ in range(self.in_flight)]
        watch = asyncio.create_task(self._watch())
        work = asyncio.gather(*tasks)
        # It only ends by failing to save, and then nothing more is worth asking for.
        watch.add_done_callback(lambda _: work.cancel())
        try:
            await work
        except asyncio.CancelledError:
            if watch.done() and not watch.cancelled():
                watch.result()
            raise
        finally:
            for task in (*tasks, watch):
                task.cancel()
            await asyncio.gather(*tasks, watch, return_exceptions=True)

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
                mine = await asyncio.to_thread(self.store.claim, sorted(mine))
                self.held |= mine
                self.summary.skipped += len(chunk) - len(mine)
            for song in chunk:
                if song.uri in mine:
                    await queue.put(song)
        for _ in range(self.in_flight):
            await queue.put(None)

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
            self.answered.append(outcome)
            if len(self.answered) >= self.batch:
                await self._save()

    async def _watch(self) -> None:
        """Saves what has waited long enough, and keeps the claims alive."""
        renewed_at = time.monotonic()
        while True:
            await asyncio.sleep(self.save_seconds / 5)
            now = time.monotonic()
            if now - self.saved_at >= self.save_seconds * 0.8:
                await self._save()
            if now - renewed_at >= _RENEW_SECONDS:
                renewed_at = now
                await asyncio.to_thread(self.store.renew)

    async def _save(self) -> None:
        # One at a time: what is answered meanwhile goes with the next.
        while self.saving is not None:
            await asyncio.shield(self.saving)
        batch, self.answered = self.answered, []
        self.saved_at = time.monotonic()
        if batch:
            # A task of its own: who waits may be cancelled, what is being saved is not.
            self.saving = asyncio.create_task(self._store(batch))
            await asyncio.shield(self.saving)

    async def _store(self, batch: list[Outcome]) -> None:
        try:
            await asyncio.to_thread(self.store.save, batch)
            self.held -= {outcome.uri for outcome in batch}
            self.counts.update(outcome.status for outcome in batch)
        finally:
            self.saving = None
