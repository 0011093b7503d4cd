"""Looking many songs up: order, claims, saving, failures, and the end whenever it comes."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from segue.errors import Fenced
from segue.lyrics.collector import ROUNDS, Latencies, Summary, collect
from segue.lyrics.lookup import Entry, Outcome, ProviderFailed, Song

IN_FLIGHT = 8


def song(number: int) -> Song:
    return Song(f"song:{number}", f"Title {number}", "Artist", "Album", 200_000)


def songs(count: int) -> list[Song]:
    return [song(n) for n in range(count)]


class Memory:
    """A store that keeps what it is told; `taken` are someone else's songs."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.taken = set(taken)
        self.claimed: set[str] = set()
        self.saved: dict[str, Outcome] = {}
        self.sizes: list[int] = []

    def claim(self, uris: Sequence[str]) -> set[str]:
        mine = set(uris) - self.taken
        self.claimed |= mine
        return mine

    def save(self, outcomes: Sequence[Outcome]) -> None:
        self.sizes.append(len(outcomes))
        self.saved.update({outcome.uri: outcome for outcome in outcomes})
        self.release([outcome.uri for outcome in outcomes])

    def release(self, uris: Sequence[str]) -> None:
        self.claimed -= set(uris)

    def renew(self) -> None:
        pass


class Names:
    """A catalogue that knows every title but calls `before` for each song, which may raise."""

    name = "names"

    def __init__(self, before: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.before, self.asked = before, list[str]()

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        self.asked.append(title)
        if self.before is not None:
            await self.before(title)
        return Entry(title, artist, album or "", duration, False, "la la la", None)

    async def search(self, title: str, artist: str) -> list[Entry]:
        return []


def run(
    wanted: Sequence[Song] | Iterator[Song],
    names: Names,
    store: Memory,
    *,
    in_flight: int = IN_FLIGHT,
    save_every: int = 50,
    save_seconds: float = 5,
) -> Summary:
    return asyncio.run(
        collect(
            wanted,
            [names],
            store,
            in_flight=in_flight,
            save_every=save_every,
            save_seconds=save_seconds,
        )
    )


def failing(times: int, title: str, *, transient: bool = True, down: bool = False) -> Names:
    left = times

    async def fail(asked: str) -> None:
        nonlocal left
        if asked == title and left:
            left -= 1
            raise ProviderFailed("HTTP 500", transient=transient, host_down=down)

    return Names(fail)


def test_every_song_is_asked_for_in_order_and_saved() -> None:
    names, store = Names(), Memory()
    summary = run(songs(200), names, store)
    assert names.asked == [s.title for s in songs(200)]
    assert set(store.saved) == {s.uri for s in songs(200)}
    assert store.claimed == set()
    assert summary.found == 200
    assert json.loads(json.dumps(summary.as_json()))["found"] == 200


def test_songs_of_others_are_skipped() -> None:
    names, store = Names(), Memory(taken=["song:1", "song:3"])
    summary = run(songs(5), names, store)
    assert names.asked == ["Title 0", "Title 2", "Title 4"]
    assert (summary.found, summary.skipped) == (3, 2)


def test_songs_are_claimed_and_read_no_earlier_than_they_are_asked_for() -> None:
    store, read, most_held, most_read = Memory(), 0, 0, 0

    def endless() -> Iterator[Song]:
        nonlocal read
        for each in songs(5_000):
            read += 1
            yield each

    async def watch(_: str) -> None:
        nonlocal most_held, most_read
        most_held = max(most_held, len(store.claimed))
        most_read = max(most_read, read - len(store.saved))
        await asyncio.sleep(0)

    run(endless(), Names(watch), store, save_every=10)
    assert most_held <= 4 * IN_FLIGHT + 10
    assert most_read <= 4 * IN_FLIGHT + 10


def test_no_more_than_save_every_answers_wait_to_be_saved_however_slow_the_store() -> None:
    most, gate = 0, threading.Event()

    class Slow(Memory):
        def save(self, outcomes: Sequence[Outcome]) -> None:
            gate.wait(0.005)
            super().save(outcomes)

    store, names = Slow(), Names()

    async def watch(_: str) -> None:
        nonlocal most
        # Those that are under way have no answer yet.
        most = max(most, len(names.asked) - len(store.saved) - IN_FLIGHT)

    names.before = watch
    run(songs(500), names, store, save_every=20)
    assert most <= 20
    assert max(store.sizes) <= 20
    assert len(store.saved) == 500


def test_an_answer_is_saved_soon_though_no_other_comes() -> None:
    store = Memory()

    async def story() -> None:
        async def hang(title: str) -> None:
            if title == "Title 1":
                await asyncio.Event().wait()

        task = asyncio.create_task(
            collect(songs(2), [Names(hang)], store, in_flight=2, save_seconds=0.01)
        )
        while not store.saved:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(story(), 30))
    assert set(store.saved) == {"song:0"}
    assert store.claimed == set()


