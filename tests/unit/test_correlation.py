"""Statistics of pairs: what they find, how sure they are, and that they say so on little data."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from segue.evaluation.correlation import (
    Moments,
    contrast,
    cosine_distances,
    dense_ranks,
    estimate,
    midranks,
    pearson,
    permutation_p,
    song_weights,
    spearman,
    squared,
)
from segue.evaluation.sampling import Pairs, pairs_within, random_pairs, repaired, share
from segue.evaluation.songs import Lists

SEEDS = st.integers(0, 2**32 - 1)


def lists(*members: list[int]) -> Lists:
    """Lists in the test's own words."""
    offsets = np.cumsum([0, *(len(m) for m in members)])
    return Lists(offsets, np.array([m for one in members for m in one], np.int32))


def coarse(rng: np.random.Generator, size: int) -> np.ndarray:
    """Numbers among which many are equal."""
    return rng.integers(0, 6, size) / 4


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, size=st.integers(3, 40))
def test_weights_count_a_pair_as_often_as_repeating_it(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = coarse(rng, size), coarse(rng, size)
    weights = rng.integers(0, 4, size)
    many_x, many_y = np.repeat(x, weights), np.repeat(y, weights)
    if len(set(many_x)) < 2 or len(set(many_y)) < 2:
        assert np.isnan(pearson(x, y, weights.astype(float)))
        return
    assert pearson(x, y, weights.astype(float)) == pytest.approx(
        stats.pearsonr(many_x, many_y).statistic, abs=1e-9
    )
    assert spearman(dense_ranks(x), dense_ranks(y), weights.astype(float)) == pytest.approx(
        stats.spearmanr(many_x, many_y).statistic, abs=1e-9
    )


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, near=st.integers(2, 30), far=st.integers(2, 30))
def test_a_contrast_is_what_comparing_every_two_pairs_gives(seed: int, near: int, far: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = coarse(rng, near), coarse(rng, far)
    u, v = rng.integers(1, 4, near), rng.integers(1, 4, far)
    ranks = dense_ranks(np.concatenate([a, b]))
    found = contrast(a, b, (ranks[:near], ranks[near:]), u.astype(float), v.astype(float))
    many_a, many_b = np.repeat(a, u), np.repeat(b, v)
    wins = [(x < y) + (x == y) / 2 for x in many_a for y in many_b]
    assert found.auc == pytest.approx(np.mean(wins))
    assert found.difference == pytest.approx(many_b.mean() - many_a.mean())
    pooled = np.sqrt((many_a.var() + many_b.var()) / 2)
    if pooled:
        assert found.d == pytest.approx((many_b.mean() - many_a.mean()) / pooled)
    else:
        assert np.isnan(found.d)


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, sizes=st.lists(st.integers(3, 12), min_size=1, max_size=5))
def test_a_partial_correlation_is_that_of_what_the_regression_on_the_control_leaves(
    seed: int, sizes: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(len(sizes)), sizes)
    x, y = rng.standard_normal((2, len(cell))) + cell
    control = np.eye(len(sizes))[cell]
    left = [v - control @ np.linalg.lstsq(control, v, rcond=None)[0] for v in (x, y)]
    starts = np.cumsum([0, *sizes])
    columns = np.column_stack([np.ones(len(x)), x, y])
    found = Moments.of(columns, starts, None).correlation(1, 2, np.arange(len(sizes)))
    assert found == pytest.approx(np.corrcoef(*left)[0, 1])


def test_cells_below_zero_are_left_out() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 30))
    columns = np.column_stack([np.ones(30), x, y])
    moments = Moments.of(columns, np.array([0, 10, 30]), None)
    found = moments.correlation(1, 2, np.array([-1, 0]))
    assert found == pytest.approx(np.corrcoef(x[10:], y[10:])[0, 1])


def test_equal_values_take_the_middle_of_their_ranks() -> None:
    ranks = midranks(dense_ranks(np.array([0.5, 0.1, 0.5, 0.9])))
    np.testing.assert_array_equal(np.diff(ranks[[1, 0, 2, 3]]), [1.5, 0, 1.5])


@pytest.mark.parametrize("size", [0, 1, 2, 50])
def test_what_does_not_vary_correlates_with_nothing(size: int) -> None:
    constant, other = np.full(size, 0.3), np.arange(size) / 10
    assert np.isnan(pearson(constant, other))
    assert np.isnan(pearson(other, constant))
    assert np.isnan(spearman(dense_ranks(constant), dense_ranks(other)))


def test_no_pairs_in_a_group_leave_the_contrast_undefined() -> None:
    none, some = np.zeros(0), np.array([0.2, 0.4])
    found = contrast(none, some, (dense_ranks(none), dense_ranks(some)))
    assert np.isnan([found.near, found.difference, found.d, found.auc]).all()
    assert found.far == pytest.approx(0.3)


def test_cosine_distances_are_those_of_every_pair_by_hand() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    left, right = np.array(list(combinations(range(40), 2))).T
    expected = [1 - float(vectors[i] @ vectors[j]) for i, j in zip(left, right, strict=True)]
    np.testing.assert_allclose(cosine_distances(vectors, left, right), expected, atol=1e-6)
    assert cosine_distances(vectors, np.arange(40), np.arange(40)).min() >= 0


