"""What a host is asked at most, on a clock of the test's own."""

import asyncio

import pytest

from segue.lyrics.limits import LONGEST_PAUSE, HostLimits
from segue.lyrics.lookup import ProviderFailed


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


def limits(clock: Clock, **options: float) -> HostLimits:
    given = {"rate": 10.0, "in_flight": 5} | options
    return HostLimits(**given, clock=clock, sleep=clock.sleep)  # type: ignore[arg-type]  # numbers


async def times(host: HostLimits, clock: Clock, count: int) -> list[float]:
    sent = []
    for _ in range(count):
        async with host.place():
            sent.append(clock.now)
    return sent


def most_in_a_second(sent: list[float]) -> int:
    return max(sum(at <= other < at + 1 for other in sent) for at in sent)


def test_no_second_sees_more_than_the_rate() -> None:
    clock = Clock()
    sent = asyncio.run(times(limits(clock), clock, 55))
    assert most_in_a_second(sent) == 10
    assert sent[-1] == pytest.approx(5.5, abs=0.2)


def test_a_stall_is_not_made_up_for_by_a_crowd() -> None:
    clock = Clock()
    host = limits(clock)

    async def run() -> list[float]:
        sent = await times(host, clock, 15)
        clock.now += 30
        return sent + await times(host, clock, 15)

    assert most_in_a_second(asyncio.run(run())) <= 10


def test_a_refusal_halves_the_rate_once_for_all_that_were_under_way() -> None:
    clock = Clock()
    host = limits(clock)
    for _ in range(5):
        host.refused(None)
    assert host.rate == 5


def test_answers_raise_the_rate_again_but_never_beyond_the_limit() -> None:
    clock = Clock()
    host = limits(clock)
    host.refused(None)
    for _ in range(50):
        clock.now += 2
        host.answered()
    assert host.rate == 10


def test_a_host_that_keeps_refusing_is_still_asked_now_and_then() -> None:
    clock = Clock()
    host = limits(clock)
    for _ in range(50):
        clock.now += 2
        host.refused(None)
    assert 0 < host.rate <= 0.2


def test_retry_after_stops_every_request_until_then() -> None:
    clock = Clock()
    host = limits(clock)
    host.refused(20.0)
    sent = asyncio.run(times(host, clock, 2))
    assert sent[0] >= 20


def test_a_retry_after_that_nobody_waits_for_counts_as_down() -> None:
    clock = Clock()
    host = limits(clock)
    host.refused(LONGEST_PAUSE + 1)
    assert host.down


def test_failures_in_a_row_open_the_circuit_and_time_closes_it() -> None:
    clock = Clock()
    host = limits(clock, breaks_at=3, cools=60)
    host.failed()
    host.failed()
    host.answered()
    assert not host.failed()
    assert not host.failed()
    assert host.failed()
    with pytest.raises(ProviderFailed) as failure:
        asyncio.run(times(host, clock, 1))
    assert failure.value.host_down
    clock.now += 61
    assert asyncio.run(times(host, clock, 1))


def test_no_more_are_in_flight_than_allowed() -> None:
    clock = Clock()
    host = limits(clock, rate=1_000, in_flight=3)
    now, most = 0, 0

    async def one() -> None:
        nonlocal now, most
        async with host.place():
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(30)))

    asyncio.run(all_of_them())
    assert most == 3