def test_a_song_without_an_answer_is_asked_for_again_after_the_others() -> None:
    names, store = failing(1, "Title 3"), Memory()
    summary = run(songs(50), names, store)
    assert names.asked[-1] == "Title 3"
    assert names.asked.count("Title 3") == 2
    assert summary.found == 50
    assert summary.failed == 0


def test_a_song_that_never_gets_an_answer_is_failed_with_the_error() -> None:
    names, store = failing(100, "Title 3"), Memory()
    summary = run(songs(10), names, store)
    assert names.asked.count("Title 3") == ROUNDS
    assert store.saved["song:3"] == Outcome("song:3", "failed", error="HTTP 500")
    assert (summary.found, summary.failed) == (9, 1)
    assert store.claimed == set()


def test_what_does_not_mend_is_failed_at_once() -> None:
    names, store = failing(100, "Title 3", transient=False), Memory()
    assert run(songs(10), names, store).failed == 1
    assert names.asked.count("Title 3") == 1


def test_when_the_host_is_down_the_others_are_given_back_unasked() -> None:
    names, store = failing(1, "Title 3", down=True), Memory()
    summary = run(songs(1_000), names, store, in_flight=2)
    assert len(names.asked) < 10
    assert summary.found + summary.unasked == 1_000
    assert summary.host_down == "HTTP 500"
    assert store.claimed == set()


def test_songs_that_waited_for_another_try_are_given_back_when_the_host_goes_down() -> None:
    async def fail(title: str) -> None:
        raise ProviderFailed("gone", transient=True, host_down=title == "Title 9")

    store = Memory()
    summary = run(songs(10), Names(fail), store, in_flight=1)
    assert summary.unasked == 10
    assert store.saved == {}
    assert store.claimed == set()


@pytest.mark.parametrize("moment", ["claim", "save"])
def test_what_the_store_raises_ends_the_run_and_frees_the_songs(moment: str) -> None:
    class Failing(Memory):
        def claim(self, uris: Sequence[str]) -> set[str]:
            if moment == "claim" and self.claimed:
                raise Fenced("a newer attempt")
            return super().claim(uris)

        def save(self, outcomes: Sequence[Outcome]) -> None:
            if moment == "save":
                raise Fenced("a newer attempt")
            super().save(outcomes)

    store, names = Failing(), Names()
    with pytest.raises(Fenced, match="a newer attempt"):
        run(songs(1_000), names, store)
    assert len(names.asked) < 200
    assert store.claimed == set()


def test_a_cancelled_run_saves_what_is_answered_and_frees_the_rest() -> None:
    store, answered = Memory(), 0

    async def story() -> None:
        async def count(title: str) -> None:
            nonlocal answered
            if answered == 30:
                await asyncio.Event().wait()
            answered += 1

        task = asyncio.create_task(
            collect(songs(100), [Names(count)], store, in_flight=4, save_every=1_000)
        )
        while answered < 30:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert len(store.saved) == 30
    assert store.claimed == set()


def test_an_answer_that_waits_for_the_store_is_saved_when_the_run_is_cancelled() -> None:
    saving, go = threading.Event(), threading.Event()

    class Stuck(Memory):
        def save(self, outcomes: Sequence[Outcome]) -> None:
            saving.set()
            go.wait(10)
            super().save(outcomes)

    store, names = Stuck(), Names()

    async def story() -> None:
        task = asyncio.create_task(collect(songs(50), [names], store, in_flight=6, save_every=2))
        await asyncio.to_thread(saving.wait, 10)
        # Every place holds an answer that the store has no room for.
        while len(names.asked) < 8:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert {f"song:{title.split()[1]}" for title in names.asked} == set(store.saved)
    assert store.claimed == set()


def test_songs_that_were_being_claimed_when_the_run_was_cancelled_are_given_back() -> None:
    claiming, go = threading.Event(), threading.Event()

    class Slow(Memory):
        def claim(self, uris: Sequence[str]) -> set[str]:
            claiming.set()
            go.wait(10)
            return super().claim(uris)

    store = Slow()

    async def story() -> None:
        task = asyncio.create_task(collect(songs(50), [Names()], store, in_flight=4))
        await asyncio.to_thread(claiming.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert store.claimed == set()
    assert store.saved == {}


def test_percentiles_of_latencies_are_right_within_a_twentieth() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1_001):
        latencies.add(milliseconds / 1000)
    assert latencies.percentile(0.5) == pytest.approx(0.5, rel=0.051)
    assert latencies.percentile(0.95) == pytest.approx(0.95, rel=0.051)
    assert Latencies().percentile(0.5) is None
