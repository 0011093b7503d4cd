"""LRCLIB's API: https://lrclib.net/docs. Open, without a key."""

import asyncio
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from yarl import URL

from segue.lyrics.limits import HostLimits
from segue.lyrics.lookup import Entry, ProviderFailed

LARGEST = 1_000_000
"""Bytes of an answer that are read; no lyrics are that long."""

TRIES = 5
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 8.0
_MENDS = frozenset({408, 425, 500, 502, 504})
_THIS_QUESTION = frozenset({400, 413, 414, 422, 431})
"""Says something about what was asked, nothing about the host."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Answer = TypeVar("Answer")


class _Track(msgspec.Struct, rename="camel"):
    track_name: str | None = None
    artist_name: str | None = None
    album_name: str | None = None
    duration: float | None = None
    instrumental: bool | None = None
    plain_lyrics: str | None = None
    synced_lyrics: str | None = None

    def entry(self) -> Entry:
        return Entry(
            title=self.track_name or "",
            artist=self.artist_name or "",
            album=self.album_name or "",
            duration=self.duration,
            instrumental=bool(self.instrumental),
            plain=self.plain_lyrics,
            synced=self.synced_lyrics,
        )


class _Nothing(msgspec.Struct):
    # TrackNotFound of LRCLIB; a 404 without it is another server's, or another page.
    name: str


_TRACK = msgspec.json.Decoder(_Track)
_TRACKS = msgspec.json.Decoder(list[_Track])
_NOTHING = msgspec.json.Decoder(_Nothing)


class Lrclib:
    """LRCLIB at `url`, asked within `limits`; an async context manager.

    `latencies` gets the seconds of each answer. What may mend is asked again, up to `TRIES` times
    in all, after a growing, random wait.
    """

    name = "lrclib"

    def __init__(
        self,
        url: str,
        *,
        user_agent: str,
        limits: HostLimits,
        connect_seconds: float = 10,
        read_seconds: float = 30,
        on_latency: Callable[[float], None] = lambda seconds: None,
        first_wait: float = _FIRST_WAIT,
    ) -> None:
        base = URL(url.rstrip("/") + "/")
        self._get, self._search = base / "api/get", base / "api/search"
        self._user_agent, self._limits = user_agent, limits
        self._timeout = aiohttp.ClientTimeout(
            # In all, for answers that come drop by drop.
            total=connect_seconds + 2 * read_seconds,
            sock_connect=connect_seconds,
            sock_read=read_seconds,
        )
        self._on_latency = on_latency
        self._first_wait = first_wait
        self._session: aiohttp.ClientSession | None = None
        self.requests = 0

    async def __aenter__(self) -> "Lrclib":
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            timeout=self._timeout,
            # The limits say how many; the connector only keeps connections.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Looked up once, not for each request; `trust_env` would read ~/.netrc too.
            proxy=_proxy(self._get),
        )
        # It would send a dropped request once more, past the limits.
        self._session._retry_connection = False
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(
        self, title: str, artist: str, album: str | None, duration: float | None
    ) -> Entry | None:
        """The entry with exactly these names, duration (seconds) within 2 s; None if there is none.

        Raises `ProviderFailed`.
        """
        query = {"track_name": title, "artist_name": artist}
        if album is not None:
            query["album_name"] = album
        if duration is not None:
            query["duration"] = f"{duration:g}" if duration == int(duration) else f"{duration:.3f}"
        track = await self._ask(self._get, query, _TRACK)
        return None if track is None else track.entry()

    async def search(self, title: str, artist: str) -> list[Entry]:
        """Up to 20 entries with the words of `title` and `artist`; raises `ProviderFailed`."""
        query = {"track_name": title, "artist_name": artist}
        tracks = await self._ask(self._search, query, _TRACKS)
        return [track.entry() for track in tracks or []]

    async def _ask(
        self, route: URL, query: dict[str, str], decoder: "msgspec.json.Decoder[Answer]"
    ) -> Answer | None:
        if any(map(_SURROGATE.search, query.values())):
            # Half a character: no name in a catalogue has one, and the address would lose it.
            return None
        url = route.with_query(query)
        for tries in range(1, TRIES + 1):
            try:
                async with self._limits.place():
                    return await self._once(url, decoder)
            except ProviderFailed as error:
                if not error.transient or error.host_down or tries == TRIES:
                    raise
                if error.retry_after is None:
                    wait = min(self._first_wait * 2 ** (tries - 1), _LONGEST_WAIT)
                    await asyncio.sleep(wait * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    async def _once(self, url: URL, decoder: "msgspec.json.Decoder[Answer]") -> Answer | None:
        assert self._session is not None, "Lrclib is used in `async with`"
        self.requests += 1
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                status, headers = response.status, response.headers
                body = await _read(response)
        except aiohttp.ClientConnectorError as error:
            raise self._failed(f"no connection: {error.strerror or error}") from None
        except aiohttp.ConnectionTimeoutError:
            raise self._failed("no connection in time") from None
        except TimeoutError:
            raise self._failed("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            # Dropped, cut short, or no HTTP.
            raise self._failed(f"broken answer: {type(error).__name__}") from None
        except _TooLargeError:
            raise self._wrong(f"an answer of more than {LARGEST:,} bytes") from None
        self._on_latency(loop.time() - begun)
        if status == 200:
            # Whatever its header calls it: what counts is whether it is what LRCLIB answers.
            try:
                answer = decoder.decode(body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                reason = str(error).splitlines()[0][:100]
                raise self._wrong(f"an answer that is not LRCLIB's: {reason}") from None
            self._limits.answered()
            return answer
        if status == 404:
            if _is_nothing(body):
                self._limits.answered()
                return None
            # A page of something between us and LRCLIB, or another server altogether.
            raise self._wrong("HTTP 404 that is not LRCLIB's")
        if status in (429, 503):
            pause = _seconds(headers.get("Retry-After"))
            self._limits.refused(pause)
            raise ProviderFailed(f"HTTP {status}", transient=True, retry_after=pause)
        if status in _MENDS:
            raise self._wrong(f"HTTP {status}")
        if status in _THIS_QUESTION:
            self._limits.answered()
            raise ProviderFailed(f"HTTP {status}", transient=False)
        # A redirect (it is not followed), a login, a block: asking again mends nothing.
        raise self._wrong(f"HTTP {status}", transient=False)

    def _failed(self, message: str) -> ProviderFailed:
        return ProviderFailed(message, transient=True, host_down=self._limits.failed())

    def _wrong(self, message: str, *, transient: bool = True) -> ProviderFailed:
        down = self._limits.failed(answered=True)
        return ProviderFailed(message, transient=transient, host_down=down)


class _TooLargeError(Exception):
    """The body is larger than any lyrics."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body; raises `_TooLargeError` as soon as it is one."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            response.close()
            raise _TooLargeError
    return bytes(body)


def _proxy(url: URL) -> str | None:
    """The proxy that the environment names for `url`."""
    host = url.host or ""
    return None if proxy_bypass(host) else getproxies().get(url.scheme)


def _is_nothing(body: bytes) -> bool:
    try:
        return _NOTHING.decode(body).name == "TrackNotFound"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _seconds(header: str | None) -> float | None:
    """The seconds that a Retry-After (RFC 9110, 10.2.3) asks to wait, None without a valid one."""
    if header is None:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", header):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
