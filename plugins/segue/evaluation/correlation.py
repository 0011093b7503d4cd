"""Statistics of weighted pairs: correlation, rank correlation, difference of two groups.

A weight says how often a pair counts; that is how a resampled data set is evaluated without being
built. Everything is NaN where the data do not define it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.integer]

_CHUNK = 65_536
_NOISE = 1e-12
"""A variance below this share of the mean square is rounding, not variance."""


def cosine_distances(
    unit_vectors: npt.NDArray[np.float32], left: Indices, right: Indices
) -> npt.NDArray[np.float32]:
    """[m], 0…2: one minus the cosine of rows `left` and `right`, which have length 1."""
    distances = np.empty(len(left), np.float32)
    for start in range(0, len(left), _CHUNK):
        part = slice(start, start + _CHUNK)
        cosines = np.einsum("ij,ij->i", unit_vectors[left[part]], unit_vectors[right[part]])
        distances[part] = 1 - cosines
    # Two equal rows may come out a rounding error apart, in either direction.
    return np.clip(distances, 0, 2, out=distances)


@dataclass(frozen=True)
class Moments:
    """Weighted sums of products of columns, for each cell of the pairs: [cells, k, k].

    Column 0 is all ones, so that row 0 holds the weights and the weighted sums.
    """

    sums: Array

    @classmethod
    def of(cls, columns: Array, starts: Indices, weights: Array | None) -> "Moments":
        """The moments of `columns` [m, k], whose cell c is rows `starts[c]`…`starts[c + 1]`."""
        k = columns.shape[1]
        sums = np.zeros((len(starts) - 1, k, k))
        for cell, (start, stop) in enumerate(pairwise(starts)):
            for at in range(start, stop, _CHUNK):
                part = slice(at, min(at + _CHUNK, stop))
                rows = columns[part]
                weighted = rows if weights is None else rows * weights[part, None]
                sums[cell] += weighted.T @ rows
        return cls(sums)

    def correlation(self, x: int, y: int, strata: Indices | None = None) -> float:
        """Pearson's r of columns `x` and `y`, means taken out within each stratum.

        `strata` [cells] puts cells together; below zero leaves a cell out; None: all are one.
        With strata this is the partial correlation given the stratum, a category.
        """
        strata = np.zeros(len(self.sums), int) if strata is None else np.asarray(strata)
        kept = strata >= 0
        joint = np.zeros((int(strata.max(initial=-1)) + 1, *self.sums.shape[1:]))
        np.add.at(joint, strata[kept], self.sums[kept])
        joint = joint[joint[:, 0, 0] > 0]
        total, sum_x, sum_y = joint[:, 0, 0], joint[:, 0, x], joint[:, 0, y]
        var_x = float((joint[:, x, x] - sum_x**2 / total).sum())
        var_y = float((joint[:, y, y] - sum_y**2 / total).sum())
        cov = float((joint[:, x, y] - sum_x * sum_y / total).sum())
        constant_x = var_x <= _NOISE * float(joint[:, x, x].sum())
        constant_y = var_y <= _NOISE * float(joint[:, y, y].sum())
        if constant_x or constant_y:
            return float("nan")
        return float(np.clip(cov / np.sqrt(var_x * var_y), -1, 1))


def pearson(x: Array, y: Array, weights: Array | None = None) -> float:
    """Pearson's r of [m] and [m]."""
    columns = np.column_stack([np.ones(len(x)), x, y])
    return Moments.of(columns, np.array([0, len(x)]), weights).correlation(1, 2)


