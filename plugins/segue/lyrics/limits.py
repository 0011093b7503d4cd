"""What one host is asked at most: how many requests at once, how many a second, when none at all.

The rate is the host's to say: a 429 or 503 halves it, its Retry-After is waited for by every
request to the host, and answers raise it again step by step.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from segue.lyrics.lookup import ProviderFailed

SLOWEST = 0.1
"""Requests a second that a host is asked at least, however often it refuses."""

LONGEST_PAUSE = 600.0
"""Seconds that a Retry-After is waited for at most; a longer one counts as a host that is down."""

_RECOVERY = 0.02
_STEP_AFTER = 1.0
_SECOND = 1.005
"""A little more than a second, for clocks that do not run quite alike."""
_ON_ITS_WAY = 0.25
"""Seconds after which a request has reached the host, though no answer has come."""
_CATCH_UP = 0.05
"""Seconds by which sending may have fallen behind and still catch up."""
_ANSWERED_WRONGLY = 0.2
"""What a wrong answer counts of a failure: the host is there, and perhaps it is this song."""


class HostLimits:
    """The limits of one host in this process.

    `rate` is requests a second, `in_flight` how many wait for an answer at once. Requests are
    spaced evenly, and no second, wherever it begins, sees more of them at the host than the rate.
    After `breaks_at` failures in a row the host counts as down: nothing is asked for `cools`
    seconds, and then a single request until one is answered.
    """

    def __init__(
        self,
        *,
        rate: float,
        in_flight: int,
        breaks_at: int = 20,
        cools: float = 60,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.most, self.rate = rate, rate
        self.breaks_at, self.cools = breaks_at, cools
        self._places = asyncio.Semaphore(in_flight)
        # One at a time looks for its turn; the others wait in line without waking up.
        self._gate = asyncio.Lock()
        self._clock, self._sleep = clock, sleep
        self._next = self._changed = 0.0
        self._under_way: OrderedDict[object, float] = OrderedDict()
        self._ended: deque[float] = deque()
        self._paused_until = 0.0
        self._failures = 0.0
        self._open_until = 0.0
        self._probe: object = None

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A request's place; entered when it may be sent.

        Raises `ProviderFailed`, at once, while the host is down.
        """
        self._refuse_if_down()
        async with self._places:
            request = object()
            async with self._gate:
                await self._turn(request)
            try:
                yield
            finally:
                if self._under_way.pop(request, None) is not None:
                    self._ended.append(self._clock())
                if self._probe is request:
                    self._probe = None

    def answered(self) -> None:
        """Tells that the host has answered as it should."""
        self._failures = 0
        now = self._clock()
        if self.rate < self.most and now >= max(self._changed + _STEP_AFTER, self._paused_until):
            self.rate = min(self.most, self.rate + max(self.rate, self.most * _RECOVERY) / 2)
            self._changed = now

    def refused(self, retry_after: float | None) -> None:
        """Tells that the host has asked for less: 429 or 503, with its Retry-After in seconds."""
        self._failures = 0
        now = self._clock()
        # Once for all requests that were under way together.
        if now >= self._changed + _STEP_AFTER or self.rate == self.most:
            self.rate = max(self.rate / 2, min(SLOWEST, self.most))
            self._changed = now
        if retry_after is not None:
            if retry_after > LONGEST_PAUSE:
                self._open_until = max(self._open_until, now + retry_after)
            else:
                self._paused_until = max(self._paused_until, now + retry_after)

    def failed(self, *, answered: bool = False) -> bool:
        """Tells that no answer came, or (`answered`) a wrong one; returns whether the host is down.

        Five wrong answers count as one failure.
        """
        self._failures += _ANSWERED_WRONGLY if answered else 1
        if self._broken:
            self._open_until = max(self._open_until, self._clock() + self.cools)
        return self.down

    @property
    def down(self) -> bool:
        """Whether nothing is asked of the host at the moment."""
        return self._clock() < self._open_until

    @property
    def _broken(self) -> bool:
        # A hair less: five fifths are not quite one.
        return self._failures >= self.breaks_at - 1e-6

    def _refuse_if_down(self) -> None:
        if self.down or (self._broken and self._probe is not None):
            raise ProviderFailed("the host is down", transient=True, host_down=True)

    async def _turn(self, request: object) -> None:
        self._refuse_if_down()
        while (wait := self._turn_at() - self._clock()) > 0:
            await self._sleep(wait)
            self._refuse_if_down()
        now = self._clock()
        self._next = max(self._next, now - _CATCH_UP) + 1 / self.rate
        self._under_way[request] = now
        if self._broken:
            self._probe = request

    def _turn_at(self) -> float:
        return max(self._next, self._paused_until, self._room_at())

    def _room_at(self) -> float:
        """When a second has room for another request.

        It counts from the moment that the answer came: what was delayed on its way reached the
        host up to then.
        """
        if self.rate < 1:
            return 0.0
        now = self._clock()
        while self._under_way and next(iter(self._under_way.values())) + _ON_ITS_WAY <= now:
            self._under_way.popitem(last=False)
            self._ended.append(now)
        while self._ended and self._ended[0] + _SECOND <= now:
            self._ended.popleft()
        if len(self._under_way) + len(self._ended) < int(self.rate):
            return 0.0
        if self._ended:
            return self._ended[0] + _SECOND
        return next(iter(self._under_way.values())) + _ON_ITS_WAY
