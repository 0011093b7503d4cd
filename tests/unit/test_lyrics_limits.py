"""The limits of a host, in a time of our own: nothing here waits for a clock."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable

import pytest

from segue.lyrics.limits import LONGEST_PAUSE, SLOWEST, HostLimits
from segue.lyrics.lookup import ProviderFailed


class Time:
    """A time that goes on when everything waits for it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), done))
        await done

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        async def until_done() -> None:
            task = asyncio.ensure_future(story())
            while not task.done():
                for _ in range(20):
                    await asyncio.sleep(0)
                if self._sleepers and not task.done():
                    self.now, _, done = heapq.heappop(self._sleepers)
                    if not done.done():
                        done.set_result(None)
            await task

        asyncio.run(until_done())


@pytest.fixture
def time() -> Time:
    return Time()


def limits(time: Time, *, rate: float = 1000, in_flight: int = 1000, **more: float) -> HostLimits:
    return HostLimits(
        rate=rate,
        in_flight=in_flight,
        clock=lambda: time.now,
        sleep=time.sleep,
        **more,  # type: ignore[arg-type]
    )


def most_in_a_second(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(sum(1 for m in moments[i:] if m < first + 1) for i, first in enumerate(moments))


@pytest.mark.parametrize("rate", [1, 2.5, 10, 100])
@pytest.mark.parametrize("slowest_way", [0.0, 0.2])
def test_no_second_sees_more_requests_at_the_host_than_the_rate(
    time: Time, rate: float, slowest_way: float
) -> None:
    host, chance, arrived = limits(time, rate=rate), random.Random(1), list[float]()

    async def ask() -> None:
        async with host.place():
            await time.sleep(chance.uniform(0, slowest_way))
            arrived.append(time.now)
            await time.sleep(chance.choice([0.01, 3.0]))

    async def story() -> None:
        await asyncio.gather(*(ask() for _ in range(int(rate * 5))))

    time.run(story)
    assert most_in_a_second(arrived) <= rate
    assert time.now - 1000 < 3 + 5 * 1.6


def test_requests_are_spaced_and_do_not_come_in_a_burst(time: Time) -> None:
    host, sent = limits(time, rate=10), list[float]()

    async def ask() -> None:
        async with host.place():
            sent.append(time.now)

    async def story() -> None:
        await asyncio.gather(*(ask() for _ in range(10)))

    time.run(story)
    assert min(b - a for a, b in itertools.pairwise(sent[1:])) > 0.09


def test_a_stall_is_not_made_up_for_by_a_crowd(time: Time) -> None:
    host, sent = limits(time, rate=10), list[float]()

    async def story() -> None:
        for number in range(30):
            if number == 15:
                time.now += 30
            async with host.place():
                sent.append(time.now)

    time.run(story)
    assert most_in_a_second(sent) <= 10


def test_no_more_than_the_limit_wait_for_an_answer_at_once(time: Time) -> None:
    host, under_way, most = limits(time, in_flight=7), 0, 0

    async def ask() -> None:
        nonlocal under_way, most
        async with host.place():
            under_way += 1
            most = max(most, under_way)
            await time.sleep(0.1)
            under_way -= 1

    async def story() -> None:
        await asyncio.gather(*(ask() for _ in range(50)))

    time.run(story)
    assert most == 7


def test_a_refusal_halves_the_rate_once_for_all_that_were_under_way(time: Time) -> None:
    host = limits(time, rate=100)
    for _ in range(10):
        host.refused(None)
    assert host.rate == 50
    time.now += 2
    host.refused(None)
    assert host.rate == 25


def test_answers_raise_the_rate_step_by_step_up_to_the_limit(time: Time) -> None:
    host = limits(time, rate=100)
    host.refused(None)
    host.answered()
    assert host.rate == 50
    rates = []
    for _ in range(10):
        time.now += 1
        host.answered()
        host.answered()
        rates.append(host.rate)
    assert 50 < rates[0] < 100
    assert rates == sorted(rates)
    assert rates[-1] == 100


def test_the_rate_never_falls_to_nothing_and_comes_back_from_there(time: Time) -> None:
    host = limits(time, rate=10)
    for _ in range(100):
        time.now += 2
        host.refused(None)
    assert host.rate == SLOWEST
    for _ in range(60):
        time.now += 1
        host.answered()
    assert host.rate == 10


def test_a_retry_after_is_waited_for_by_every_request(time: Time) -> None:
    host, sent = limits(time), list[float]()

    async def ask() -> None:
        async with host.place():
            sent.append(time.now)

    async def story() -> None:
        host.refused(30)
        host.refused(5)
        await asyncio.gather(*(ask() for _ in range(20)))

    time.run(story)
    assert min(sent) >= 1030


def test_a_retry_after_of_hours_counts_as_a_host_that_is_down(time: Time) -> None:
    host = limits(time)
    host.refused(LONGEST_PAUSE + 1)
    with pytest.raises(ProviderFailed, match="down") as caught:
        time.run(lambda: enter(host))
    assert caught.value.host_down


def test_after_failures_in_a_row_requests_fail_at_once_also_those_in_line(time: Time) -> None:
    host, failed = limits(time, rate=1, breaks_at=3), list[bool]()

    async def ask() -> None:
        try:
            async with host.place():
                pass
        except ProviderFailed as error:
            failed.append(error.host_down)

    async def story() -> None:
        await enter(host)
        waiting = [asyncio.ensure_future(ask()) for _ in range(5)]
        await asyncio.sleep(0)
        assert [host.failed() for _ in range(3)] == [False, False, True]
        await asyncio.gather(*waiting)
        await ask()

    time.run(story)
    assert failed == [True] * 6
    assert time.now < 1002


def test_an_answer_in_between_keeps_the_host_up(time: Time) -> None:
    host = limits(time, breaks_at=3)
    for _ in range(10):
        host.failed()
        host.failed()
        host.answered()
    assert not host.down


def test_wrong_answers_count_a_fifth_of_no_answer(time: Time) -> None:
    host = limits(time, breaks_at=4)
    assert [host.failed(answered=True) for _ in range(20)] == [False] * 19 + [True]


def test_a_host_that_was_down_is_asked_once_until_it_answers(time: Time) -> None:
    host, asked, refused = limits(time, breaks_at=2, cools=60), 0, 0

    async def ask(seconds: float) -> None:
        nonlocal asked, refused
        try:
            async with host.place():
                asked += 1
                await time.sleep(seconds)
                host.answered()
        except ProviderFailed:
            refused += 1

    async def story() -> None:
        host.failed()
        host.failed()
        time.now += 61
        await asyncio.gather(*(ask(0.5) for _ in range(10)))
        assert (asked, refused) == (1, 9)
        await asyncio.gather(*(ask(0.5) for _ in range(10)))
        assert (asked, refused) == (11, 9)

    time.run(story)


def test_a_probe_that_fails_closes_the_host_again_and_one_that_is_cancelled_does_not(
    time: Time,
) -> None:
    host = limits(time, breaks_at=2, cools=60)

    async def story() -> None:
        host.failed()
        host.failed()
        time.now += 61
        async with host.place():
            assert host.failed()
        with pytest.raises(ProviderFailed):
            await enter(host)
        time.now += 61
        with pytest.raises(asyncio.CancelledError):
            async with host.place():
                raise asyncio.CancelledError
        await enter(host)

    time.run(story)


async def enter(host: HostLimits) -> None:
    async with host.place():
        pass
