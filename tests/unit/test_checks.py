"""The data-quality checks of a staged partition."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from segue.errors import Fenced, SegueError
from segue.ingest import checks
from segue.ingest.checks import CheckResult, check_files, check_partition, render_checks
from segue.lake import Lake, Partition, begin, read_manifest
from segue.schemas import PLAYLISTS, TRACKS
from tests.drops import Playlists, tables, write_drop

ROAD_TRIP = {"1 Road trip": ["a", "b", "a"], "2 Party": ["b", "c"], "3 empty": []}

REAL_DAYS = [
    (254, 18981, 24499), (185, 11620, 15693), (157, 9298, 12477), (89, 8229, 9270),
    (167, 10267, 13584), (167, 11530, 14986), (172, 10756, 14446), (167, 10974, 14408),
    (115, 5353, 8297), (77, 1899, 3982), (100, 4934, 7213), (109, 5346, 7795),
    (109, 5432, 7920), (161, 10763, 14017), (114, 5986, 8355), (142, 8494, 11815),
    (0, 0, 0), (124, 7318, 9855), (43, 4710, 4956), (123, 7582, 10212),
    (160, 10277, 13251), (150, 9188, 12498), (0, 0, 0), (0, 0, 0),
    (150, 9119, 12217), (64, 6664, 7241), (136, 9206, 11894), (164, 10901, 14149),
    (137, 8207, 10882), (161, 10261, 13864),
]  # fmt: skip
"""Playlists, songs and entries of the 30 days of spotify-daily."""


def facts(playlists: int, quarantined: int = 0, **more: int) -> dict[str, int]:
    return {
        "playlists_in": playlists + quarantined,
        "playlists_out": playlists,
        "playlists_quarantined": quarantined,
        **more,
    }


def bad(results: list[CheckResult]) -> dict[str, Any]:
    """What the checks that are not fine observed."""
    return {r.name: r.observed for r in results if not r.ok}


def checked(
    drop: Playlists, change: Any = None, said: dict[str, int] | None = None
) -> dict[str, Any]:
    """What is wrong with a drop once `change` has been done to its tables."""
    playlists, tracks = tables(drop)
    said = said or facts(playlists.num_rows)
    if change:
        playlists, tracks = change(playlists, tracks)
    return bad(check_partition(playlists, tracks, said, []))


def setting(schema: pa.Schema, rows: pa.Table, row: int, **values: Any) -> pa.Table:
    """`rows` with some values of one row changed."""
    listed = rows.to_pylist()
    listed[row] |= values
    loose = pa.schema([f.with_nullable(True) for f in schema])
    return pa.Table.from_pylist(listed, loose)


def test_a_sound_partition_passes_every_check() -> None:
    assert checked(ROAD_TRIP, said=facts(3, 2, tracks=3, entries=5)) == {}


def test_an_empty_drop_passes_with_a_note() -> None:
    playlists, tracks = tables({})
    results = check_partition(playlists, tracks, facts(0), [])
    assert bad(results) == {"not_empty": 0}
    assert {r.severity for r in results if not r.ok} == {"warn"}


def test_rows_that_the_manifest_does_not_count_fail() -> None:
    assert checked(ROAD_TRIP, said=facts(4)) == {"row_counts": {"playlists_out": 3}}
    assert "row_counts" in checked(ROAD_TRIP, said=facts(3, tracks=2))
    assert "row_counts" in checked(ROAD_TRIP, said=facts(3, entries=6))


def test_rows_that_vanished_silently_fail() -> None:
    said = facts(3, 1) | {"playlists_in": 5}
    assert checked(ROAD_TRIP, said=said) == {"rows_accounted": 4}


def test_a_manifest_that_does_not_count_fails() -> None:
    playlists, tracks = tables(ROAD_TRIP)
    assert set(bad(check_partition(playlists, tracks, {}, []))) == {"row_counts", "rows_accounted"}


def test_a_pid_twice_fails() -> None:
    assert checked(ROAD_TRIP, lambda p, t: (setting(PLAYLISTS, p, 2, pid=1), t)) == {
        "pid_unique": 1
    }


def test_a_song_twice_fails() -> None:
    found = checked(ROAD_TRIP, lambda p, t: (p, pa.concat_tables([t, t.slice(0, 1)])))
    assert found["track_uri_unique"] == 1


@pytest.mark.parametrize("column", [f.name for f in PLAYLISTS if not f.nullable])
def test_a_null_in_a_required_column_of_playlists_fails(column: str) -> None:
    found = checked(ROAD_TRIP, lambda p, t: (setting(PLAYLISTS, p, 0, **{column: None}), t))
    assert found["required_fields"] == {f"playlists/{column}": pytest.approx(1 / 3, abs=1e-5)}


@pytest.mark.parametrize("column", TRACKS.names)
def test_a_null_in_a_required_column_of_tracks_fails(column: str) -> None:
    found = checked(ROAD_TRIP, lambda p, t: (p, setting(TRACKS, t, 0, **{column: None})))
    assert found["required_fields"] == {f"tracks/{column}": pytest.approx(1 / 3, abs=1e-5)}


def test_a_song_of_a_playlist_that_is_not_described_fails() -> None:
    assert checked(ROAD_TRIP, lambda p, t: (p, t.slice(1))) == {"songs_described": 1}


def test_a_song_that_no_playlist_holds_fails() -> None:
    assert checked(ROAD_TRIP, lambda p, t: (p.slice(0, 1), t), facts(1)) == {
        "songs_held": 1,
        "songs_counted": 1,
    }


@pytest.mark.parametrize("count", ["num_playlists", "num_entries"])
def test_a_song_that_is_counted_wrong_fails(count: str) -> None:
    found = checked(ROAD_TRIP, lambda p, t: (p, setting(TRACKS, t, 0, **{count: 9})))
    assert found == {"songs_counted": 1}


def test_a_playlist_whose_length_is_stated_wrong_fails() -> None:
    assert checked(ROAD_TRIP, lambda p, t: (setting(PLAYLISTS, p, 1, num_tracks=9), t)) == {
        "num_tracks": 1
    }


def ran(playlists: int, tracks: int, entries: int, description: float = 1.0) -> dict[str, Any]:
    """A run's document."""
    shares = {f"playlists/{f.name}": 1.0 for f in PLAYLISTS if f.nullable}
    shares["playlists/description"] = description
    rows = {"playlists_out": playlists, "tracks": tracks, "entries": entries}
    return {"rows": rows, "checks": [{"name": "null_shares", "observed": shares}]}


