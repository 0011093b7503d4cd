"""The real job, on a lake on disk: from landed files to committed partitions."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from segue import schemas
from segue.errors import Fenced, MalformedInput, SegueError, SettingError
from segue.lake import Lake, Manifest, Partition, begin
from spark_jobs import preprocess
from tests.unit.ingest_slices import playlist, slice_of, song

DATE = "2021-04-09"
PROJECT = Path(__file__).resolve().parents[2]
SHARED = PROJECT / ".." / "shared" / "data"
SAMPLE = PROJECT / "sample"
WATERLOO = song("Waterloo")["track_uri"]

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake((tmp_path / "lake").as_uri())


def land(lake: Lake, files: dict[str, bytes]) -> None:
    """Puts files into landing, as `stage` does."""
    key = f"landing/dt={DATE}"
    facts = {}
    for name, data in files.items():
        lake.put(f"{key}/{name}", data)
        facts[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    attempt = begin(lake, key)
    attempt.mark(
        key, Manifest(sorted(facts), attempt.token, "landed", len(facts), {"files": facts})
    )


def run(lake: Lake, share: str = "1") -> None:
    preprocess.main(["--lake", lake.url, "--date", DATE, "--quarantine-max-share", share])


def manifest(lake: Lake, key: str) -> Manifest:
    found = Partition(lake, f"{key}/dt={DATE}").manifest()
    assert found is not None
    return found


def rows(lake: Lake, table: str) -> list[dict[str, Any]]:
    """All rows of a staging table, sorted by its key."""
    found: list[dict[str, Any]] = []
    for path in Partition(lake, f"staging/{table}/dt={DATE}").paths():
        read = pq.read_table(path)
        assert read.schema.equals(getattr(schemas, table.upper()))
        found += read.to_pylist()
    key = {"playlists": "pid", "tracks": "track_uri"}[table]
    return sorted(found, key=lambda row: row[key])


def quarantine(lake: Lake) -> list[dict[str, Any]]:
    paths = Partition(lake, f"quarantine/dt={DATE}").paths()
    return [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]


def test_files_of_every_kind_become_one_drop(lake: Lake) -> None:
    land(
        lake,
        {
            "mpd.slice.0-999.json": slice_of(playlist(1, "Waterloo", "Waterloo")),
            "mpd.slice.1000-1999.json.gz": gzip.compress(slice_of(playlist(2, "Waterloo"))),
            "mpd.slice.2000-2999.json.zst": zstandard.compress(slice_of(playlist(3, "Fernando"))),
        },
    )
    run(lake)
    assert [row["pid"] for row in rows(lake, "playlists")] == [1, 2, 3]
    counts = {r["track_uri"]: (r["num_playlists"], r["num_entries"]) for r in rows(lake, "tracks")}
    assert counts == {WATERLOO: (2, 3), song("Fernando")["track_uri"]: (1, 1)}
    facts = manifest(lake, "staging/playlists").facts
    seconds = facts.pop("seconds")
    assert seconds > 0
    assert facts == {
        "files_in": 3,
        "files_quarantined": 0,
        "playlists_in": 3,
        "playlists_out": 3,
        "playlists_quarantined": 0,
        "entries": 4,
        "tracks": 2,
        "MB": facts["MB"],
        "landing_digest": "landed",
    }
    assert manifest(lake, "staging/tracks").rows == 2
    assert manifest(lake, "quarantine").files == []
    assert not lake.children(f"_attempts/ingest/dt={DATE}/000001.work")


def test_the_sample_gives_the_known_counts(lake: Lake) -> None:
    name = "mpd.slice.0-999.json.gz"
    land(lake, {name: (SAMPLE / "spotify-archive" / name).read_bytes()})
    run(lake, "0")
    facts = manifest(lake, "staging/playlists").facts
    assert (facts["playlists_out"], facts["entries"], facts["tracks"]) == (257, 93_339, 63_815)
    assert sum(row["num_entries"] for row in rows(lake, "tracks")) == 93_339


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "counts"),
    [("wfmu", (9_345, 305_983, 200_432)), ("polimi2018", (50_446, 1_211_791, 20_635))],
)
def test_a_real_set_gives_the_known_counts(
    lake: Lake, source: str, counts: tuple[int, int, int]
) -> None:
    land(lake, {path.name: path.read_bytes() for path in (SHARED / source).glob("*.gz")})
    run(lake, "0")
    facts = manifest(lake, "staging/playlists").facts
    assert (facts["playlists_out"], facts["entries"], facts["tracks"]) == counts
    tracks = rows(lake, "tracks")
    assert len(tracks) == len({row["track_uri"] for row in tracks})
    assert sum(row["num_entries"] for row in tracks) == facts["entries"]


def test_dirt_that_is_real_goes_through(lake: Lake) -> None:
    show = playlist(1, "Waterloo", modified_at=-1_194_998_400)
    show["tracks"][0] |= {"album_name": "", "duration_ms": 0}
    land(lake, {"a.json": slice_of(show, playlist(2))})
    run(lake, "0")
    first, second = rows(lake, "playlists")
    assert (first["modified_at"], second["track_uris"]) == (-1_194_998_400, [])


def test_bad_playlists_are_quarantined_and_the_rest_goes_through(lake: Lake) -> None:
    land(
        lake,
        {
            "a.json": slice_of(playlist(0, "Waterloo"), playlist(1, name=5), playlist(2)),
            "b.json": b"",
            "c.json.gz": gzip.compress(slice_of(playlist(3), playlist(4)))[:-30],
        },
    )
    run(lake)
    facts = manifest(lake, "staging/playlists").facts
    lines = quarantine(lake)
    assert {(line["file"], line["path"]) for line in lines} >= {
        ("a.json", "$.playlists[1].name"),
        ("b.json", "$"),
    }
    assert facts["playlists_in"] == facts["playlists_out"] + facts["playlists_quarantined"]
    assert facts["playlists_out"] == len(rows(lake, "playlists"))
    assert facts["playlists_quarantined"] == len(lines) == manifest(lake, "quarantine").rows
    assert facts["files_quarantined"] == 1
    assert [r["track_uri"] for r in rows(lake, "tracks")] == [WATERLOO]


def test_of_a_playlist_in_two_files_the_latest_is_kept(lake: Lake) -> None:
    land(
        lake,
        {
            "a.json": slice_of(playlist(1, "Waterloo"), playlist(2, "Waterloo")),
            "b.json": slice_of(playlist(1, "Fernando", modified_at=1_600_000_000), playlist(3)),
            "c.json": slice_of(playlist(2, "Fernando"), playlist(1, "Fernando")),
        },
    )
    run(lake)
    kept = {row["pid"]: row["track_uris"] for row in rows(lake, "playlists")}
    assert kept == {1: [song("Fernando")["track_uri"]], 2: [WATERLOO], 3: []}
    reasons = {(q["file"], q["pid"]): q["reason"] for q in quarantine(lake)}
    assert set(reasons) == {("a.json", 1), ("c.json", 1), ("c.json", 2)}
    assert "b.json" in reasons["a.json", 1]
    assert "a.json" in reasons["c.json", 2]
    # Songs of the versions that lost are not counted.
    assert {r["track_uri"]: r["num_entries"] for r in rows(lake, "tracks")} == {
        WATERLOO: 1,
        song("Fernando")["track_uri"]: 1,
    }


def test_a_songs_names_come_from_the_first_file_by_name(lake: Lake) -> None:
    # The largest file is decoded first; that must not show.
    land(
        lake,
        {
            "a.json": slice_of(playlist(1, tracks=[song("Waterloo", track_name="from a")])),
            "b.json": slice_of(
                playlist(2, *"xyz", tracks=[song("Waterloo", track_name="from b")] * 50)
            ),
        },
    )
    run(lake)
    (track,) = rows(lake, "tracks")
    assert (track["track_name"], track["num_entries"], track["num_playlists"]) == ("from a", 51, 2)


def test_a_rerun_gives_the_same_rows_and_the_same_digest(lake: Lake) -> None:
    name = "mpd.slice.0-999.json.gz"
    source = SAMPLE / "spotify-daily" / "dt=2021-04-11" / name
    land(lake, {name: source.read_bytes(), "b.json": slice_of(playlist(99_999, name=5))})
    run(lake)
    before = [rows(lake, "playlists"), rows(lake, "tracks"), quarantine(lake)]
    first = manifest(lake, "staging/playlists")
    run(lake)
    assert [rows(lake, "playlists"), rows(lake, "tracks"), quarantine(lake)] == before
    second = manifest(lake, "staging/playlists")
    assert (second.digest, second.token) == (first.digest, first.token + 1)
    # Nothing of the first attempt is left.
    names = {Path(key).name for key in lake.children(f"staging/playlists/dt={DATE}")}
    assert {n for n in names if n.startswith("part")} == set(second.files)


def test_other_input_gives_another_digest(lake: Lake) -> None:
    digests = set()
    for pid in (1, 2):
        land(lake, {"a.json": slice_of(playlist(pid))})
        run(lake)
        digests |= {manifest(lake, key).digest for key in ("staging/playlists", "staging/tracks")}
    assert len(digests) == 2


@pytest.mark.parametrize("files", [{}, {"a.json": slice_of()}], ids=["no file", "no playlist"])
def test_an_empty_drop_is_a_success_without_rows(lake: Lake, files: dict[str, bytes]) -> None:
    land(lake, files)
    run(lake, "0")
    assert manifest(lake, "staging/playlists").rows == 0
    assert rows(lake, "playlists") == rows(lake, "tracks") == []


def test_too_much_quarantine_fails_the_job_and_keeps_staging_as_it_was(lake: Lake) -> None:
    land(lake, {"a.json": slice_of(playlist(1, "Waterloo"))})
    run(lake, "0.01")
    before = [rows(lake, "playlists"), rows(lake, "tracks")]
    land(lake, {"a.json": slice_of(playlist(1), playlist(2, name=5), playlist(3))})
    with pytest.raises(MalformedInput, match=r"1 of 3 playlists.*\$\.playlists\[1\]\.name"):
        run(lake, "0.01")
    assert [rows(lake, "playlists"), rows(lake, "tracks")] == before
    assert [line["pid"] for line in quarantine(lake)] == [2]
    run(lake, "0.4")
    assert [row["pid"] for row in rows(lake, "playlists")] == [1, 3]


def test_an_unreadable_file_weighs_as_a_file(lake: Lake) -> None:
    many = slice_of(*(playlist(pid) for pid in range(200)))
    land(lake, {"a.json": many, "b.json": b"<html>"})
    with pytest.raises(MalformedInput, match="1 of 2 files"):
        run(lake, "0.01")


def test_an_overtaken_attempt_cannot_commit(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land(lake, {"a.json": slice_of(playlist(1, "Waterloo"))})
    decode, entered, go_on = preprocess.decode_drop, threading.Event(), threading.Event()

    def pause_the_first(context: Any, drop: Any) -> Any:
        results = decode(context, drop)
        if drop.token == 1:
            entered.set()
            assert go_on.wait(120)
        return results

    monkeypatch.setattr(preprocess, "decode_drop", pause_the_first)
    outcome: list[BaseException] = []

    def older() -> None:
        try:
            run(lake)
        except Fenced as error:
            outcome.append(error)

    thread = threading.Thread(target=older)
    thread.start()
    assert entered.wait(120)
    run(lake)
    before = rows(lake, "playlists"), manifest(lake, "staging/playlists")
    go_on.set()
    thread.join(120)
    assert [type(error) for error in outcome] == [Fenced]
    assert (rows(lake, "playlists"), manifest(lake, "staging/playlists")) == before
    assert before[1].token == 2


def test_nothing_landed_is_an_error_that_says_so(lake: Lake) -> None:
    with pytest.raises(SegueError, match="stage it first"):
        run(lake)


@pytest.mark.parametrize(("date", "share"), [("yesterday", "1"), (DATE, "a little")])
def test_a_wrong_argument_is_named(lake: Lake, date: str, share: str) -> None:
    with pytest.raises(SettingError, match="--"):
        preprocess.main(["--lake", lake.url, "--date", date, "--quarantine-max-share", share])


def test_a_file_that_changed_since_it_landed_fails_the_job(lake: Lake) -> None:
    land(lake, {"a.json": slice_of(playlist(1))})
    lake.put(f"landing/dt={DATE}/a.json", b"{}")
    with pytest.raises(Exception, match="stage the date again"):
        run(lake)


@pytest.mark.slow
def test_spark_submit_runs_the_job_on_s3(s3_url: str, tmp_path: Path) -> None:
    lake = Lake(s3_url)
    big = slice_of(*(playlist(pid, *(f"{pid} {i}" for i in range(20))) for pid in range(50)))
    land(lake, {"a.json.gz": gzip.compress(big), "b.json": slice_of(playlist(99, name=5))})
    library = tmp_path / "segue.zip"
    package = PROJECT / "plugins" / "segue"
    with zipfile.ZipFile(library, "w") as out:
        for file in package.rglob("*.py"):
            out.write(file, f"segue/{file.relative_to(package)}")
    scripts = Path(sys.executable).parent
    command = [
        *(
            str(scripts / "spark-submit"),
            "--master",
            "local[2]",
            "--conf",
            "spark.ui.enabled=false",
        ),
        *("--py-files", str(library), str(PROJECT / "spark_jobs" / "preprocess.py")),
        *("--lake", lake.url, "--date", DATE, "--quarantine-max-share"),
    ]
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*command, "0.1"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    playlists = Partition(lake, f"staging/playlists/dt={DATE}")
    assert [pq.read_table(path, filesystem=lake.fs).num_rows for path in playlists.paths()] == [50]
    assert manifest(lake, "staging/tracks").rows == 1_000
    assert manifest(lake, "quarantine").rows == 1
    # An error for people is one line, and the exit code tells that no retry mends it.
    done = subprocess.run(
        [*command, "0.01"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == MalformedInput.exit_code
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert f"segue: {DATE}: 1 of 51 playlists" in output
