"""The dump and the API are two ways to one catalogue."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from segue.lyrics.limits import HostLimits
from segue.lyrics.lookup import Entry
from segue.lyrics.names import normalise
from segue.lyrics.providers.dump import Dump
from segue.lyrics.providers.lrclib import Lrclib
from tests.lrclib_server.catalogue import Catalogue, Track
from tests.lrclib_server.server import LrclibServer
from tests.unit.test_lyrics_dump import LENGTHS, NAMES, Row, write


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

    async def ask() -> tuple[list[Entry | None], list[Entry | None]]:
        limits = HostLimits(rate=10_000, in_flight=1)
        async with (
            LrclibServer(Catalogue(tracks)).running() as url,
            Lrclib(url, user_agent="test", limits=limits) as lrclib,
        ):
            return (
                [await lrclib.get(*question) for question in sent],
                [await dump.get(*question) for question in sent],
            )

    by_api, by_dump = asyncio.run(ask())
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
