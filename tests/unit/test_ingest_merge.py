"""Songs merged over files, and the version of a playlist that wins over files."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from segue.ingest import PlaylistVersions, decode_slice, losers_across_files, merge_tracks
from segue.ingest.merge import split_tracks
from tests.unit.ingest_slices import playlist, slice_of, song


def tracks(*titles: str, names: str = "") -> pa.Table:
    entries = [song(t, i, track_name=t + names) for i, t in enumerate(titles)]
    return decode_slice("a.json", slice_of(playlist(1, tracks=entries))).tables.tracks


def versions(file: str, **modified_at: int) -> PlaylistVersions:
    """The versions of playlists `p1`, `p2`, … in a file."""
    pids = np.array([int(p[1:]) for p in modified_at], dtype=np.int64)
    return PlaylistVersions(file, pids, np.array(list(modified_at.values()), dtype=np.int64))


def test_counts_are_added_and_names_come_from_the_first_table() -> None:
    merged = merge_tracks([tracks("a", "a", "b", names=" 1"), tracks("b", "c", names=" 2")])
    assert [
        (r["track_name"], r["num_playlists"], r["num_entries"]) for r in merged.to_pylist()
    ] == [("a 1", 1, 2), ("b 1", 2, 2), ("c 2", 1, 1)]


def test_no_tables_make_an_empty_one() -> None:
    assert merge_tracks([]).num_rows == 0


@given(st.lists(st.text("abcdef", min_size=1, max_size=11)), st.integers(1, 7))
def test_a_song_comes_into_one_bucket_whichever_file_it_is_from(
    titles: list[str], buckets: int
) -> None:
    one, other = tracks(*titles), tracks(*reversed(titles))
    for table in (one, other):
        parts = split_tracks(table, buckets)
        assert len(parts) == buckets
        assert sum(p.num_rows for p in parts) == table.num_rows
    for a, b in zip(split_tracks(one, buckets), split_tracks(other, buckets), strict=True):
        assert sorted(a.column("track_uri").to_pylist()) == sorted(
            b.column("track_uri").to_pylist()
        )


def test_buckets_of_many_songs_are_about_as_full() -> None:
    sizes = [p.num_rows for p in split_tracks(tracks(*(f"song {i}" for i in range(4_000))), 4)]
    assert min(sizes) > 800


def test_of_versions_in_several_files_the_latest_wins() -> None:
    files = [versions("a", p1=10, p2=5), versions("b", p1=20, p3=5), versions("c", p1=15, p2=-7)]
    losers = losers_across_files(files)
    assert {file: sorted(pids) for file, pids in losers.items()} == {"a": [1], "c": [1, 2]}
    assert losers["a"][1] == "duplicate pid: b, modified at 20, is kept"
    assert losers["c"][2] == "duplicate pid: a, modified at 5, is kept"


def test_of_equal_versions_the_first_file_by_name_wins() -> None:
    assert list(losers_across_files([versions("b", p1=10), versions("a", p1=10)])) == ["b"]


def test_the_extremes_of_time_are_in_order() -> None:
    low, high = versions("a", p1=-(2**63)), versions("b", p1=2**63 - 1)
    assert list(losers_across_files([low, high])) == ["a"]


@pytest.mark.parametrize("files", [[], [versions("a")], [versions("a", p1=1), versions("b", p2=1)]])
def test_without_duplicates_nobody_loses(files: list[PlaylistVersions]) -> None:
    assert losers_across_files(files) == {}


def test_songs_in_another_order_are_still_one_row_each() -> None:
    merged = merge_tracks([tracks("a", "b", "c"), tracks("a", "c", "b", names=" 2"), tracks("b")])
    assert [(r["track_name"], r["num_entries"]) for r in merged.to_pylist()] == [
        ("a", 2),
        ("b", 3),
        ("c", 2),
    ]
