"""What one host is asked at most: how many requests at once, how many a second, when none at all.

The rate is the host's to say: a 429 or 503 halves it, its Retry-After is waited for by every
request to the host, and answers raise it again step by step.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from segue.lyrics.lookup import ProviderFailed

SLOWEST = 0.1
"""Requests a second that a host is asked at least, however often it refuses."""

LONGEST_PAUSE = 600.0
"""Seconds that a Retry-After is waited for at most; a longer one counts as a host that is down."""

_RECOVERY = 0.02
_SPACING = 1.02
"""Wider than the rate asks for: delays on the way must not squeeze more into a second."""
_STEP_AFTER = 1.0


class HostLimits:
    """The limits of one host in this process.

    `rate` is requests a second, `in_flight` how many wait for an answer at once. Requests are
    spaced evenly, so that no second, wherever it begins, sees more than the rate. After `breaks_at`
    failures in a row the host counts as down, and nothing is asked for `cools` seconds.
    """

    def __init__(
        self,
        *,
        rate: float,
        in_flight: int,
        breaks_at: int = 20,
        cools: float = 60,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.most, self.rate = rate, rate
        self.breaks_at, self.cools = breaks_at, cools
        self._places = asyncio.Semaphore(in_flight)
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._sleep = sleep
        self._next = self._raised = 0.0
        self._sent: deque[float] = deque(maxlen=max(int(rate), 1))
        self._paused_until = 0.0
        self._failures = 0
        self._open_until = 0.0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A request's place; entered when it may be sent.

        Raises `ProviderFailed`, at once, while the host is down.
        """
        self._refuse_if_down()
        async with self._places:
            await self._turn()
            yield

    def answered(self) -> None:
        """Tells that the host has answered as it should."""
        self._failures = 0
        now = self._clock()
        if self.rate < self.most and now >= max(self._raised + _STEP_AFTER, self._paused_until):
            self.rate = min(self.most, self.rate + max(self.rate, self.most * _RECOVERY) / 2)
            self._raised = now

    def refused(self, retry_after: float | None) -> None:
        """Tells that the host has asked for less: 429 or 503, with its Retry-After in seconds."""
        self._failures = 0
        now = self._clock()
        # Once for all requests that were under way together.
        if now >= self._raised + _STEP_AFTER or self.rate == self.most:
            self.rate = max(self.rate / 2, min(SLOWEST, self.most))
            self._raised = now
        if retry_after is not None:
            if retry_after > LONGEST_PAUSE:
                self._open_until = max(self._open_until, now + retry_after)
            else:
                self._paused_until = max(self._paused_until, now + retry_after)

    def failed(self) -> bool:
        """Tells that no proper answer came; returns whether the host counts as down now."""
        self._failures += 1
        if self._failures >= self.breaks_at:
            self._open_until = self._clock() + self.cools
        return self.down

    @property
    def down(self) -> bool:
        """Whether nothing is asked of the host at the moment."""
        return self._clock() < self._open_until

    def _refuse_if_down(self) -> None:
        if self.down:
            raise ProviderFailed("the host is down", transient=True, host_down=True)

    async def _turn(self) -> None:
        turn = max(self._clock(), self._next)
        self._next = turn + _SPACING / self.rate
        while (wait := max(turn, self._paused_until, self._room()) - self._clock()) > 0:
            await self._sleep(wait)
            self._refuse_if_down()
        self._sent.append(self._clock())

    def _room(self) -> float:
        """When a second has room for another request: turns that came late must not crowd it."""
        most = max(int(self.rate), 1)
        return self._sent[-most] + _SPACING if len(self._sent) >= most and self.rate >= 1 else 0.0
