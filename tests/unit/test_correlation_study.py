"""The whole comparison on songs whose truth is known."""

import pickle

import numpy as np
import pytest

from segue.evaluation.findings import Findings, conclude
from segue.evaluation.songs import Songs
from segue.evaluation.study import MIN_SONGS, Study, prepare
from tests.worlds import songs_of


def findings(songs: Songs, *, pairs: int = 10_000, seed: int = 1, times: int = 99) -> Findings:
    study = prepare(songs, pairs, seed)
    return conclude(
        study,
        "v",
        len(songs),
        [study.bootstrap(k) for k in range(times)],
        [study.permutation(k) for k in range(times)],
    )


def test_a_planted_correlation_is_found_and_its_interval_holds_the_truth() -> None:
    # What the correlation is among very many songs made alike.
    truth = prepare(songs_of(20_000, theme=1, playlists=0), 400_000, 0).observed()
    for seed in range(3):
        found = findings(songs_of(400, theme=1, seed=seed + 1)).correlations["mean"]
        for name in ("pearson", "spearman", "given_both", "within_language"):
            assert found[name].low <= truth[f"{name}/mean"] <= found[name].high, name
            assert found[name].low > 0.05
        assert found["pearson"].p == pytest.approx(1 / 100)
        assert found["r_squared"].value == pytest.approx(found["pearson"].value ** 2)


def test_without_a_relation_the_interval_is_over_zero_and_p_is_large() -> None:
    found = findings(songs_of(400, seed=5))
    for kind in ("mean", "tfidf"):
        for name in ("pearson", "spearman", "given_artist", "within_language"):
            estimate = found.correlations[kind][name]
            assert estimate.low < 0 < estimate.high
            assert estimate.p is None or estimate.p > 0.05
        for name in ("shared", "other_artist"):
            d = found.comparisons[name].results[kind]["d"]
            assert d.low < 0 < d.high
            assert found.comparisons[name].results[kind]["auc"].excludes(0.5) is False


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = prepare(songs_of(10_000, theme=0.7, playlists=0), 200_000, 0).observed()
    held = 0
    for seed in range(40):
        study = prepare(songs_of(120, theme=0.7, playlists=5, seed=100 + seed), 7_140, seed)
        drawn = [study.bootstrap(k)["pearson/mean"] for k in range(60)]
        low, high = np.percentile(drawn, [2.5, 97.5])
        held += low <= truth["pearson/mean"] <= high
    # Pairs taken for independent would give intervals several times too narrow: about 20 of 40.
    assert held >= 34


def test_an_effect_that_is_the_artists_alone_vanishes_with_the_artist_held_fixed() -> None:
    found = findings(songs_of(400, artist=15, per_artist=10, seed=2), pairs=40_000)
    r = found.correlations["mean"]
    assert r["pearson"].low > 0
    assert abs(r["given_artist"].value) < r["pearson"].value / 4
    shared = found.comparisons["shared"].results["mean"]["d"]
    others = found.comparisons["other_artist"].results["mean"]["d"]
    assert shared.low > 0.2
    assert abs(others.value) < shared.value / 4
    assert found.comparisons["same_artist"].results["mean"]["d"].low > 1


def test_an_effect_that_is_the_languages_alone_vanishes_with_the_language_held_fixed() -> None:
    found = findings(songs_of(400, language=4, languages=4, seed=2), pairs=40_000)
    r = found.correlations["mean"]
    assert r["pearson"].low > 0.3
    assert abs(r["given_language"].value) < r["pearson"].value / 4
    assert abs(r["within_language"].value) < r["pearson"].value / 4
    others = found.comparisons["other_artist"].results["mean"]["d"]
    assert others.low > 0.5
    strict = found.comparisons["other_artist_same_language"].results["mean"]["d"]
    assert abs(strict.value) < others.value / 4


def test_playlists_on_themes_have_closer_lyrics_whoever_sings_them() -> None:
    found = findings(songs_of(400, theme=1.5, seed=3))
    for name in ("shared", "shared_vs_random", "other_artist", "other_artist_same_language"):
        assert found.comparisons[name].results["mean"]["d"].low > 0.2
        assert found.comparisons[name].results["mean"]["auc"].low > 0.5


