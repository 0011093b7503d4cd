"""The exact scan: what it finds is what scoring every row finds."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from segue.serving import scan
from segue.serving.build import unit_rows
from segue.serving.scan import METRICS, Metric, Space, nearest

NOTHING = np.empty(0, np.int64)


def brute_force(
    vectors: np.ndarray,
    query: np.ndarray,
    k: int,
    metric: Metric,
    without: np.ndarray,
    groups: np.ndarray | None,
) -> list[int]:
    """The obvious way: score each row, sort, leave out."""
    rows, target = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        units = unit_rows(vectors)[0].astype(np.float64)
        length = np.sqrt((target * target).sum())
        scores = -(units * (target / length if length else target)).sum(axis=1)
    else:
        scores = np.sqrt(((rows - target) ** 2).sum(axis=1))
    seen = set(without) if groups is None else set(groups[without])
    found: list[int] = []
    for row in sorted(range(len(rows)), key=lambda row: (scores[row], row)):
        group = row if groups is None else groups[row]
        if rows[row].any() and group not in seen:
            found.append(row)
            if groups is not None:
                seen.add(group)
    return found[:k]


def space(vectors: np.ndarray, metric: Metric) -> Space:
    return Space(unit_rows(vectors)[0] if metric == "cosine" else vectors, metric)


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray | None]:
    seed = draw(st.integers(0, 2**32 - 1))
    size = draw(st.integers(1, 2_000))
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((size, 8)).astype(np.float32)
    if draw(st.booleans()):
        # Coarse: many equal rows and so many ties.
        vectors = np.round(vectors).astype(np.float32)
    vectors[rng.random(size) < draw(st.sampled_from([0, 0.1, 0.9]))] = 0
    query = vectors[rng.integers(size)] if draw(st.booleans()) else rng.standard_normal(8)
    without = rng.integers(0, size, draw(st.integers(0, 5)))
    groups = rng.integers(0, size, size) if draw(st.booleans()) else None
    return vectors, query, draw(st.integers(1, 2 * size)), without, groups


@pytest.mark.parametrize("by_faiss", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None)
@given(search=searches())
def test_the_nearest_rows_are_those_of_brute_force(
    metric: Metric,
    by_faiss: bool,
    search: tuple[np.ndarray, np.ndarray, int, np.ndarray, np.ndarray | None],
) -> None:
    vectors, query, k, without, groups = search
    for count in (k, min(k, 3)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scan, "_NUMPY_UP_TO", 0 if by_faiss else 10**9)
            rows, scores = nearest(
                space(vectors, metric), query, count, without=without, groups=groups
            )
        assert list(rows) == brute_force(vectors, query, count, metric, without, groups)
        assert list(scores) == sorted(scores, reverse=metric == "cosine")


@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_come_in_the_order_of_their_indices(metric: Metric) -> None:
    vectors = np.tile(np.array([[1, 2], [2, 4.5]], np.float32), (5_000, 1))
    rows, _ = nearest(space(vectors, metric), np.array([1, 2]), 40, without=np.array([0]))
    assert list(rows) == list(range(2, 82, 2))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [0, 1, 5])
def test_more_rows_than_there_are_gives_those_there_are(metric: Metric, size: int) -> None:
    vectors = np.eye(max(size, 1), 8, dtype=np.float32)[:size]
    rows, scores = nearest(space(vectors, metric), np.ones(8), 10**6, without=NOTHING)
    assert len(rows) == len(scores) == size


def test_a_distance_is_zero_for_the_row_itself() -> None:
    vectors = np.random.default_rng(0).standard_normal((500, 32)).astype(np.float32)
    rows, scores = nearest(space(vectors, "euclidean"), vectors[7], 1, without=NOTHING)
    assert (rows[0], scores[0]) == (7, 0.0)
