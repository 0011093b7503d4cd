"""The correlation report as a job: from a lake to a committed partition."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from segue.errors import SegueError
from segue.evaluation.songs import read_songs
from segue.lake import Lake, begin, committed, read_manifest
from segue.schemas import LYRICS
from spark_jobs import correlate_lyrics
from spark_jobs.correlate_lyrics import build, report_key
from tests.lakes import (
    DIMENSIONS,
    VERSION,
    new_lake,
    npy_bytes,
    track_uri,
    write_corpus,
    write_partition as partition,
)

KEY = report_key(VERSION)
LANGUAGES = ("de", "en", None)


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlate_lyrics, "BOOTSTRAPS", 19)
    monkeypatch.setattr(correlate_lyrics, "PERMUTATIONS", 19)


def write_lyrics(
    lake: Lake, order: list[str], lyrics: dict[str, np.ndarray], languages: dict[str, str | None]
) -> None:
    """Lyrics and their vectors by song; the songs without have neither."""
    rows = [
        {"track_uri": track_uri(song), "status": "found", "language": languages.get(song)}
        for song in lyrics
    ]
    out = BytesIO()
    table = pa.Table.from_pylist(sorted(rows, key=lambda r: str(r["track_uri"])), schema=LYRICS)
    pq.write_table(table, out)
    partition(lake, f"corpus/{VERSION}/lyrics", {"part-00000.parquet": out.getvalue()})
    vectors = np.zeros((len(order), DIMENSIONS), np.float32)
    for song, vector in lyrics.items():
        vectors[order.index(song)] = vector
    for what in ("songs", "songs_tfidf"):
        partition(lake, f"models/lyrics/{VERSION}/{what}", {"vectors.npy": npy_bytes(vectors)})


def lake_of(folder: Path, songs: int) -> tuple[Lake, list[str]]:
    """A lake whose songs go by 6 themes, in their playlists and in their lyrics."""
    rng = np.random.default_rng(7)
    names = [f"Song {i} by Artist {i // 3} on Album" for i in range(songs)]
    themes = rng.standard_normal((6, DIMENSIONS)) * 2
    about = {name: themes[i % 6] for i, name in enumerate(names)}
    playlists = {
        f"{pid} P": [names[i] for i in rng.permutation(songs) if i % 6 == pid % 6][:10]
        for pid in range(60 if songs else 0)
    }
    played = sorted({song for p in playlists.values() for song in p})
    lake = new_lake(folder)
    order = write_corpus(
        lake,
        playlists,
        vectors={s: list(about[s] + rng.standard_normal(DIMENSIONS)) for s in played},
    )
    lyrics = {s: about[s] + rng.standard_normal(DIMENSIONS) for s in played if s != played[0]}
    languages = {s: LANGUAGES[names.index(s) % 3] for s in lyrics}
    write_lyrics(lake, order, lyrics, languages)
    return lake, order


def contents(lake: Lake) -> dict[str, bytes]:
    return {name: lake.get(f"{KEY}/{name}") for name in committed(lake, KEY).files}


def test_a_lake_of_themes_gives_a_report_that_says_so(spark: SparkSession, tmp_path: Path) -> None:
    lake, order = lake_of(tmp_path, 180)
    build(spark, lake, VERSION, 5_000, 42)
    found = contents(lake)
    suffixes = sorted(name.rpartition(".")[2] for name in found)
    assert suffixes == ["html", "json", "md", "svg", "svg", "svg", "svg"]
    told = json.loads(next(v for k, v in found.items() if k.endswith(".json")))
    assert told["songs"] == len(order) - 1
    assert told["correlations"]["mean"]["pearson"]["low"] > 0.1
    assert told["correlations"]["mean"]["pearson"]["p"] == 0.05
    assert told["comparisons"]["other_artist"]["results"]["tfidf"]["d"]["low"] > 0.5
    assert committed(lake, KEY).facts["answer"] == "Yes, clearly"
    markdown = next(v for k, v in found.items() if k.endswith(".md")).decode()
    assert all(name in markdown for name in found if name.endswith(".svg"))


def test_the_report_is_the_same_however_many_partitions_work_on_it(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = []
    for partitions in (1, 3):
        lake, _ = lake_of(tmp_path / str(partitions), 90)
        parallelize = spark.sparkContext.parallelize
        with monkeypatch.context() as patched:
            patched.setattr(
                spark.sparkContext,
                "parallelize",
                lambda numbers, _, n=partitions, parallelize=parallelize: parallelize(numbers, n),
            )
            build(spark, lake, VERSION, 2_000, 42)
        reports.append(contents(lake))
    assert reports[0] == reports[1]


def test_a_lake_with_too_few_lyrics_gives_a_report_that_says_so(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = new_lake(tmp_path)
    order = write_corpus(lake, {"1 A": ["X by A", "Y by A"], "2 B": []})
    write_lyrics(lake, order, {}, {})
    build(spark, lake, VERSION, 1_000, 42)
    assert committed(lake, KEY).facts["answer"] == "Too few songs to say"


def test_a_report_is_made_again_only_for_other_data_or_another_seed(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake, _ = lake_of(tmp_path, 60)
    tokens = []
    for pairs, seed in ((1_000, 1), (1_000, 1), (1_000, 2), (900, 2)):
        build(spark, lake, VERSION, pairs, seed)
        tokens.append(committed(lake, KEY).token)
    assert tokens == [1, 1, 2, 3]
    # What the older ones left is gone.
    there = {key.rpartition("/")[2] for key in lake.children(KEY)}
    assert {name for name in there if "-t0" in name} == set(committed(lake, KEY).files)


def test_an_attempt_that_ends_before_its_commit_leaves_nothing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, _ = lake_of(tmp_path, 60)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(correlate_lyrics, "Manifest", cut_off)
        with pytest.raises(KeyboardInterrupt):
            build(spark, lake, VERSION, 1_000, 1)
    assert read_manifest(lake, KEY) is None
    assert lake.children(KEY) == []
    begin(lake, KEY)
    build(spark, lake, VERSION, 1_000, 1)
    assert committed(lake, KEY).token == 3


def test_a_version_without_lyrics_vectors_is_named_in_one_line(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = new_lake(tmp_path)
    write_corpus(lake, {"1 A": ["X by A"]})
    with pytest.raises(SegueError, match="lyrics is not there yet"):
        build(spark, lake, VERSION, 1_000, 1)


def test_songs_are_those_with_both_vectors_and_know_their_playlists(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    playlists = {
        "1 A": ["X by A", "Z by B", "X by A", "Y by A"],
        "2 B": ["W by C"],
        "3 C": ["Y by A", "W by C", "V by D"],
    }
    vector = list(range(1, DIMENSIONS + 1))
    given = dict.fromkeys(("X by A", "Y by A", "Z by B", "W by C"), vector)
    order = write_corpus(lake, playlists, vectors=given)
    has = {song: np.ones(DIMENSIONS) for song in ("X by A", "Y by A", "W by C", "V by D")}
    write_lyrics(lake, order, has, {"X by A": "en", "W by C": "de", "V by D": "fr"})
    songs = read_songs(lake, VERSION)
    kept = [song for song in order if song in given and song in has]
    assert len(songs) == len(kept) == 3
    at = {song: i for i, song in enumerate(kept)}
    assert songs.language_names == ("de", "en")
    assert [songs.languages[at[s]] for s in ("X by A", "Y by A", "W by C")] == [1, -1, 0]
    assert songs.artists[at["X by A"]] == songs.artists[at["Y by A"]]
    assert songs.artists[at["X by A"]] != songs.artists[at["W by C"]]
    held = np.split(songs.playlists.members, songs.playlists.offsets[1:-1])
    assert [{kept[i] for i in p} for p in held] == [
        {"X by A", "Y by A"},
        {"W by C"},
        {"Y by A", "W by C"},
    ]
    np.testing.assert_allclose(np.linalg.norm(songs.vectors, axis=1), 1, rtol=1e-6)
