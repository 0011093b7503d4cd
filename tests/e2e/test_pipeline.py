"""Real playlists through the real scheduler, Spark and MongoDB, and what must hold of the result.

The tests share a stack and build on one state: the first days of spotify-daily (five with
`../shared/data`, else the three of `sample/`), ingested one after the other.
"""

import json
import os
import time
import zlib
from datetime import date, timedelta
from typing import Any

import pytest

from segue.lake import Lake, Partition
from segue.settings import PROJECT
from segue.stack import dagruns
from segue.stack.api import client
from tests.e2e import snapshots
from tests.e2e.killing import Killer
from tests.fixtures_stack import StackHome
from tests.lrclib_server import made_up
from tests.lrclib_server.process import stand_in

SHARED = PROJECT.parent / "shared" / "data" / "spotify-daily"
SOURCE = SHARED if SHARED.is_dir() else PROJECT / "sample" / "spotify-daily"
DAYS = [date(2021, 4, 9) + timedelta(days=i) for i in range(5 if SHARED.is_dir() else 3)]

# Twenty when the test is run for its own sake, a few in a suite that must end in time.
KILLS = int(os.environ.get("SEGUE_TEST_KILLS", "4"))

INGEST = "ingest_playlists"
LOOKED_UP = 1_200

Snapshot = tuple[dict[str, Any], dict[str, Any]]


def snapshot(stack: StackHome) -> Snapshot:
    return snapshots.stored(stack.settings), snapshots.staged(stack.settings)


@pytest.fixture(scope="module")
def lyrics(
    stack: StackHome, day_by_day: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, int]]:
    """What two runs of collecting did, from a server that has a text for every other song."""
    songs = [
        {"name": t["track_name"], "artist": t["artist_name"], "album": t["album_name"],
         "duration": t["duration_ms"] / 1000, "plain": made_up.text(uri, t["artist_name"])}
        for uri, t in sorted(day_by_day[0]["tracks"].items())
        if zlib.crc32(uri.encode()) % 2 or "Blinding" in t["track_name"]
    ]  # fmt: skip
    file = tmp_path_factory.mktemp("lyrics") / "catalogue.json"
    file.write_text(json.dumps(songs))
    with stand_in(file) as url, client(stack.settings) as api:
        done = []
        conf = {"provider": "lrclib", "lrclib_url": url, "rate": 1_000, "max_songs": LOOKED_UP}
        for _ in range(2):
            run = dagruns.trigger_now(api, "collect_lyrics", conf)
            assert dagruns.follow_run(api, run, lambda runs, tasks: None).state == "success"
            done.append(dagruns.returned(api, run, "summarise"))
    return done


