"""Similar songs, similar playlists and continuations."""

from pathlib import Path

import numpy as np
import pytest

from segue.errors import SegueError, SettingError
from segue.serving.build import build_bundle
from segue.serving.bundle import Bundle, open_bundle
from segue.serving.queries import continuation, similar_playlists, similar_songs
from tests.lakes import VERSION, new_lake, write_corpus

# On a quarter of a circle, so that the neighbours are plain to see.
SONGS = {
    "Zero by A": [1.0, 0.0],
    "Ten by A": [0.98, 0.17],
    "Ten - Remastered 2009 by A": [0.98, 0.18],
    "Thirty by B": [0.87, 0.5],
    "Sixty by B": [0.5, 0.87],
    "Ninety by C": [0.0, 2.0],
}
PLAYLISTS = {
    "1 Low": ["Zero by A", "Ten by A", "Ten - Remastered 2009 by A", "No vector by D"],
    "2 Mixed": ["Zero by A", "Ninety by C", "Zero by A"],
    "3 High": ["Sixty by B", "Ninety by C", "Thirty by B"],
    "4 No vectors": ["No vector by D"],
}


class Asked:
    """The bundle of these playlists, asked by the songs' names."""

    def __init__(self, bundle: Bundle, order: list[str]) -> None:
        self.bundle, self.order = bundle, order

    def track(self, song: str) -> int:
        return self.order.index(song)

    def names(self, tracks: np.ndarray) -> list[str]:
        return [self.order[track] for track in tracks]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    lake = new_lake(Path(tmp_path_factory.mktemp("queries")))
    order = write_corpus(lake, PLAYLISTS, vectors=SONGS)
    build_bundle(lake, VERSION)
    return Asked(open_bundle(lake, VERSION), order)


def test_similar_songs_come_nearest_first_and_each_recording_once(asked: Asked) -> None:
    tracks, scores = similar_songs(asked.bundle, asked.track("Zero by A"), 3)
    assert asked.names(tracks) == ["Ten by A", "Thirty by B", "Sixty by B"]
    assert scores == pytest.approx([0.985, 0.867, 0.498], abs=2e-3)


def test_every_release_comes_when_asked_for(asked: Asked) -> None:
    tracks, _ = similar_songs(asked.bundle, asked.track("Ten by A"), 10, distinct=False)
    assert asked.names(tracks) == [
        "Ten - Remastered 2009 by A", "Zero by A", "Thirty by B", "Sixty by B", "Ninety by C",
    ]  # fmt: skip


def test_another_release_of_the_song_itself_is_not_similar_to_it(asked: Asked) -> None:
    tracks, _ = similar_songs(asked.bundle, asked.track("Ten by A"), 10)
    assert "Ten - Remastered 2009 by A" not in asked.names(tracks)


def test_euclidean_distance_counts_the_length(asked: Asked) -> None:
    tracks, scores = similar_songs(asked.bundle, asked.track("Sixty by B"), 10, "euclidean")
    assert asked.names(tracks)[-1] == "Ninety by C"
    assert scores[-1] == pytest.approx(np.hypot(0.5, 2 - 0.87), abs=1e-6)


def test_songs_without_a_vector_are_never_similar(asked: Asked) -> None:
    for metric in ("cosine", "euclidean"):
        tracks, _ = similar_songs(asked.bundle, asked.track("Zero by A"), 100, metric)
        assert "No vector by D" not in asked.names(tracks)


def test_a_song_without_a_vector_is_an_error_that_names_it(asked: Asked) -> None:
    with pytest.raises(SegueError, match="“No vector” by D has no vector in version"):
        similar_songs(asked.bundle, asked.track("No vector by D"), 3)


@pytest.mark.parametrize("track", [-1, 7, 10**12])
def test_an_unknown_song_is_an_error(asked: Asked, track: int) -> None:
    with pytest.raises(SegueError, match="no such song"):
        similar_songs(asked.bundle, track, 3)
    with pytest.raises(SegueError, match="no such song"):
        continuation(asked.bundle, [0, track], 3)


def test_an_unknown_metric_is_a_wrong_setting(asked: Asked) -> None:
    with pytest.raises(SettingError, match="none of cosine, euclidean"):
        similar_songs(asked.bundle, 0, 3, "manhattan")  # type: ignore[arg-type]


