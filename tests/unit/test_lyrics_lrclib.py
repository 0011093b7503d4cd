"""Asking LRCLIB: what is sent, what is believed, what is asked again, and what is not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TypeVar

import pytest
from aiohttp import web

from segue.lyrics.limits import HostLimits
from segue.lyrics.lookup import Entry, ProviderFailed
from segue.lyrics.providers import lrclib
from segue.lyrics.providers.lrclib import LARGEST, TRIES, Lrclib
from tests.lrclib_server.faults import FAULTS

Result = TypeVar("Result")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TRACK = {
    "id": 7, "name": "Song", "trackName": "Song", "artistName": "Artist", "albumName": "Album",
    "duration": 200.5, "instrumental": False, "plainLyrics": "la la", "syncedLyrics": None,
    "lyricsfile": "something newer",
}  # fmt: skip
ENTRY = Entry("Song", "Artist", "Album", 200.5, False, "la la", None)
NOTHING = {"message": "Failed to find specified track", "name": "TrackNotFound", "statusCode": 404}


class Server:
    """Answers the first requests as `answers` say, all later ones rightly."""

    def __init__(self, *answers: Handler) -> None:
        self.answers, self.requests, self.connections = list(answers), list[web.Request](), 0

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if len(self.requests) <= len(self.answers):
            return await self.answers[len(self.requests) - 1](request)
        return web.json_response([TRACK] if "search" in request.path else TRACK)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        seen = set()

        async def respond(request: web.Request) -> web.StreamResponse:
            seen.add(request.transport)
            self.connections = len(seen)
            return await self.respond(request)

        app = web.Application()
        app.router.add_get("/{path:.*}", respond)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield "http://127.0.0.1:{1}".format(*runner.addresses[0])
        finally:
            await runner.cleanup()


def ask(
    server: Server,
    question: Callable[[Lrclib], Awaitable[Result]],
    *,
    host: HostLimits | None = None,
    read_seconds: float = 5,
) -> Result:
    async def run() -> Result:
        limits = host or HostLimits(rate=10_000, in_flight=10)
        async with (
            server.running() as url,
            Lrclib(
                url, user_agent="segue-test (me@example.org)", limits=limits, first_wait=0.001,
                read_seconds=read_seconds,
            ) as catalogue,
        ):  # fmt: skip
            return await question(catalogue)

    return asyncio.run(run())


async def get(catalogue: Lrclib) -> Entry | None:
    return await catalogue.get("Song", "Artist", "Album", 200.5)


def answer(status: int = 200, text: str = "", **headers: str) -> Handler:
    async def respond(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return respond


def fault(name: str) -> Handler:
    async def respond(request: web.Request) -> web.StreamResponse:
        return await FAULTS[name](request, web.json_response(TRACK))

    return respond


def fails(server: Server, match: str, **how: object) -> ProviderFailed:
    with pytest.raises(ProviderFailed, match=match) as caught:
        ask(server, get, **how)  # type: ignore[arg-type]
    return caught.value


def test_names_are_sent_as_they_are_with_our_own_name() -> None:
    server = Server()

    async def question(catalogue: Lrclib) -> Entry | None:
        return await catalogue.get("Ça & là #1?", "東京+", "100% é", 200.0)

    assert ask(server, question) == ENTRY
    (request,) = server.requests
    assert request.path == "/api/get"
    assert dict(request.query) == {
        "track_name": "Ça & là #1?", "artist_name": "東京+", "album_name": "100% é",
        "duration": "200",
    }  # fmt: skip
    assert request.headers["User-Agent"] == "segue-test (me@example.org)"


def test_album_and_duration_are_left_out_when_not_known() -> None:
    server = Server()
    ask(server, lambda catalogue: catalogue.get("S", "A", None, None))
    assert dict(server.requests[0].query) == {"track_name": "S", "artist_name": "A"}


def test_a_search_gives_all_rows() -> None:
    server = Server()
    assert ask(server, lambda catalogue: catalogue.search("S", "A")) == [ENTRY]
    assert server.requests[0].path == "/api/search"


def test_lrclibs_own_404_is_the_answer_that_there_is_nothing() -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.json_response(NOTHING, status=404)

    server = Server(nothing)
    assert ask(server, get) is None
    assert len(server.requests) == 1


def test_the_404_of_anyone_else_is_no_answer() -> None:
    page = answer(404, "<html>no such page</html>")
    server = Server(*[page] * TRIES)
    assert fails(server, "404 that is not LRCLIB's").transient
    server = Server(*[answer(404, '{"name": "NotFound"}')] * TRIES)
    assert fails(server, "404 that is not LRCLIB's").transient


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_asked_again_and_the_answer_is_right(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lrclib, "_seconds", lambda header: None if header is None else 0.01)
    server = Server(fault(name))
    assert ask(server, get) == ENTRY
    # The right answer under another name, or late, is still the right answer.
    assert len(server.requests) == (1 if name in ("other_type", "slow") else 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"plainLyrics": 5}', "plainLyrics"),
        ('{"duration": "long"}', "duration"),
        ('[{"trackName": "a list"}]', "object"),
        ("null", "object"),
        ("", "truncated"),
        ('{"trackName": "x"} more', "trailing"),
    ],
)
def test_an_answer_of_another_shape_is_no_answer(text: str, reason: str) -> None:
    server = Server(*[answer(200, text)] * TRIES)
    assert fails(server, reason).transient
    assert len(server.requests) == TRIES


def test_an_error_tells_nothing_of_a_lyric() -> None:
    text = '{"plainLyrics": "a secret line", "duration": "a secret line"}'
    assert "secret" not in str(fails(Server(*[answer(200, text)] * TRIES), "not LRCLIB's"))


@pytest.mark.parametrize("status", [400, 414])
def test_what_is_wrong_with_a_question_is_asked_once_and_tells_nothing_of_the_host(
    status: int,
) -> None:
    host = HostLimits(rate=10_000, in_flight=10, breaks_at=1)
    server = Server(*[answer(status)] * 6)

    async def questions(catalogue: Lrclib) -> None:
        for _ in range(6):
            with pytest.raises(ProviderFailed, match=f"HTTP {status}") as caught:
                await get(catalogue)
            assert not caught.value.transient

    ask(server, questions, host=host)
    assert len(server.requests) == 6
    assert not host.down


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_mend_is_asked_again(status: int) -> None:
    server = Server(*[answer(status)] * 2)
    assert ask(server, get) == ENTRY
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [401, 403, 410, 451])
def test_what_no_asking_mends_is_asked_once(status: int) -> None:
    server = Server(answer(status))
    assert not fails(server, f"HTTP {status}").transient
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed() -> None:
    server = Server(answer(302, Location="http://127.0.0.1:1/elsewhere"))
    assert not fails(server, "HTTP 302").transient
    assert len(server.requests) == 1


def test_a_host_that_blocks_us_is_left_alone() -> None:
    host = HostLimits(rate=10_000, in_flight=10, breaks_at=2)
    server = Server(*[answer(403)] * 100)

    async def questions(catalogue: Lrclib) -> list[bool]:
        down = []
        for _ in range(30):
            with pytest.raises(ProviderFailed) as caught:
                await get(catalogue)
            down.append(caught.value.host_down)
        return down

    assert ask(server, questions, host=host) == [False] * 9 + [True] * 21
    assert len(server.requests) == 10


def test_a_huge_body_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 200_000_000:
            await response.write(b"x" * 100_000)
            sent += 100_000
        return response

    assert ask(Server(endless), get) == ENTRY
    assert LARGEST <= sent < 40 * LARGEST


def test_an_answer_that_comes_drop_by_drop_is_given_up() -> None:
    async def drops(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2_000):
            await response.write(b" ")
            await asyncio.sleep(0.01)
        return response

    async def question(catalogue: Lrclib) -> Entry | None:
        return await asyncio.wait_for(get(catalogue), 10)

    server = Server(drops)

    async def run() -> Entry | None:
        limits = HostLimits(rate=10_000, in_flight=10)
        async with (
            server.running() as url,
            Lrclib(
                url, user_agent="t", limits=limits, connect_seconds=0.1, read_seconds=0.3
            ) as catalogue,
        ):
            return await question(catalogue)

    assert asyncio.run(run()) == ENTRY
    assert len(server.requests) == 2


def test_silence_is_given_up() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    server = Server(*[silent] * TRIES)
    assert fails(server, "no answer in time", read_seconds=0.02).transient


def test_where_nobody_listens_the_host_is_soon_down() -> None:
    async def run() -> list[ProviderFailed]:
        failures = []
        limits = HostLimits(rate=10_000, in_flight=10, breaks_at=7)
        async with Lrclib(
            "http://127.0.0.1:9", user_agent="t", limits=limits, first_wait=0.001
        ) as catalogue:
            for _ in range(3):
                try:
                    await get(catalogue)
                except ProviderFailed as error:
                    failures.append(error)
            assert catalogue.requests == 7
        return failures

    failures = asyncio.run(run())
    assert [error.host_down for error in failures] == [False, True, True]
    assert "no connection" in str(failures[0])


def test_a_connection_is_used_again() -> None:
    server = Server()

    async def questions(catalogue: Lrclib) -> None:
        for _ in range(20):
            await get(catalogue)

    ask(server, questions)
    assert server.connections == 1


def test_a_dropped_request_is_not_sent_again_past_the_limits() -> None:
    server = Server(answer(200, "{}"), fault("dropped"))

    async def questions(catalogue: Lrclib) -> int:
        await get(catalogue)
        await get(catalogue)
        return catalogue.requests

    assert ask(server, questions) == len(server.requests) == 3


def test_too_many_is_waited_for_as_long_as_the_host_says() -> None:
    async def question(catalogue: Lrclib) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await get(catalogue)
        return loop.time() - begun

    server = Server(answer(429, Retry_After="1"))
    assert ask(server, question) >= 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("header", ["soon", "-1", "1.5", "²", "", "Tue, 99 Foo 2026 00:00:00 GMT"])
def test_a_retry_after_that_is_none_is_left_aside(header: str) -> None:
    assert lrclib._seconds(header) is None


def test_without_a_retry_after_there_is_nothing_to_wait_for() -> None:
    assert lrclib._seconds(None) is None
    assert lrclib._seconds("0") == 0


@pytest.mark.parametrize("header", ["120", " 120 ", "date"])
def test_a_retry_after_is_read_in_seconds_and_as_a_date(header: str) -> None:
    if header == "date":
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
    assert lrclib._seconds(header) == pytest.approx(120, abs=2)


def test_a_retry_after_in_the_past_is_no_wait() -> None:
    assert lrclib._seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_half_a_character_is_nothing_and_is_not_asked_for() -> None:
    server = Server()
    assert ask(server, lambda c: c.get("Song \ud800", "Artist", None, None)) is None
    assert ask(server, lambda c: c.search("Song", "\udc00")) == []
    assert server.requests == []


def test_the_proxy_of_the_environment_is_used_with_its_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("http_proxy", f"http://me:word@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        limits = HostLimits(rate=100, in_flight=1)
        async with server, Lrclib("http://lrclib.test", user_agent="t", limits=limits) as catalogue:
            await get(catalogue)

    asyncio.run(run())
    assert heard[0].startswith(b"GET http://lrclib.test/api/get?")
    assert b"Proxy-Authorization: Basic" in heard[0]


def test_limits_hold_over_retries() -> None:
    server = Server(*[answer(500)] * 30)
    host = HostLimits(rate=10_000, in_flight=3)
    under_way, most = 0, 0
    respond = server.respond

    async def counted(request: web.Request) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.002)
        under_way -= 1
        return await respond(request)

    server.respond = counted  # type: ignore[method-assign]

    async def questions(catalogue: Lrclib) -> Sequence[object]:
        return await asyncio.gather(*(get(catalogue) for _ in range(12)), return_exceptions=True)

    ask(server, questions, host=host)
    assert most == 3
