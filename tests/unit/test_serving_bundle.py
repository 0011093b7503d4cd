"""Building a bundle and opening it, on a disk and on S3."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from segue.embeddings.arrays import vectors_key
from segue.errors import Fenced, MalformedInput, SegueError
from segue.lake import Lake, begin, read_manifest
from segue.serving import build as build_module
from segue.serving.build import build_bundle
from segue.serving.bundle import Bundle, open_bundle
from segue.serving.layout import bundle_key, stored_files
from tests.lakes import (
    VERSION,
    new_lake,
    npy_bytes,
    song_vector,
    track_uri,
    write_corpus,
    write_partition,
)

WATERLOO = "Waterloo by ABBA on Waterloo"
HALO = "Halo by Beyoncé on I Am… Sasha Fierce"
HELP = "Help! by The Beatles on Help!"
HELP_AGAIN = "Help! - Remastered 2009 by The Beatles on Help! (Remastered)"
PLAYLISTS = {
    "7 Road trip": [WATERLOO, HALO, WATERLOO],
    "3 Party 🎉": [HALO, HELP, WATERLOO],
    "12 Empty": [],
    "20 Beatles": [HELP_AGAIN, HELP],
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return new_lake(tmp_path / "lake")


def contents(lake: Lake, version: str = VERSION) -> dict[str, bytes]:
    """Every file of a bundle, by the name it has in `layout`."""
    manifest = read_manifest(lake, bundle_key(version))
    assert manifest is not None
    return {
        name: lake.get(f"{bundle_key(version)}/{file['name']}")
        for name, file in stored_files(manifest).items()
    }


def test_a_bundle_holds_the_corpus(lake: Lake) -> None:
    order = write_corpus(lake, PLAYLISTS)
    manifest = build_bundle(lake, VERSION)
    assert (manifest.rows, manifest.facts["playlists"], manifest.facts["entries"]) == (4, 4, 7)
    bundle = open_bundle(lake, VERSION)
    assert list(bundle.pids) == [3, 7, 12, 20]
    assert [[order[t] for t in bundle.playlist_songs[row]] for row in range(4)] == [
        [HALO, HELP, WATERLOO], [WATERLOO, HALO], [], [HELP_AGAIN, HELP],
    ]  # fmt: skip
    assert {order[t]: list(bundle.song_playlists[t]) for t in range(4)} == {
        WATERLOO: [0, 1], HALO: [0, 1], HELP: [0, 3], HELP_AGAIN: [3],
    }  # fmt: skip
    assert bundle.names.playlist_names([3, 0]) == ["Beatles", "Party 🎉"]
    song = bundle.names.songs([order.index(HALO)])[0]
    assert (song.uri, song.title, song.artist) == (track_uri(HALO), "Halo", "Beyoncé")
    assert (song.album, song.playlists) == ("I Am… Sasha Fierce", 2)
    assert bundle.names.track_of(track_uri(HELP)) == order.index(HELP)
    assert [bundle.row_of(pid) for pid in (3, 12, 4, -1, 10**30)] == [0, 2, None, None, None]


def test_vectors_keep_their_length_and_units_have_length_one(lake: Lake) -> None:
    order = write_corpus(lake, PLAYLISTS, vectors={HALO: [3.0, 4.0]})
    build_bundle(lake, VERSION)
    bundle = open_bundle(lake, VERSION)
    halo = order.index(HALO)
    assert list(bundle.song_vectors[halo, :2]) == [3, 4]
    np.testing.assert_array_almost_equal(bundle.song_units[halo, :2], [0.6, 0.8])
    assert not np.delete(bundle.song_units, halo, axis=0).any()


def test_a_remaster_counts_as_the_same_recording(lake: Lake) -> None:
    order = write_corpus(lake, PLAYLISTS)
    build_bundle(lake, VERSION)
    recordings = open_bundle(lake, VERSION).recordings
    one, other = order.index(HELP), order.index(HELP_AGAIN)
    assert recordings[one] == recordings[other] == min(one, other)
    assert len(set(recordings)) == 3


def test_the_same_corpus_gives_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    other = new_lake(tmp_path / "elsewhere")
    many = {f"{pid} List {pid % 7}": [f"Song {n} by Band {n % 13}" for n in range(pid % 40)]
            for pid in range(300)}  # fmt: skip
    for target, rows in ((lake, 1_000), (other, 7)):
        write_corpus(target, many, row_group_size=rows)
        begin(target, bundle_key(VERSION))
    begin(other, bundle_key(VERSION))
    build_bundle(lake, VERSION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "_BATCH", 11)
        build_bundle(other, VERSION)
    assert contents(lake) == contents(other)


def test_the_digest_follows_the_inputs(lake: Lake, tmp_path: Path) -> None:
    other, third = new_lake(tmp_path / "other"), new_lake(tmp_path / "third")
    write_corpus(lake, PLAYLISTS)
    write_corpus(other, PLAYLISTS)
    write_corpus(third, {**PLAYLISTS, "99 One more": [HALO]})
    first, same, different = (build_bundle(each, VERSION) for each in (lake, other, third))
    assert first.digest == same.digest != different.digest


def test_a_bundle_that_is_there_already_is_left_alone(lake: Lake) -> None:
    write_corpus(lake, PLAYLISTS)
    assert build_bundle(lake, VERSION) == build_bundle(lake, VERSION)


def test_changed_inputs_replace_the_bundle(lake: Lake) -> None:
    write_corpus(lake, PLAYLISTS)
    build_bundle(lake, VERSION)
    write_corpus(lake, {"1 Other": [HALO]})
    build_bundle(lake, VERSION)
    assert list(open_bundle(lake, VERSION).pids) == [1]


def test_an_overtaken_attempt_leaves_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(lake, PLAYLISTS)
    write = build_module.write_files

    def overtaken(lake: Lake, version: str, folder: Path) -> dict[str, int]:
        begin(lake, bundle_key(version))
        return write(lake, version, folder)

    monkeypatch.setattr(build_module, "write_files", overtaken)
    with pytest.raises(Fenced):
        build_bundle(lake, VERSION)
    assert read_manifest(lake, bundle_key(VERSION)) is None


def test_a_corpus_without_songs_makes_a_bundle(lake: Lake) -> None:
    write_corpus(lake, {"1 Empty": []})
    build_bundle(lake, VERSION)
    bundle = open_bundle(lake, VERSION)
    assert len(bundle.playlist_songs) == 1
    assert len(bundle.song_vectors) == 0


def test_a_missing_input_says_what_to_run(lake: Lake) -> None:
    with pytest.raises(SegueError, match="is not there yet: run the task"):
        build_bundle(lake, VERSION)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((3, 32), np.float32), "holds 3 rows, the corpus has 4"),
        (np.full((4, 32), np.nan, np.float32), "not finite"),
        (np.zeros((4, 32)), "wanted rows of float32"),
    ],
)
def test_vectors_that_do_not_fit_the_corpus_are_refused(
    lake: Lake, vectors: np.ndarray, message: str
) -> None:
    write_corpus(lake, PLAYLISTS)
    key = vectors_key("word2vec", VERSION, "songs")
    write_partition(lake, key, {"vectors.npy": npy_bytes(vectors)})
    with pytest.raises(MalformedInput, match=message):
        build_bundle(lake, VERSION)


def test_a_truncated_file_is_noticed_on_opening(lake: Lake) -> None:
    write_corpus(lake, PLAYLISTS)
    manifest = build_bundle(lake, VERSION)
    path = Path(lake.path(f"{bundle_key(VERSION)}/{stored_files(manifest)['pids.npy']['name']}"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SegueError, match="not as it was written"):
        open_bundle(lake, VERSION)


@pytest.mark.parametrize("version", ["", "..", "a/b", ".hidden"])
def test_what_cannot_be_a_version_is_refused(lake: Lake, version: str) -> None:
    with pytest.raises(SegueError, match="is not a version"):
        open_bundle(lake, version)


def test_names_cannot_be_written(lake: Lake) -> None:
    write_corpus(lake, PLAYLISTS)
    build_bundle(lake, VERSION)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        open_bundle(lake, VERSION).names.query("DELETE FROM songs")


def test_the_names_file_is_sound(lake: Lake) -> None:
    write_corpus(lake, PLAYLISTS)
    manifest = build_bundle(lake, VERSION)
    path = lake.path(f"{bundle_key(VERSION)}/{stored_files(manifest)['names.sqlite']['name']}")
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def bucket(s3_url: str) -> Lake:
    return Lake(s3_url)


def answers(bundle: Bundle) -> object:
    return bundle.names.songs(range(4)), bundle.song_vectors.tolist(), list(bundle.pids)


def test_a_bundle_on_s3_is_fetched_once(bucket: Lake, lake: Lake, tmp_path: Path) -> None:
    for each in (bucket, lake):
        write_corpus(each, PLAYLISTS)
        build_bundle(each, VERSION)
    assert contents(bucket) == contents(lake)
    cache = tmp_path / "cache"
    first = open_bundle(bucket, VERSION, cache=cache, keep=2)
    assert answers(first) == answers(open_bundle(lake, VERSION))
    bucket.remove("bundles")
    assert answers(open_bundle(bucket, VERSION, cache=cache, keep=2)) == answers(first)
    assert [path.name for path in cache.iterdir()] == [VERSION]


def test_a_fetched_file_that_differs_from_its_checksum_is_refused(
    bucket: Lake, tmp_path: Path
) -> None:
    write_corpus(bucket, PLAYLISTS)
    manifest = build_bundle(bucket, VERSION)
    key = f"{bundle_key(VERSION)}/{stored_files(manifest)['pids.npy']['name']}"
    data = bucket.get(key)
    bucket.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SegueError, match="checksum differs"):
        open_bundle(bucket, VERSION, cache=tmp_path, keep=2)
    assert list(tmp_path.iterdir()) == []


def test_a_spoiled_cache_is_fetched_again(bucket: Lake, tmp_path: Path) -> None:
    write_corpus(bucket, PLAYLISTS)
    build_bundle(bucket, VERSION)
    before = answers(open_bundle(bucket, VERSION, cache=tmp_path, keep=2))
    (tmp_path / VERSION / "pids.npy").unlink()
    assert answers(open_bundle(bucket, VERSION, cache=tmp_path, keep=2)) == before


def test_only_the_newest_bundles_stay_in_the_cache(bucket: Lake, tmp_path: Path) -> None:
    for version in ("2021-01-01-a", "2021-01-02-b", "2021-01-03-c"):
        write_corpus(bucket, PLAYLISTS, version=version)
        build_bundle(bucket, version)
        open_bundle(bucket, version, cache=tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2021-01-02-b", "2021-01-03-c"]


def test_what_a_killed_fetch_left_is_cleared_away(bucket: Lake, tmp_path: Path) -> None:
    write_corpus(bucket, PLAYLISTS)
    build_bundle(bucket, VERSION)
    for name, modified in ((".a.1.part", 0), (".b.2.part", None)):
        (tmp_path / name).mkdir()
        if modified is not None:
            os.utime(tmp_path / name, (modified, modified))
    open_bundle(bucket, VERSION, cache=tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.2.part", VERSION]


def test_a_mapped_bundle_outlives_its_files(lake: Lake) -> None:
    order = write_corpus(lake, PLAYLISTS)
    build_bundle(lake, VERSION)
    bundle = open_bundle(lake, VERSION)
    bundle.names.songs([0])
    shutil.rmtree(lake.path("bundles"))
    wanted = np.array([song_vector(song) for song in order], np.float32)
    np.testing.assert_array_equal(bundle.song_vectors, wanted)
    assert len(bundle.names.songs(range(4))) == 4
