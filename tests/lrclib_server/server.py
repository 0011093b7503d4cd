"""The routes of LRCLIB's API, and what was asked of them."""

import asyncio
import random
import sqlite3
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from tests.lrclib_server.catalogue import Catalogue, Track
from tests.lrclib_server.faults import FAULTS

_LONGEST = 3_600


class LrclibServer:
    """A server over `catalogue`; each answer takes `seconds`.

    A `share` of the requests, chosen by `seed`, meets one of `faults`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        seconds: float = 0,
        faults: Sequence[str] = (),
        share: float = 0,
        seed: int = 0,
    ) -> None:
        self.catalogue, self.seconds = catalogue, seconds
        self.faults, self.share = list(faults), share
        self._random = random.Random(seed)
        self._under_way = 0
        self._recent: deque[float] = deque()
        self.requests = self.most_in_flight = self.most_in_a_second = 0
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.user_agents: Counter[str] = Counter()

    def stats(self) -> dict[str, object]:
        """What the server has seen: requests, most at once, most in any second, by what was asked.

        `asked` and `answered` count by path and query; answered are those without a fault.
        """
        return {
            "requests": self.requests,
            "under_way": self._under_way,
            "most_in_flight": self.most_in_flight,
            "most_in_a_second": self.most_in_a_second,
            "asked": dict(self.asked),
            "answered": dict(self.answered),
            "user_agents": dict(self.user_agents),
        }

    def app(self) -> web.Application:
        """The application, to be run."""
        app = web.Application()
        app.router.add_get("/api/get", self._get)
        app.router.add_get("/api/get/{id}", self._get_by_id)
        app.router.add_get("/api/search", self._search)
        app.router.add_get("/_stats", self._stats)
        return app

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        """Serves on loopback; gives the address."""
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(self.stats())

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self._got(request.query))

    def _got(self, query: Mapping[str, str]) -> web.Response:
        for name in ("track_name", "artist_name"):
            if name not in query:
                return _malformed(f"query string: missing field `{name}`")
        try:
            duration = float(query["duration"]) if "duration" in query else None
        except ValueError:
            return _malformed("query string: duration: invalid float literal")
        wrong = [f"{n}: cannot be empty" for n in ("track_name", "artist_name") if not query[n]]
        if duration is not None and not 1 <= duration <= _LONGEST:
            wrong.append("duration: must be between 1 and 3600")
        if wrong:
            return _error(400, "ValidationError", "\n".join(wrong))
        names = query["track_name"], query["artist_name"], query.get("album_name")
        return _track(self.catalogue.get(*names, duration))

    async def _get_by_id(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["id"]
        if not number.removeprefix("-").isdecimal():
            return await self._answer(request, _malformed(f"URL: Cannot parse `{number}` to a i64"))
        return await self._answer(request, _track(self.catalogue.by_id(int(number))))

    async def _search(self, request: web.Request) -> web.StreamResponse:
        asked = [request.query.get(n) for n in ("track_name", "artist_name", "album_name", "q")]
        try:
            found = self.catalogue.search(*asked)
        except sqlite3.OperationalError:
            wrong = "Something bad happened when processing your request"
            return await self._answer(request, _error(500, "UnknownError", wrong))
        return await self._answer(request, web.json_response([t.as_json() for t in found]))

    async def _answer(self, request: web.Request, answer: web.Response) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        self._recent.append(now)
        while self._recent[0] <= now - 1:
            self._recent.popleft()
        self.most_in_a_second = max(self.most_in_a_second, len(self._recent))
        self.requests += 1
        self.asked[request.path_qs] += 1
        self.user_agents[request.headers.get("User-Agent", "")] += 1
        self._under_way += 1
        self.most_in_flight = max(self.most_in_flight, self._under_way)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
            if self.faults and self._random.random() < self.share:
                return await FAULTS[self._random.choice(self.faults)](request, answer)
            self.answered[request.path_qs] += 1
            return answer
        finally:
            self._under_way -= 1


def _track(track: Track | None) -> web.Response:
    if track is None:
        return _error(404, "TrackNotFound", "Failed to find specified track")
    return web.json_response(track.as_json())


def _malformed(what: str) -> web.Response:
    """What the framework of LRCLIB's server says before its own code is asked."""
    return web.Response(status=400, text=f"Failed to deserialize {what}")


def _error(code: int, name: str, message: str) -> web.Response:
    body = {"message": message, "name": name, "statusCode": code}
    return web.json_response(body, status=code)