@pytest.mark.parametrize(("songs", "count"), [(0, 9), (1, 9), (2, 9), (30, 1_000), (30, 100)])
def test_random_pairs_are_distinct_and_no_more_than_there_are(songs: int, count: int) -> None:
    pairs = random_pairs(songs, count, np.random.default_rng(1))
    assert len(pairs) == min(count, songs * (songs - 1) // 2)
    assert np.all(pairs.left < pairs.right)
    assert len({*zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)}) == len(pairs)


def test_every_random_pair_is_as_likely_as_any_other() -> None:
    counts = np.zeros((60, 60))
    for seed in range(400):
        pairs = random_pairs(60, 300, np.random.default_rng(seed))
        counts[pairs.left, pairs.right] += 1
    seen = counts[np.triu_indices(60, 1)]
    # 300 of 1770 pairs, 400 times: 67.8 each, give or take 7.5.
    assert 6 < seen.std() < 9
    assert abs(seen[:400].mean() - seen[-400:].mean()) < 3


def test_every_playlist_counts_the_same_however_long() -> None:
    playlists = lists([0, 1], [7], [2, 3, 4, 5, 6], [])
    pairs = pairs_within(playlists, 4_000, np.random.default_rng(2))
    (cluster,) = pairs.clusters
    assert set(cluster.tolist()) == {0, 2}
    assert abs((cluster == 0).mean() - 0.5) < 0.04
    assert np.all(pairs.left != pairs.right)
    assert {*pairs.left[cluster == 0].tolist()} == {0, 1}
    assert len({frozenset(p) for p in zip(pairs.left, pairs.right, strict=True)}) == 11


def test_without_a_playlist_of_two_there_are_no_pairs_that_share_one() -> None:
    none = pairs_within(lists([0], [1], []), 100, np.random.default_rng(0))
    assert len(none) == 0
    assert len(repaired(none, lists([0], [1]), np.random.default_rng(0))) == 0


@settings(max_examples=50, deadline=None)
@given(
    playlists=st.lists(st.lists(st.integers(0, 9), unique=True, max_size=10), max_size=12),
)
def test_sharing_is_what_the_sets_of_playlists_say(playlists: list[list[int]]) -> None:
    holders = lists(*playlists).inverted(10)
    left, right = np.array(list(combinations(range(10), 2)), np.int32).T
    expected = [any(i in p and j in p for p in playlists) for i, j in zip(left, right, strict=True)]
    assert share(holders, Pairs(left, right)).tolist() == expected


def test_sharing_is_the_same_whatever_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    holders = lists(*[sorted(set(rng.integers(0, 80, 12).tolist())) for _ in range(60)]).inverted(
        80
    )
    pairs = random_pairs(80, 2_000, rng)
    at_once = share(holders, pairs)
    monkeypatch.setattr("segue.evaluation.sampling._CHUNK", 7)
    assert 0 < at_once.sum() < len(pairs)
    np.testing.assert_array_equal(share(holders, pairs), at_once)


def test_songs_paired_anew_share_no_playlist() -> None:
    rng = np.random.default_rng(6)
    playlists = lists(*[sorted(set(rng.integers(0, 90, 6).tolist())) for _ in range(40)])
    holders = playlists.inverted(90)
    pairs = pairs_within(playlists, 3_000, rng)
    anew = repaired(pairs, holders, rng)
    assert share(holders, pairs).all()
    assert not share(holders, anew).any()
    assert len(anew) > 1_500
    assert np.all(anew.left != anew.right)


def test_an_interval_is_undefined_when_most_replicates_are() -> None:
    found = estimate(0.2, [0.1, np.nan, np.nan])
    assert np.isnan([found.low, found.high]).all()
    assert estimate(float("nan"), [0.1, 0.2]).p is None


def test_r_squared_begins_at_zero_where_the_interval_of_r_holds_it() -> None:
    around = squared(estimate(0.05, np.linspace(-0.1, 0.2, 101)))
    below = squared(estimate(-0.3, np.linspace(-0.4, -0.2, 101)))
    assert (around.low, around.high) == (0, pytest.approx(0.2**2, abs=0.005))
    assert below.low == pytest.approx(0.2**2, abs=0.005)
    assert below.high == pytest.approx(0.4**2, abs=0.005)


def test_p_counts_the_data_among_the_permuted() -> None:
    assert permutation_p(0.5, [0.1, -0.2, 0.3]) == pytest.approx(1 / 4)
    assert permutation_p(0.2, [0.1, -0.2, 0.3]) == pytest.approx(3 / 4)
    assert permutation_p(float("nan"), [0.1]) is None
    assert permutation_p(0.2, []) is None


def test_as_many_songs_are_drawn_as_there_are() -> None:
    assert song_weights(1_000, np.random.default_rng(0)).sum() == 1_000
    assert len(song_weights(0, np.random.default_rng(0))) == 0