def test_playlists_by_chance_have_lyrics_no_closer() -> None:
    found = findings(songs_of(400, theme=1.5, by="chance", seed=4))
    assert not found.comparisons["shared"].results["mean"]["d"].excludes(0)


def test_pairs_of_the_same_text_are_left_out_of_the_strictest_comparison() -> None:
    songs = songs_of(400, seed=6, languages=1)
    twins = {k: np.repeat(v[:200], 2, axis=0) for k, v in songs.lyrics.items()}
    copied = Songs(
        np.repeat(songs.vectors[:200], 2, axis=0),
        twins,
        np.arange(400, dtype=np.int32),
        np.zeros(400, np.int32),
        ("l0",),
        # Every playlist holds a song and its cover.
        type(songs.playlists)(np.arange(0, 802, 2)[: 200 + 1], np.arange(400, dtype=np.int32)),
    )
    found = findings(copied, times=19)
    assert found.comparisons["other_artist"].results["mean"]["near"].value < 1e-5
    assert found.comparisons["other_artist_same_language"].near_pairs == 0
    assert not found.comparisons["other_artist_same_language"].enough


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    songs = songs_of(150, theme=1)
    first, again, other = (prepare(songs, 2_000, seed) for seed in (1, 1, 2))
    assert first.observed() == again.observed()
    assert first.bootstrap(3) == again.bootstrap(3)
    assert first.permutation(3) == again.permutation(3)
    assert first.bootstrap(3) != first.bootstrap(4)
    assert first.observed() != other.observed()


def test_a_replicate_is_the_same_elsewhere() -> None:
    study = prepare(songs_of(120, theme=1), 2_000, 1)
    elsewhere: Study = pickle.loads(pickle.dumps(study))
    assert elsewhere.bootstrap(7) == study.bootstrap(7)
    assert elsewhere.permutation(7) == study.permutation(7)


def test_permuting_within_languages_leaves_every_song_its_language() -> None:
    study = prepare(songs_of(200, theme=1, languages=3), 4_000, 1)
    seen = {}

    class Watching(type(study.test)):  # type: ignore[misc]
        def statistics(self, order):  # type: ignore[no-untyped-def]
            seen.update(order)
            return {}

    watching = Watching(**vars(study.test))
    object.__setattr__(study, "test", watching)
    study.permutation(0)
    languages = study.test.languages
    np.testing.assert_array_equal(languages[seen["language"]], languages)
    assert sorted(seen["language"].tolist()) == list(range(len(languages)))
    assert (seen["language"] != np.arange(len(languages))).any()


@pytest.mark.parametrize("songs", [0, 1, 2, 3, MIN_SONGS - 1])
@pytest.mark.filterwarnings("error")
def test_too_few_songs_give_findings_that_say_so(songs: int) -> None:
    found = findings(songs_of(songs, playlists=3), times=5)
    assert not found.enough_songs
    assert not found.languages
    assert not any(c.enough for c in found.comparisons.values())


@pytest.mark.filterwarnings("error")
def test_vectors_that_are_all_the_same_correlate_with_nothing() -> None:
    songs = songs_of(80)
    same = {kind: np.repeat(v[:1], 80, axis=0) for kind, v in songs.lyrics.items()}
    found = findings(
        Songs(
            songs.vectors,
            same,
            songs.artists,
            songs.languages,
            songs.language_names,
            songs.playlists,
        ),
        times=5,
    )
    assert np.isnan(found.correlations["mean"]["pearson"].value)
    assert found.correlations["mean"]["pearson"].p is None
    assert np.isnan(found.comparisons["shared"].results["mean"]["d"].value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("languages", [0, 1])
def test_without_shared_playlists_the_correlation_is_still_told(languages: int) -> None:
    found = findings(songs_of(100, theme=1, playlists=0, languages=languages), times=19)
    assert found.correlations["mean"]["pearson"].low > 0
    assert np.isnan(found.correlations["mean"]["within_language"].value) == (languages == 0)
    assert not found.comparisons["shared"].enough
