"""What can go wrong between a client and LRCLIB."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

Fault = Callable[[web.Request, web.Response], Awaitable[web.StreamResponse]]
"""Makes of a request and its right answer what the client gets instead."""

_HTML = "<!doctype html><html><body><h1>Something went wrong</h1></body></html>"


async def too_many(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """429 with Retry-After in seconds."""
    return web.Response(status=429, headers={"Retry-After": "1"}, text="slow down")


async def too_many_until(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """429 with Retry-After as an HTTP date."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    return web.Response(status=429, headers={"Retry-After": until}, text="slow down")


async def unavailable(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """503 without a word about when."""
    return web.Response(status=503, text="busy")


async def broken(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """500."""
    return web.Response(status=500, text=_HTML, content_type="text/html")


async def bad_gateway(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """502, a page of what stands before the server."""
    return web.Response(status=502, text=_HTML, content_type="text/html")


async def dropped(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """The connection ends without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return answer


async def truncated(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Half of the body, and the connection ends."""
    assert isinstance(answer.body, bytes)
    response = web.StreamResponse(status=answer.status)
    response.content_type = "application/json"
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def page(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """An HTML page that claims to be the answer."""
    return web.Response(status=200, text=_HTML, content_type="text/html")


async def missing_page(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """A 404 that is not LRCLIB's."""
    return web.Response(status=404, text=_HTML, content_type="text/html")


async def other_type(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """The right bytes under a wrong name."""
    return web.Response(status=answer.status, body=answer.body, content_type="text/plain")


async def huge(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """10 MB."""
    return web.Response(body=b'{"plainLyrics": "' + b"la " * 3_400_000 + b'"}')


async def invalid(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Bytes that are not UTF-8."""
    return web.Response(
        body=b'{"trackName": "\xff\xfe", "plainLyrics": "\xc3("}', content_type="application/json"
    )


async def slow(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """The right answer, half a second late."""
    await asyncio.sleep(0.5)
    return answer


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        too_many, too_many_until, unavailable, broken, bad_gateway, dropped, truncated, page,
        missing_page, other_type, huge, invalid, slow,
    )
}  # fmt: skip