def warnings(history: list[dict[str, Any]], songs: int = 1) -> set[str]:
    playlists, tracks = tables({f"{i} n": [f"{i}"] for i in range(songs)})
    results = check_partition(playlists, tracks, facts(songs), history)
    assert all(r.severity == "warn" for r in results if not r.ok)
    return {r.name for r in results if not r.ok}


def test_counts_far_from_the_last_runs_warn() -> None:
    usual = [ran(100, 100, 100)] * 5
    assert warnings(usual, songs=100) == set()
    drifts = {"drift_playlists", "drift_tracks", "drift_entries"}
    assert warnings(usual, songs=10) & drifts == drifts
    assert warnings(usual, songs=900) & drifts == drifts
    assert not warnings(usual, songs=20) & drifts


@pytest.mark.parametrize("history", [[], [ran(0, 0, 0)] * 7, [ran(1000, 1000, 1000)] * 2, [{}] * 7])
def test_few_or_empty_runs_are_no_ground_for_a_warning(history: list[dict[str, Any]]) -> None:
    assert warnings(history) == set()


def test_a_real_feed_gives_no_warning_but_for_its_empty_days() -> None:
    for number, (playlists, tracks, entries) in enumerate(REAL_DAYS):
        history = [ran(*day) for day in reversed(REAL_DAYS[max(0, number - 7) : number])]
        counts = {"playlists_out": playlists, "tracks": tracks, "entries": entries}
        drift = [checks._drift(name, count, history) for name, count in counts.items()]
        assert [r for r in drift if not r.ok] == []


def test_a_column_that_is_suddenly_empty_warns() -> None:
    assert warnings([ran(1, 1, 1, description=0.1)] * 5) == {"null_shares"}
    assert warnings([ran(1, 1, 1, description=0.6)] * 5) == set()


def _lake(folder: Path, drop: Playlists, **options: Any) -> tuple[Lake, Partition, Partition]:
    lake = Lake(folder.as_uri())
    write_drop(lake, "2021-04-10", drop, **options)
    keys = [f"staging/{table}/dt=2021-04-10" for table in ("playlists", "tracks")]
    return lake, Partition(lake, keys[0]), Partition(lake, keys[1])


def test_files_are_checked_as_tables_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_COMPACT", 50)
    monkeypatch.setattr(checks, "_BATCH_ROWS", 7)
    chance = random.Random(1)
    songs = [f"s{i}" for i in range(60)]
    drop = {f"{pid} n": chance.choices(songs, k=chance.randrange(20)) for pid in range(200)}
    _, playlists, tracks = _lake(tmp_path, drop, row_group_size=30)
    assert bad(check_files(playlists, tracks, [])) == {}


@pytest.mark.parametrize("drop", [{}, {"1 n": []}])
def test_files_of_a_drop_without_songs_pass(tmp_path: Path, drop: Playlists) -> None:
    _, playlists, tracks = _lake(tmp_path, drop)
    assert set(bad(check_files(playlists, tracks, []))) <= {"not_empty"}


def test_tables_of_two_attempts_fail(tmp_path: Path) -> None:
    lake, playlists, tracks = _lake(tmp_path, ROAD_TRIP)
    attempt = begin(lake, "staging/dt=2021-04-10")
    manifest = read_manifest(lake, tracks.key)
    assert manifest is not None
    newer = type(manifest)(manifest.files, attempt.token, "", manifest.rows)
    lake.put(f"{tracks.key}/_SUCCESS", newer.to_json())
    assert bad(check_files(playlists, tracks, [])) == {"one_attempt": {"playlists": 1, "tracks": 2}}


def test_a_partition_that_is_not_there_is_named(tmp_path: Path) -> None:
    _, playlists, _ = _lake(tmp_path, ROAD_TRIP)
    gone = Partition(playlists.lake, "staging/tracks/dt=2021-04-11")
    with pytest.raises(SegueError, match="staging/tracks/dt=2021-04-11 is not there"):
        check_files(playlists, gone, [])


def test_a_partition_that_is_replaced_meanwhile_fences_the_check_off(tmp_path: Path) -> None:
    lake, playlists, tracks = _lake(tmp_path, ROAD_TRIP)
    lake.remove(f"{tracks.key}/part-00000-t000001.parquet")
    with pytest.raises(Fenced, match="was replaced"):
        check_files(playlists, tracks, [])


def test_the_results_are_shown_as_a_table() -> None:
    playlists, tracks = tables(ROAD_TRIP)
    shown = render_checks(check_partition(playlists, tracks, facts(4), [])).splitlines()
    assert shown[0].split() == ["check", "result", "observed", "expected", "detail"]
    assert shown[1].split()[:2] == ["row_counts", "FAILED"]
