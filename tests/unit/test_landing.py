"""Drops arrive, are found complete, and land as they came."""

import json
import os
import time
from pathlib import Path

import pytest

from segue.errors import Fenced
from segue.ingest import landing
from segue.ingest.inbox import read_drop
from segue.ingest.landing import land
from segue.lake import Lake, read_manifest

DATE = "2021-04-09"
KEY = f"landing/dt={DATE}"


@pytest.fixture(params=["file", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "file":
        return Lake((tmp_path / "lake").as_uri())
    return Lake(request.getfixturevalue("s3_url"))


@pytest.fixture
def inbox(tmp_path: Path) -> Lake:
    (tmp_path / "inbox").mkdir()
    return Lake((tmp_path / "inbox").as_uri())


def stage(inbox: Lake, lake: Lake) -> landing.Landing:
    return land(inbox, lake, DATE, read_drop(inbox, DATE, 1))


def landed(lake: Lake) -> dict[str, bytes]:
    manifest = read_manifest(lake, KEY)
    assert manifest is not None
    return {name: lake.get(f"{KEY}/{name}") for name in manifest.files}


def test_a_drop_that_is_not_there_is_not_complete(inbox: Lake) -> None:
    drop = read_drop(inbox, DATE, 60)
    assert not drop.complete
    assert DATE in drop.why


def test_a_ready_marker_makes_a_drop_complete_at_once(inbox: Lake) -> None:
    inbox.put(f"dt={DATE}/mpd.slice.0-999.json", b"{}")
    assert not read_drop(inbox, DATE, 60).complete
    inbox.put(f"dt={DATE}/_READY", b"")
    assert read_drop(inbox, DATE, 60).complete


def test_files_that_stopped_changing_make_a_drop_complete(inbox: Lake) -> None:
    inbox.put(f"dt={DATE}/mpd.slice.0-999.json", b"{}")
    assert not read_drop(inbox, DATE, 60, now=time.time() + 59).complete
    assert read_drop(inbox, DATE, 60, now=time.time() + 61).complete


def test_a_copy_that_keeps_old_dates_does_not_look_settled(inbox: Lake) -> None:
    inbox.put(f"dt={DATE}/mpd.slice.0-999.json", b"{}")
    os.utime(inbox.path(f"dt={DATE}/mpd.slice.0-999.json"), (0, 0))
    assert not read_drop(inbox, DATE, 60).complete


def test_only_slices_land_and_the_rest_is_named(inbox: Lake, lake: Lake) -> None:
    for name in ("mpd.slice.0-999.json", "b.json.gz", "c.json.zst", "README.md", ".hidden.json"):
        inbox.put(f"dt={DATE}/{name}", name.encode())
    drop = read_drop(inbox, DATE, 60)
    assert drop.slices == ["b.json.gz", "c.json.zst", "mpd.slice.0-999.json"]
    assert drop.ignored == ["README.md"]
    land(inbox, lake, DATE, drop)
    assert sorted(landed(lake)) == drop.slices


def test_a_link_to_a_slice_is_a_slice(inbox: Lake, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_bytes(b"{}")
    inbox.put(f"dt={DATE}/_READY", b"")
    Path(inbox.path(f"dt={DATE}/link.json")).symlink_to(tmp_path / "elsewhere.json")
    assert read_drop(inbox, DATE, 60).slices == ["link.json"]


def test_an_empty_drop_lands_as_nothing(inbox: Lake, lake: Lake) -> None:
    inbox.put(f"dt={DATE}/_READY", b"")
    assert stage(inbox, lake).files == 0
    assert landed(lake) == {}


def test_what_landed_is_skipped_and_what_changed_is_replaced(inbox: Lake, lake: Lake) -> None:
    inbox.put(f"dt={DATE}/a.json", b"1")
    inbox.put(f"dt={DATE}/b.json", b"2")
    assert stage(inbox, lake).copied == 2
    digest = read_manifest(lake, KEY).digest
    assert stage(inbox, lake).copied == 0
    assert read_manifest(lake, KEY).digest == digest
    inbox.put(f"dt={DATE}/b.json", b"3")
    assert stage(inbox, lake).copied == 1
    assert landed(lake) == {"a.json": b"1", "b.json": b"3"}
    assert read_manifest(lake, KEY).digest != digest


def test_what_landed_stays_when_the_inbox_is_emptied(inbox: Lake, lake: Lake) -> None:
    inbox.put(f"dt={DATE}/a.json", b"1")
    stage(inbox, lake)
    inbox.remove(f"dt={DATE}/a.json")
    inbox.put(f"dt={DATE}/late.json", b"2")
    stage(inbox, lake)
    assert landed(lake) == {"a.json": b"1", "late.json": b"2"}


def test_a_killed_copy_goes_on_where_it_stopped(
    inbox: Lake, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(5):
        inbox.put(f"dt={DATE}/{i}.json", str(i).encode())
    put = lake.put

    def killed(key: str, data: bytes) -> None:
        if key.endswith("/3.json.json"):
            raise KeyboardInterrupt
        put(key, data)

    monkeypatch.setattr(lake, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        stage(inbox, lake)
    monkeypatch.setattr(lake, "put", put)
    assert read_manifest(lake, KEY) is None
    assert stage(inbox, lake).copied <= 4
    assert landed(lake) == {f"{i}.json": str(i).encode() for i in range(5)}


def test_a_file_that_changes_while_it_is_copied_does_not_land(
    inbox: Lake, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.put(f"dt={DATE}/a.json", b"1")
    sha256 = inbox.sha256

    def grow_after(key: str) -> str:
        digest = sha256(key)
        inbox.put(key, b"12")
        return digest

    monkeypatch.setattr(inbox, "sha256", grow_after)
    with pytest.raises(landing.SegueError, match="changed while it was copied"):
        stage(inbox, lake)
    assert read_manifest(lake, KEY) is None
    assert not lake.exists(f"{KEY}/a.json")


def test_an_overtaken_staging_does_not_commit(
    inbox: Lake, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.put(f"dt={DATE}/a.json", b"1")
    land_one = landing._land_one

    def overtaken(*arguments):
        monkeypatch.setattr(landing, "_land_one", land_one)
        stage(inbox, lake)
        return land_one(*arguments)

    monkeypatch.setattr(landing, "_land_one", overtaken)
    with pytest.raises(Fenced):
        stage(inbox, lake)
    assert landed(lake) == {"a.json": b"1"}


def test_the_manifest_names_sizes_and_checksums(inbox: Lake, lake: Lake) -> None:
    inbox.put(f"dt={DATE}/a.json", b"1")
    stage(inbox, lake)
    facts = json.loads(lake.get(f"{KEY}/_SUCCESS"))["facts"]["files"]["a.json"]
    assert facts == {"size": 1, "sha256": lake.sha256(f"{KEY}/a.json")}
