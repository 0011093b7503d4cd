"""The client of LRCLIB's API: the protocol, and what it makes of answers that are none."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings, strategies as st

from segue.lyrics.limits import HostLimits
from segue.lyrics.lookup import Entry, ProviderFailed
from segue.lyrics.names import normalise
from segue.lyrics.providers.dump import Dump
from segue.lyrics.providers.lrclib import Lrclib, _seconds
from tests.lrclib_server.catalogue import Catalogue, Track
from tests.lrclib_server.server import LrclibServer
from tests.unit.test_lyrics_dump import LENGTHS, NAMES, Row, write

SOME = Catalogue([Track(1, "Déjà-Vu!", "Beyoncé", "B'Day", 240.0, plain="la", synced="[00:01] la")])


def client(url: str, **options: Any) -> Lrclib:
    limits = HostLimits(rate=10_000, in_flight=8)
    return Lrclib(url, user_agent="segue/1 (me@example.org)", limits=limits, first_wait=0.001,
                  **options)  # fmt: skip


def against(server: LrclibServer, ask: Callable[[Lrclib], Awaitable[Any]]) -> Any:
    """What `ask` returns of a client of `server`."""

    async def run() -> Any:
        async with server.running() as url, client(url) as lrclib:
            return await ask(lrclib)

    return asyncio.run(run())


def answering(answer: Callable[[], web.StreamResponse], times: int = 1_000) -> LrclibServer:
    """A server that gives `answer` the first `times` it is asked."""

    class Odd(LrclibServer):
        async def _answer(self, request: web.Request, right: web.Response) -> web.StreamResponse:
            usual = await super()._answer(request, right)
            return answer() if self.requests <= times else usual

    return Odd(SOME)


def test_an_entry_comes_with_all_that_the_server_knows() -> None:
    server = LrclibServer(SOME)
    found = against(server, lambda c: c.get("deja vu", "BEYONCE", None, 241.5))
    assert found == Entry("Déjà-Vu!", "Beyoncé", "B'Day", 240.0, False, "la", "[00:01] la")
    assert list(server.user_agents) == ["segue/1 (me@example.org)"]


def test_nothing_is_an_answer() -> None:
    server = LrclibServer(SOME)
    assert against(server, lambda c: c.get("deja vu", "Beyoncé", None, 250.0)) is None
    assert against(server, lambda c: c.search("something", "else")) == []
    assert server.requests == 2


def test_a_search_gives_entries() -> None:
    (found,) = against(LrclibServer(SOME), lambda c: c.search("vu", "beyonce"))
    assert found.title == "Déjà-Vu!"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_mend_is_asked_again(status: int) -> None:
    server = answering(lambda: web.Response(status=status), times=2)
    assert against(server, lambda c: c.get("deja vu", "beyonce", None, None)) is not None
    assert server.requests == 3


@pytest.mark.parametrize("status", [301, 400, 401, 403, 410, 451])
def test_what_no_asking_mends_is_asked_once(status: int) -> None:
    server = answering(lambda: web.Response(status=status, headers={"Location": "http://x.test/"}))
    with pytest.raises(ProviderFailed, match=f"HTTP {status}") as failure:
        against(server, lambda c: c.get("deja vu", "beyonce", None, None))
    assert not failure.value.transient
    assert server.requests == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'{"trackName": 1}', b'{"duration": "long"}', b"\xff\xfe",
     b'{"plainLyrics": "\xc3("}', b'{"trackName": "x"} more'],
)  # fmt: skip
def test_an_answer_that_is_not_lrclibs_is_a_failure_that_may_mend(body: bytes) -> None:
    server = answering(lambda: web.Response(body=body, content_type="application/json"))
    with pytest.raises(ProviderFailed, match="not LRCLIB's") as failure:
        against(server, lambda c: c.get("deja vu", "beyonce", None, None))
    assert failure.value.transient


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    server = answering(lambda: web.Response(body=b" " * 5_000_000))
    with pytest.raises(ProviderFailed, match="more than"):
        against(server, lambda c: c.get("deja vu", "beyonce", None, None))


def test_a_404_of_another_server_is_not_nothing() -> None:
    server = answering(lambda: web.Response(status=404, text="<html>"))
    with pytest.raises(ProviderFailed, match="404"):
        against(server, lambda c: c.get("deja vu", "beyonce", None, None))


def test_a_host_that_does_not_answer_is_down() -> None:
    async def ask() -> ProviderFailed:
        limits = HostLimits(rate=10_000, in_flight=1, breaks_at=2)
        async with Lrclib("http://127.0.0.1:9", user_agent="t", limits=limits) as lrclib:
            with pytest.raises(ProviderFailed) as failure:
                await lrclib.get("a", "b", None, None)
            return failure.value

    assert asyncio.run(ask()).host_down


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("0", 0), ("7", 7), (" 7 ", 7), ("soon", None), ("-1", None), ("1.5", None)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert _seconds(header) == seconds


def test_retry_after_as_a_date() -> None:
    ahead = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < (_seconds(ahead) or 0) <= 30
    assert _seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.builds(Row, NAMES, NAMES, NAMES, LENGTHS), max_size=6),
    questions=st.lists(st.tuples(NAMES, NAMES, st.none() | NAMES, LENGTHS), min_size=1, max_size=5),
)
def test_the_api_and_the_dump_give_the_same_answers(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    questions: list[tuple[str, str, str | None, float | None]],
) -> None:
    file: Path = tmp_path_factory.mktemp("dump") / "dump.sqlite3"
    tracks = _as_stored(rows)
    questions += [(r.title, r.artist, r.album, r.duration) for r in rows]
    # Others are never sent: a server refuses empty names.
    sent = [q for q in questions if normalise(q[0]) and normalise(q[1])]
    dump = Dump(write(file, rows, full_text=False))

    async def ask(lrclib: Lrclib) -> tuple[Sequence[Entry | None], Sequence[Entry | None]]:
        return (
            [await lrclib.get(*question) for question in sent],
            [await dump.get(*question) for question in sent],
        )

    by_api, by_dump = against(LrclibServer(Catalogue(tracks)), ask)
    dump.close()
    assert by_api == by_dump


def _as_stored(rows: Sequence[Row]) -> list[Track]:
    """The rows as the dump keeps them: the first of those that it takes for the same."""
    kept: dict[tuple[str, str, str, float | None], Row] = {}
    several = []
    for row in rows:
        key = (normalise(row.title), normalise(row.artist), normalise(row.album), row.duration)
        if row.duration is None:
            several.append(row)
        elif key not in kept:
            kept[key] = row
            several.append(row)
    return [
        Track(n, r.title, r.artist, r.album, r.duration, r.instrumental, r.texts[-1])
        for n, r in enumerate(several, start=1)
    ]
