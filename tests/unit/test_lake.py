"""The lake keeps its promises on a disk and on S3 alike."""

import threading
from pathlib import Path

import pytest

from segue.errors import Fenced, SettingError
from segue.lake import Lake, Manifest, Partition, begin, read_manifest


@pytest.fixture(params=["file", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "file":
        return Lake(tmp_path.as_uri())
    return Lake(request.getfixturevalue("s3_url"))


def write(attempt, key: str, stem: str, data: bytes = b"x") -> str:
    name = attempt.file_name(stem, "bin")
    attempt.lake.put(f"{attempt.work}/{key}/{name}", data)
    return name


def commit(attempt, key: str, stem: str, data: bytes = b"x") -> None:
    name = write(attempt, key, stem, data)
    attempt.commit({key: Manifest([name], attempt.token, "digest", rows=1)})


def content(lake: Lake, key: str) -> list[bytes]:
    return [bytes(lake.fs.cat_file(path)) for path in Partition(lake, key).paths()]


def data_files(lake: Lake, key: str) -> list[str]:
    return [k for k in lake.walk(key) if not k.rsplit("/", 1)[1].startswith("_")]


def test_what_is_put_is_read_and_listed(lake: Lake) -> None:
    lake.put("a/b/one", b"1")
    lake.put("a/two", b"22")
    assert lake.get("a/b/one") == b"1"
    assert lake.size("a/two") == 2
    assert lake.children("a") == ["a/b", "a/two"]
    assert lake.walk("a") == ["a/b/one", "a/two"]
    assert lake.exists("a/two")
    assert not lake.exists("a/three")
    assert lake.children("nothing") == []


def test_a_write_that_fails_leaves_what_was_there(lake: Lake) -> None:
    lake.put("a", b"old")

    def fail() -> None:
        with lake.writer("a") as out:
            out.write(b"n" * (6 << 20))
            raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        fail()
    assert lake.get("a") == b"old"
    assert lake.walk("") == ["a"]


def test_a_write_larger_than_one_part_arrives_whole(lake: Lake) -> None:
    data = bytes(range(256)) * (13 << 12)
    with lake.writer("big") as out:
        for start in range(0, len(data), 1 << 20):
            out.write(data[start : start + (1 << 20)])
    assert lake.get("big") == data


def test_only_the_first_creates(lake: Lake) -> None:
    assert lake.create("k", b"first")
    assert not lake.create("k", b"second")
    assert lake.get("k") == b"first"


def test_replace_if_refuses_when_the_content_changed(lake: Lake) -> None:
    assert lake.replace_if("k", b"1", None)
    assert not lake.replace_if("k", b"2", None)
    assert lake.replace_if("k", b"2", b"1")
    assert not lake.replace_if("k", b"3", b"1")
    assert lake.get("k") == b"2"


def test_a_partition_exists_once_it_is_committed(lake: Lake) -> None:
    attempt = begin(lake, "ingest/dt=2021-04-09")
    write(attempt, "staging/playlists/dt=2021-04-09", "part-00000")
    assert read_manifest(lake, "staging/playlists/dt=2021-04-09") is None
    commit(attempt, "staging/playlists/dt=2021-04-09", "part-00000", b"rows")
    assert content(lake, "staging/playlists/dt=2021-04-09") == [b"rows"]
    assert lake.walk(attempt.work) == []


def test_a_second_attempt_replaces_the_partition(lake: Lake) -> None:
    commit(begin(lake, "n"), "p", "part-00000", b"old")
    commit(begin(lake, "n"), "p", "part-00000", b"new")
    assert content(lake, "p") == [b"new"]
    assert data_files(lake, "p") == ["p/part-00000-t000002.bin"]


def test_a_commit_removes_what_killed_attempts_left(lake: Lake) -> None:
    killed = begin(lake, "n")
    write(killed, "p", "part-00000")
    commit(begin(lake, "n"), "p", "part-00000", b"new")
    assert lake.walk(killed.work) == []


def test_an_overtaken_attempt_cannot_commit(lake: Lake) -> None:
    old, new = begin(lake, "n"), begin(lake, "n")
    with pytest.raises(Fenced):
        commit(old, "p", "part-00000", b"old")
    assert read_manifest(lake, "p") is None
    commit(new, "p", "part-00000", b"new")
    with pytest.raises(Fenced):
        commit(old, "p", "part-00001", b"old")
    assert content(lake, "p") == [b"new"]
    assert data_files(lake, "p") == ["p/part-00000-t000002.bin"]


def test_an_attempt_paused_in_its_commit_is_refused(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passed the check for newer attempts, then slept while a newer one committed."""
    old = begin(lake, "n")
    move = lake.move

    def overtake_then_move(source: str, target: str) -> None:
        monkeypatch.setattr(lake, "move", move)
        commit(begin(lake, "n"), "p", "part-00000", b"new")
        move(source, target)

    monkeypatch.setattr(lake, "move", overtake_then_move)
    with pytest.raises(Fenced):
        commit(old, "p", "part-00000", b"old")
    assert content(lake, "p") == [b"new"]
    assert data_files(lake, "p") == ["p/part-00000-t000002.bin"]


def test_a_commit_whose_answer_was_lost_is_no_conflict(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_if = lake.replace_if

    def sent_twice(key: str, data: bytes, expected: bytes | None) -> bool:
        replace_if(key, data, expected)
        return replace_if(key, data, expected)

    monkeypatch.setattr(lake, "replace_if", sent_twice)
    commit(begin(lake, "n"), "p", "part-00000", b"new")
    assert content(lake, "p") == [b"new"]


def test_tokens_of_concurrent_attempts_differ(lake: Lake) -> None:
    tokens: list[int] = []

    def take() -> None:
        tokens.append(begin(Lake(lake.url), "n").token)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tokens) == list(range(1, 9))


def test_a_lake_of_another_kind_is_refused() -> None:
    with pytest.raises(SettingError, match="SEGUE_LAKE"):
        Lake("gs://bucket")
