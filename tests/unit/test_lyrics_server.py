"""The stand-in answers as LRCLIB's own server does (its sources: tranxuanthang/lrclib)."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.lrclib_server.catalogue import Catalogue, Track, made_up_for, read
from tests.lrclib_server.server import LrclibServer

TRACKS = [
    Track(1, "Río Azul", "Los Gatos", "Uno", 200.0, plain="un gato en el río"),
    Track(2, "Río Azul", "Los Gatos", "Dos", 240.0, synced="[00:01.00] otro gato"),
    Track(3, "Don't Stop!", "The Ends", "Last", 180.5, instrumental=True),
    Track(4, "Stop", "Blue Gatos Band", "Río Azul", None),
    Track(5, "?!", "?!", "?!", 100.0),
]


def ask(
    *requests: tuple[str, Mapping[str, str]], tracks: list[Track] = TRACKS
) -> list[tuple[int, str, Any]]:
    """Status, content type and body (parsed if JSON) of each request's answer."""

    async def run() -> list[tuple[int, str, Any]]:
        answers = []
        async with (
            LrclibServer(Catalogue(tracks)).running() as url,
            aiohttp.ClientSession() as session,
        ):
            for path, query in requests:
                async with session.get(f"{url}/api/{path}", params=query) as response:
                    kind = response.content_type
                    body = await (response.json() if "json" in kind else response.text())
                    answers.append((response.status, kind, body))
        return answers

    return asyncio.run(run())


def got(**query: str) -> tuple[int, Any]:
    ((status, _, body),) = ask(("get", query))
    return status, body


def found(**query: str) -> set[int]:
    ((_, _, body),) = ask(("search", query))
    return {row["id"] for row in body}


def test_a_track_is_answered_with_all_its_fields() -> None:
    assert got(track_name="Don't Stop!", artist_name="The Ends") == (
        200,
        {
            "id": 3, "name": "Don't Stop!", "trackName": "Don't Stop!", "artistName": "The Ends",
            "albumName": "Last", "duration": 180.5, "instrumental": True, "plainLyrics": None,
            "syncedLyrics": None,
        },
    )  # fmt: skip


def test_names_are_compared_without_case_accents_and_punctuation() -> None:
    status, body = got(track_name="rio   AZUL?", artist_name="los-gatos", album_name="(dos)")
    assert (status, body["id"]) == (200, 2)


def test_without_an_album_the_first_track_is_answered() -> None:
    assert got(track_name="rio azul", artist_name="los gatos")[1]["id"] == 1
    assert got(track_name="rio azul", artist_name="los gatos", album_name="!")[1]["id"] == 1


@pytest.mark.parametrize(("duration", "expected"), [("198", 1), ("202", 1), ("240", 2), ("203", 0)])
def test_the_duration_is_right_within_two_seconds(duration: str, expected: int) -> None:
    status, body = got(track_name="rio azul", artist_name="los gatos", duration=duration)
    assert (body["id"] if status == 200 else 0) == expected


@pytest.mark.parametrize("name", ["Nothing", "?!"])
def test_nothing_is_a_404_that_says_so(name: str) -> None:
    assert got(track_name=name, artist_name="?!") == (
        404,
        {
            "message": "Failed to find specified track", "name": "TrackNotFound",
            "statusCode": 404,
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"track_name": "", "artist_name": "a"}, "track_name: cannot be empty"),
        ({"track_name": "a", "artist_name": ""}, "artist_name: cannot be empty"),
        ({"track_name": "a", "artist_name": "a", "duration": "0.5"}, "between 1 and 3600"),
        ({"track_name": "a", "artist_name": "a", "duration": "3601"}, "between 1 and 3600"),
        ({"track_name": "a", "artist_name": "a", "duration": "nan"}, "between 1 and 3600"),
    ],
)
def test_what_cannot_be_is_a_validation_error(query: dict[str, str], message: str) -> None:
    status, body = got(**query)
    assert (status, body["name"], body["statusCode"]) == (400, "ValidationError", 400)
    assert message in body["message"]


