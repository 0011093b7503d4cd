"""Exact nearest rows of a matrix: a fast rough scan, then exact scores of the best.

An exact scan of 2.26 million rows of 32 takes about 8 ms on one core, needs nothing built, and
misses nothing.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Metric = Literal["cosine", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

_NUMPY_UP_TO = 200_000
"""Rows up to which NumPy is quick enough that importing faiss does not pay."""
_SLACK = 1e-5
"""More than float32 sums of such rows can be off, relative to the scores' size."""
_BLOCK = 65_536

Floats = NDArray[np.float32]
Scores = NDArray[np.float64]
Indices = NDArray[np.int64]
_Score = TypeVar("_Score", Scores, float)


@dataclass(frozen=True)
class Space:
    """Rows to search by one metric; for cosine they are unit vectors. Zero rows are no rows."""

    rows: Floats
    metric: Metric


def nearest(
    space: Space,
    query: NDArray[np.floating],
    k: int,
    *,
    without: NDArray[np.integer],
    groups: NDArray[np.integer] | None = None,
) -> tuple[Indices, Scores]:
    """Up to `k` row indices nearest to `query`, and their scores, best first, ties by index.

    Scores are cosines, falling, or Euclidean distances, rising. Rows of `without` are left out;
    with `groups` (a number a row) so are the rows of their groups, and of every other group only
    the best row stays. The result is that of scoring every row in float64.
    """
    size = len(space.rows)
    wide: Scores = np.asarray(query, np.float64)
    if space.metric == "cosine" and wide.any():
        wide = wide / np.sqrt((wide * wide).sum())
    fetch = min(size, k + len(without) + 32)
    while True:
        order, scores = _best(space, wide, fetch)
        kept = _kept(space, order, without, groups)
        if kept.sum() >= k or fetch == size:
            chosen = np.flatnonzero(kept)[: max(k, 0)]
            return order[chosen], scores[chosen]
        fetch = min(size, fetch * 4)


def _best(space: Space, query: Scores, fetch: int) -> tuple[Indices, Scores]:
    """The first rows of the exact order: about `fetch` of them, all when that is every row."""
    size = len(space.rows)
    if fetch * 8 >= size:
        starts = range(0, size, _BLOCK)
        parts = [_exact(space.rows[s : s + _BLOCK], query, space.metric) for s in starts]
        scores = np.concatenate(parts) if parts else np.empty(0)
        order = np.lexsort((np.arange(size), _rank(scores, space.metric)))
        return order, scores[order]
    candidates, worst = _rough(space, query.astype(np.float32), fetch)
    scores = _exact(space.rows[candidates], query, space.metric)
    order = np.lexsort((candidates, _rank(scores, space.metric)))
    candidates, scores = candidates[order], scores[order]
    # A row that the rough scan left out may still be as good as the worst that it found.
    slack = _SLACK if space.metric == "cosine" else _SLACK * worst
    certain = _rank(scores, space.metric) < _rank(worst, space.metric) - slack
    return candidates[certain], scores[certain]


def _rough(space: Space, query: Floats, fetch: int) -> tuple[Indices, float]:
    """`fetch` rows that are the best but for rounding, in any order, and the worst's score."""
    if len(space.rows) > _NUMPY_UP_TO:
        import faiss

        by = faiss.METRIC_INNER_PRODUCT if space.metric == "cosine" else faiss.METRIC_L2
        found, order = faiss.knn(query[None, :], space.rows, fetch, metric=by)
        worst = float(found[0, -1])
        return order[0].astype(np.int64), worst if space.metric == "cosine" else worst**0.5
    if space.metric == "cosine":
        scores = space.rows @ query
        order = np.argpartition(-scores, fetch - 1)[:fetch]
        return order, float(scores[order].min())
    gaps = space.rows - query
    scores = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
    order = np.argpartition(scores, fetch - 1)[:fetch]
    return order, float(scores[order].max())


def _exact(rows: Floats, query: Scores, metric: Metric) -> Scores:
    # Row by row, not a matrix product, which rounds equal rows differently by where they stand.
    wide = rows.astype(np.float64)
    if metric == "cosine":
        return np.asarray((wide * query).sum(axis=1))
    return np.asarray(np.sqrt(np.square(wide - query).sum(axis=1)))


def _rank(scores: _Score, metric: Metric) -> _Score:
    """`scores` so that less is better."""
    return -scores if metric == "cosine" else scores


def _kept(
    space: Space,
    order: Indices,
    without: NDArray[np.integer],
    groups: NDArray[np.integer] | None,
) -> NDArray[np.bool_]:
    kept = space.rows[order].any(axis=1)
    if groups is None:
        return kept & ~np.isin(order, without)
    group = groups[order]
    kept &= ~np.isin(group, groups[without])
    usable = np.flatnonzero(kept)
    _, first = np.unique(group[usable], return_index=True)
    kept[:] = False
    kept[usable[first]] = True
    return kept
