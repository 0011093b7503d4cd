"""A person's folder of playlists becomes drops."""

import json
from datetime import date
from pathlib import Path

import pytest

from segue.errors import SettingError
from segue.ingest.inbox import read_drop
from segue.ingest.source import drop_into, ranges, read_source
from segue.lake import Lake
from segue.stack.dagruns import why_failed

DAY = date(2021, 4, 9)


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_a_flat_folder_is_one_day_s_drop(tmp_path: Path) -> None:
    drops = read_source(folder(tmp_path, "b.json", "a.json.gz", "README.md"), DAY, default=DAY)
    assert {d: [p.name for p in paths] for d, paths in drops.items()} == {
        DAY: ["a.json.gz", "b.json"]
    }


def test_dated_folders_are_a_drop_each_an_empty_one_too(tmp_path: Path) -> None:
    (tmp_path / "dt=2021-04-11").mkdir()
    drops = read_source(folder(tmp_path, "dt=2021-04-10/a.json", "notes.txt"), None, default=DAY)
    assert {str(d): [p.name for p in paths] for d, paths in drops.items()} == {
        "2021-04-10": ["a.json"],
        "2021-04-11": [],
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no MPD slice"),
        (("README.md",), "no MPD slice"),
        (("a.json", "dt=2021-04-10/a.json"), "which is it"),
        (("dt=2021-13-10/a.json",), "is no date"),
    ],
)
def test_a_folder_that_is_no_source_says_why(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        read_source(folder(tmp_path, *names), None, default=DAY)


def test_dated_folders_and_a_date_contradict(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="dates of their own"):
        read_source(folder(tmp_path, "dt=2021-04-10/a.json"), DAY, default=DAY)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is a file"):
        read_source(folder(tmp_path, "a.json") / "a.json", DAY, default=DAY)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no such folder"):
        read_source(tmp_path / "nowhere", DAY, default=DAY)


def test_a_drop_is_complete_only_once_all_its_slices_are_there(tmp_path: Path) -> None:
    inbox = Lake((tmp_path / "inbox").as_uri())
    slices = sorted(folder(tmp_path / "source", "a.json", "b.json").iterdir())
    assert drop_into(inbox, DAY, slices) == []
    drop = read_drop(inbox, str(DAY), 60)
    assert drop.complete
    assert drop.slices == ["a.json", "b.json"]
    assert inbox.get(f"dt={DAY}/b.json") == b"b.json"


def test_slices_that_were_there_before_are_named(tmp_path: Path) -> None:
    inbox = Lake((tmp_path / "inbox").as_uri())
    drop_into(inbox, DAY, [folder(tmp_path / "one", "a.json") / "a.json"])
    others = drop_into(inbox, DAY, [folder(tmp_path / "two", "b.json") / "b.json"])
    assert others == ["a.json"]


def test_consecutive_days_are_one_range() -> None:
    days = [date(2021, 4, d) for d in (9, 12, 10, 30)] + [date(2021, 5, 1)]
    assert ranges(days) == [
        (date(2021, 4, 9), date(2021, 4, 10)),
        (date(2021, 4, 12), date(2021, 4, 12)),
        (date(2021, 4, 30), date(2021, 5, 1)),
    ]


def log(tmp_path: Path, *events: dict) -> Path:
    path = tmp_path / "attempt=1.log"
    path.write_text("\n".join(["not JSON", *map(json.dumps, events)]))
    return path


def test_a_failed_task_is_explained_by_what_its_job_said(tmp_path: Path) -> None:
    said = {"event": "segue: 2 of 3 playlists are quarantined"}
    error = {"event": "Task failed", "error_detail": [{"exc_type": "E", "exc_value": "code 65"}]}
    assert why_failed(log(tmp_path, said, error)) == "2 of 3 playlists are quarantined"
    assert why_failed(log(tmp_path, error)) == "E: code 65"
    assert why_failed(tmp_path / "nowhere.log") == "failed"