def test_similar_playlists_leave_out_the_playlist_and_count_shared_songs(asked: Asked) -> None:
    found = similar_playlists(asked.bundle, 10, pid=2)
    pids = [int(asked.bundle.pids[row]) for row in found.rows]
    assert dict(zip(pids, found.shared, strict=True)) == {1: 1, 3: 1}
    assert list(found.scores) == sorted(found.scores, reverse=True)


def test_songs_find_the_playlists_around_them(asked: Asked) -> None:
    seeds = [asked.track("Sixty by B"), asked.track("Ninety by C")]
    found = similar_playlists(asked.bundle, 1, songs=seeds)
    assert [int(asked.bundle.pids[row]) for row in found.rows] == [3]
    assert list(found.shared) == [2]


def test_an_unknown_playlist_or_one_without_vectors_is_an_error(asked: Asked) -> None:
    with pytest.raises(SegueError, match="has no playlist 99"):
        similar_playlists(asked.bundle, 3, pid=99)
    with pytest.raises(SegueError, match="none of its songs has a vector"):
        similar_playlists(asked.bundle, 3, pid=4)
    with pytest.raises(SegueError, match="none of these songs has a vector"):
        similar_playlists(asked.bundle, 3, songs=[asked.track("No vector by D")])


def test_a_continuation_is_what_is_nearest_to_the_mean_of_the_seeds(asked: Asked) -> None:
    seeds = ["Zero by A", "Ninety by C"]
    answer = continuation(asked.bundle, [asked.track(s) for s in seeds], 10)
    mean = np.mean([SONGS[s] for s in seeds], axis=0)
    others = [s for s in SONGS if s not in seeds and "Remastered" not in s]

    def cosine(song: str) -> float:
        return float(mean @ SONGS[song] / np.linalg.norm(mean) / np.linalg.norm(SONGS[song]))

    expected = sorted(others, key=cosine, reverse=True)
    expected[expected.index("Ten by A")] = "Ten - Remastered 2009 by A"
    assert asked.names(answer.tracks) == expected
    assert (answer.model, answer.note) == ("word2vec", "")


def test_neither_seeds_nor_other_releases_of_them_are_recommended(asked: Asked) -> None:
    seed = asked.track("Ten - Remastered 2009 by A")
    answer = continuation(asked.bundle, [seed], 10)
    assert not {"Ten by A", "Ten - Remastered 2009 by A"} & set(asked.names(answer.tracks))
    every = continuation(asked.bundle, [seed], 10, distinct=False)
    assert asked.names(every.tracks)[0] == "Ten by A"


def test_a_seed_without_a_vector_does_not_count(asked: Asked) -> None:
    zero, none = asked.track("Zero by A"), asked.track("No vector by D")
    with_it, without = (continuation(asked.bundle, s, 3) for s in ([zero, none], [zero]))
    np.testing.assert_array_equal(with_it.tracks, without.tracks)


def test_a_title_alone_continues_the_playlists_called_so(asked: Asked) -> None:
    answer = continuation(asked.bundle, [], 2, title="HIGH!")
    assert answer.note == "by the title alone, from 1 playlists with such a title"
    assert set(asked.names(answer.tracks)) == {"Sixty by B", "Ninety by C"}


def test_with_songs_the_title_plays_no_part_and_it_says_so(asked: Asked) -> None:
    zero = asked.track("Zero by A")
    titled, plain = (continuation(asked.bundle, [zero], 3, title=t) for t in ("High", None))
    np.testing.assert_array_equal(titled.tracks, plain.tracks)
    assert "the title plays no part" in titled.note


def test_without_any_vector_the_popular_songs_come_and_are_called_so(asked: Asked) -> None:
    answer = continuation(asked.bundle, [asked.track("No vector by D")], 2)
    assert answer.model == "popularity"
    assert "none of these songs has a vector" in answer.note
    assert set(asked.names(answer.tracks)) == {"Zero by A", "Ninety by C"}
    assert list(answer.scores) == [2, 2]
    unknown = continuation(asked.bundle, [], 100, title="xyz")
    assert "no playlist has such a title" in unknown.note
    assert len(unknown.tracks) == 6


def test_nothing_to_continue_is_an_error(asked: Asked) -> None:
    with pytest.raises(SegueError, match="name a song or a title"):
        continuation(asked.bundle, [], 5, title=" ")