@pytest.mark.parametrize(
    "query", [{"artist_name": "a"}, {"track_name": "a", "artist_name": "a", "duration": "long"}]
)
def test_a_query_of_another_shape_is_refused_in_plain_text(query: dict[str, str]) -> None:
    ((status, kind, body),) = ask(("get", query))
    assert (status, kind) == (400, "text/plain")
    assert body.startswith("Failed to deserialize query string")


def test_a_track_can_be_asked_for_by_its_number() -> None:
    found, missing, wrong = ask(("get/2", {}), ("get/99", {}), ("get/two", {}))
    assert (found[0], found[2]["albumName"]) == (200, "Dos")
    assert (missing[0], missing[2]["name"]) == (404, "TrackNotFound")
    assert wrong[0] == 400


def test_a_search_takes_the_title_as_a_phrase_and_the_first_word_of_the_artist() -> None:
    assert found(track_name="stop") == {3, 4}
    assert found(track_name="stop", artist_name="gatos") == {4}
    assert found(track_name="azul rio") == set()
    # As the server writes its query, the second word may stand in any name.
    assert found(track_name="stop", artist_name="gatos azul") == {4}
    assert found(track_name="rio azul", album_name="dos") == {2}


def test_a_search_for_anything_looks_at_all_names() -> None:
    assert found(q="gatos") == {1, 2, 4}
    assert found(q="rio azul") == {1, 2, 4}


def test_a_search_without_a_title_finds_nothing() -> None:
    assert found(artist_name="gatos") == set()
    assert found(track_name="?!", artist_name="gatos") == set()


def test_a_search_gives_twenty_at_most() -> None:
    many = [Track(n, "Same", f"Artist {n}", "Album", 100.0) for n in range(1, 50)]
    ((_, _, body),) = ask(("search", {"track_name": "same"}), tracks=many)
    assert len(body) == 20


def test_it_counts_requests_and_the_most_at_once() -> None:
    async def run() -> dict[str, Any]:
        server = LrclibServer(Catalogue(TRACKS), seconds=0.05)
        async with server.running() as url, aiohttp.ClientSession() as session:

            async def one(title: str) -> None:
                query = {"track_name": title, "artist_name": "x"}
                async with session.get(f"{url}/api/get", params=query):
                    pass

            await asyncio.gather(*(one(title) for title in ("a", "a", "b")))
            async with session.get(f"{url}/_stats") as response:
                return dict(await response.json())

    seen = asyncio.run(run())
    assert (seen["requests"], seen["most_in_flight"], seen["most_in_a_second"]) == (3, 3, 3)
    assert seen["answered"] == {
        "/api/get?track_name=a&artist_name=x": 2,
        "/api/get?track_name=b&artist_name=x": 1,
    }


def test_which_requests_meet_a_fault_is_the_seeds_choice() -> None:
    async def statuses(seed: int) -> list[int]:
        server = LrclibServer(Catalogue(TRACKS), faults=["broken"], share=0.5, seed=seed)
        seen = []
        async with server.running() as url, aiohttp.ClientSession() as session:
            for _ in range(30):
                async with session.get(f"{url}/api/get/1") as response:
                    seen.append(response.status)
        return seen

    first, again, other = (asyncio.run(statuses(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert set(first) == {200, 500}


def test_texts_made_up_for_a_drop_are_the_same_each_time(tmp_path: Path) -> None:
    songs = [
        {"track_name": f"Song {n}", "artist_name": f"Artist {n % 5}", "album_name": "A",
         "duration_ms": 200_000}
        for n in range(200)
    ]  # fmt: skip
    (tmp_path / "mpd.slice.0-0.json").write_text(json.dumps({"playlists": [{"tracks": songs}]}))
    one, two = made_up_for(tmp_path).tracks, made_up_for(tmp_path).tracks
    assert one == two
    with_text = [track for track in one if track.plain]
    assert 0.7 < len(with_text) / 200 < 0.95
    assert any(track.instrumental for track in one)
    assert len(one) < 200


def test_a_catalogue_is_read_from_a_file(tmp_path: Path) -> None:
    row = {"name": "N", "artist": "A", "album": "B", "duration": 1.5, "plain": "la"}
    (tmp_path / "c.json").write_text(json.dumps([row]))
    assert read(tmp_path / "c.json").tracks == [Track(1, "N", "A", "B", 1.5, plain="la")]