def dense_ranks(values: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    """[m]: the rank of each value among the different ones, from 0."""
    ranks: npt.NDArray[np.int64] = np.unique(values, return_inverse=True)[1]
    return ranks.astype(np.int32)


def midranks(dense: Indices, weights: Array | None = None) -> Array:
    """[m]: ranks from 0 of values given as `dense_ranks`, each counted `weights` times.

    Equal values get the middle of the ranks they take together.
    """
    counts = np.bincount(dense, weights)
    ranks: Array = (np.cumsum(counts) - counts / 2)[dense]
    return ranks


def spearman(dense_x: Indices, dense_y: Indices, weights: Array | None = None) -> float:
    """Spearman's rho of two columns given as `dense_ranks`."""
    return pearson(midranks(dense_x, weights), midranks(dense_y, weights), weights)


@dataclass(frozen=True)
class Contrast:
    """How much nearer one group of pairs is than another."""

    near: float
    """Mean distance of the group that is asked about."""
    far: float
    """Mean distance of the group it is held against."""
    difference: float
    """`far - near`: above zero if the first is nearer."""
    d: float
    """Cohen's d: the difference in standard deviations, pooled over both groups' variances."""
    auc: float
    """How often a pair of the first is nearer than one of the second; 0.5: no more than chance."""


def contrast(
    near: npt.NDArray[np.floating],
    far: npt.NDArray[np.floating],
    dense: Sequence[Indices],
    near_weights: Array | None = None,
    far_weights: Array | None = None,
) -> Contrast:
    """The contrast of distances [m] and [n]; `dense`: `dense_ranks` of both together, split."""
    nan = float("nan")
    if near_weights is None:
        near_weights = np.ones(len(near))
    if far_weights is None:
        far_weights = np.ones(len(far))
    near_total, far_total = float(near_weights.sum()), float(far_weights.sum())
    if near_total <= 0 or far_total <= 0:
        mean_near = float(near_weights @ near / near_total) if near_total > 0 else nan
        mean_far = float(far_weights @ far / far_total) if far_total > 0 else nan
        return Contrast(mean_near, mean_far, nan, nan, nan)
    mean_near = float(near_weights @ near / near_total)
    mean_far = float(far_weights @ far / far_total)
    var_near = float(near_weights @ (near - mean_near) ** 2 / near_total)
    var_far = float(far_weights @ (far - mean_far) ** 2 / far_total)
    # The groups' sizes are how many were sampled, and mean nothing: both count the same.
    pooled = np.sqrt((var_near + var_far) / 2)
    difference = mean_far - mean_near
    d = float(difference / pooled) if pooled > _NOISE else nan
    size = 1 + max(int(ranks.max(initial=-1)) for ranks in dense)
    at_near = np.bincount(dense[0], near_weights, size)
    at_far = np.bincount(dense[1], far_weights, size)
    farther = far_total - np.cumsum(at_far) + at_far / 2
    auc = float(at_near @ farther / (near_total * far_total))
    return Contrast(mean_near, mean_far, difference, d, auc)


@dataclass(frozen=True)
class Estimate:
    """A number, and the interval that 95 % of the resampled data sets gave."""

    value: float
    low: float
    high: float
    p: float | None = None
    """Share of permuted data sets as extreme as the data, the data counted among them."""

    def excludes(self, value: float) -> bool:
        """Whether the interval lies on one side of `value`."""
        return self.low > value or self.high < value


def estimate(value: float, replicates: npt.ArrayLike, p: float | None = None) -> Estimate:
    """The percentile interval over bootstrap `replicates`; NaN if half of them are undefined."""
    drawn = np.asarray(replicates, float)
    defined = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(defined) <= len(drawn) / 2:
        return Estimate(value, float("nan"), float("nan"), p)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(value, float(low), float(high), p)


def squared(r: Estimate) -> Estimate:
    """R² of a correlation and the interval that r's gives it: from 0 where r's includes 0."""
    ends = sorted((r.low**2, r.high**2))
    low = ends[0] if r.excludes(0) or np.isnan(r.low) else 0.0
    return Estimate(r.value**2, low, ends[1], r.p)


def permutation_p(value: float, permuted: npt.ArrayLike) -> float | None:
    """Two-sided (k + 1)/(n + 1): k of the n permuted data sets were as far from zero.

    None if `value` is undefined or there are no permuted ones.
    """
    others = np.asarray(permuted, float)
    if not np.isfinite(value) or not len(others) or np.isnan(others).any():
        return None
    # Permuted data that equal the data, as on tiny data, must not fall short by a rounding error.
    extreme = np.abs(others) >= abs(value) - 1e-12
    return float((extreme.sum() + 1) / (len(others) + 1))


def song_weights(songs: int, rng: np.random.Generator) -> Array:
    """[songs]: how often each is drawn when as many are drawn with replacement."""
    if not songs:
        return np.zeros(0)
    return np.bincount(rng.integers(songs, size=songs), minlength=songs).astype(float)