def segue_json(stack: StackHome, *arguments: str) -> dict[str, Any]:
    done = stack.segue(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def day_by_day(stack: StackHome, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The state after the days were ingested one after the other."""
    for day in DAYS:
        folder = tmp_path_factory.mktemp("day")
        (folder / f"dt={day}").symlink_to(SOURCE / f"dt={day}")
        document = segue_json(stack, "run", "--source", str(folder), "--no-train")
        assert [r["state"] for r in document["runs"]] == ["success"]
        rows = document["rows"]
        assert rows["playlists_in"] == rows["playlists_out"] + rows["playlists_quarantined"]
    return snapshot(stack)


@pytest.fixture
def emptied(stack: StackHome, day_by_day: Snapshot) -> None:
    """The same inbox, and nothing ingested of it."""
    snapshots.forget(stack.settings)


def backfill(stack: StackHome, *options: str) -> None:
    """`airflow backfill create` over the days, followed to its end."""
    done = stack.airflow(
        "backfill", "create", "--dag-id", INGEST, "--from-date", str(DAYS[0]),
        "--to-date", str(DAYS[-1]), "--reprocess-behavior", "completed", "--max-active-runs", "3",
        *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with client(stack.settings) as api:
        ended = dagruns.follow(api, INGEST, DAYS[0], DAYS[-1], lambda runs, tasks: None)
        # A backfill is over a moment after its last run: until then no other can be made.
        while any(b["completed_at"] is None for b in backfills(api)):
            time.sleep(0.5)
    assert [r.state for r in ended] == ["success"] * len(DAYS)


def backfills(api: Any) -> list[dict[str, Any]]:
    return api.get("/api/v2/backfills", params={"dag_id": INGEST}).json()["backfills"]


def test_a_later_day_replaces_a_playlist_and_nothing_is_lost(
    stack: StackHome, day_by_day: Snapshot
) -> None:
    stored, staged = day_by_day
    latest: dict[int, tuple[int, str, list[str]]] = {}
    for partition, rows in staged.items():
        if "/playlists/" in partition:
            day = partition.rsplit("dt=", 1)[1]
            for row in rows:
                version = (row["modified_at"], day, row["track_uris"])
                latest[row["pid"]] = max(latest.get(row["pid"], version), version)
    assert {pid: p["track_uris"] for pid, p in stored["playlists"].items()} == {
        pid: uris for pid, (_, _, uris) in latest.items()
    }
    holders: dict[str, int] = {}
    for _, _, uris in latest.values():
        for uri in set(uris):
            holders[uri] = holders.get(uri, 0) + 1
    counted = {uri: t["num_playlists"] for uri, t in stored["tracks"].items()}
    assert {uri: n for uri, n in counted.items() if n} == holders


def test_a_backfill_backwards_gives_the_same_store(
    stack: StackHome, day_by_day: Snapshot, emptied: None
) -> None:
    backfill(stack, "--run-backwards")
    assert snapshot(stack) == day_by_day


def test_a_backfill_run_twice_changes_nothing(stack: StackHome, day_by_day: Snapshot) -> None:
    backfill(stack)
    assert snapshot(stack) == day_by_day


@pytest.mark.timeout(300 + 120 * KILLS)
def test_killed_tasks_end_in_the_same_state(
    stack: StackHome, day_by_day: Snapshot, emptied: None
) -> None:
    """SIGKILL at random moments: the task alone, its process group, its JVM alone."""
    killer = Killer(stack.home, KILLS, seed=int(os.environ.get("SEGUE_TEST_SEED", "1")))
    killer.start()
    try:
        with client(stack.settings) as api:
            dagruns.backfill(api, INGEST, DAYS[0], DAYS[-1], 2)
            ended = dagruns.follow(api, INGEST, DAYS[0], DAYS[-1], lambda runs, tasks: None)
    finally:
        killer.stop()
    print(f"killed: {killer.killed}")
    assert killer.killed
    assert [r.state for r in ended] == ["success"] * len(DAYS)
    assert snapshot(stack) == day_by_day


def test_lyrics_are_collected_and_a_second_run_goes_on_with_other_songs(
    stack: StackHome, day_by_day: Snapshot, lyrics: list[dict[str, int]]
) -> None:
    for did in lyrics:
        assert did["found"] + did["not_found"] == LOOKED_UP
        assert did["found"] > LOOKED_UP / 3
        assert did["skipped"] == did["failed"] == did["batches_failed"] == 0
    status = segue_json(stack, "lyrics", "status")
    assert status["found"] == sum(did["found"] for did in lyrics)
    assert status["found"] + status["not_found"] == len(lyrics) * LOOKED_UP
    assert status["songs"] == len(
        [t for t in day_by_day[0]["tracks"].values() if t["num_playlists"]]
    )


def test_training_publishes_what_the_commands_answer_from(
    stack: StackHome, day_by_day: Snapshot, lyrics: list[dict[str, int]]
) -> None:
    with client(stack.settings) as api:
        versions = []
        for _ in range(2):
            dagruns.trigger(api, "train_models", DAYS[-1] + timedelta(days=1), "plan_version")
            day = DAYS[-1] + timedelta(days=1)
            ended = dagruns.follow(api, "train_models", day, day, lambda runs, tasks: None)
            assert [r.state for r in ended] == ["success"]
            versions.append(dagruns.returned(api, ended[0], "plan_version"))
    assert versions[0] == versions[1]
    version = versions[0]
    models = segue_json(stack, "models")["models"]
    assert [(m["version"], m["state"]) for m in models] == [(version, "published")]
    found = segue_json(stack, "songs", "blinding lights weeknd")["songs"]
    assert found[0]["title"] == "Blinding Lights"
    similar = segue_json(stack, "similar", found[0]["uri"])
    assert similar["version"] == version
    assert len(similar["similar"]) == 10
    assert found[0]["uri"] not in {s["uri"] for s in similar["similar"]}
    continuation = segue_json(stack, "continue", found[0]["uri"], "-n", "50")
    assert len({t["uri"] for t in continuation["tracks"]} - {found[0]["uri"]}) == 50
    playlists = segue_json(stack, "playlists", found[0]["uri"])["playlists"]
    assert len(playlists) == 10
    assert set(models[0]["vectors"]) >= {"song_vectors", "word_vectors", "lyrics_vectors"}
    assert len(segue_json(stack, "similar", found[0]["uri"], "--by", "lyrics")["similar"]) == 10
    assert segue_json(stack, "words", "love")["similar"]
    report = Partition(Lake(stack.settings.lake_url), f"exports/{version}/lyrics_correlation")
    assert any(path.endswith(".html") for path in report.paths())


def test_a_drop_that_cannot_be_read_fails_and_says_why(stack: StackHome, tmp_path: Any) -> None:
    (tmp_path / "mpd.slice.0-999.json").write_text('{"playlists": [{"pid": 1')
    done = stack.segue("run", "--source", str(tmp_path), "--date", "2021-05-01", "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "preprocess" in done.stderr
    assert "quarantine" in done.stderr
    assert "attempt=1.log" in done.stderr.replace("\n", ""), "it must not have been tried again"


def test_an_empty_drop_is_a_success(stack: StackHome, tmp_path: Any) -> None:
    (tmp_path / "mpd.slice.0-999.json").write_text('{"info": {}, "playlists": []}')
    document = segue_json(
        stack, "run", "--source", str(tmp_path), "--date", "2021-05-02", "--no-train"
    )
    assert [r["state"] for r in document["runs"]] == ["success"]
    assert document["rows"]["playlists_in"] == 0
