"""Seeded samples of pairs of songs.

A pair is unordered and of two different songs. Songs are numbered 0…n-1.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segue.evaluation.songs import Ints, Lists

_CHUNK = 1 << 21


@dataclass(frozen=True)
class Pairs:
    """[m] pairs, and where a sample came in clusters the clusters each came from."""

    left: Ints
    right: Ints
    clusters: tuple[Ints, ...] = ()
    """The playlist (or artist) that a pair was drawn from; two of them for a re-paired one."""

    def __len__(self) -> int:
        return len(self.left)

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> "Pairs":
        """The pairs `rows` names."""
        return Pairs(self.left[rows], self.right[rows], tuple(c[rows] for c in self.clusters))


def random_pairs(songs: int, count: int, rng: np.random.Generator) -> Pairs:
    """`count` pairs, or all there are if they are fewer; without replacement, in random order.

    Every pair is as likely as any other.
    """
    total = songs * (songs - 1) // 2
    if total <= 2 * count:
        left, right = np.triu_indices(songs, 1)
        chosen = rng.permutation(total)[:count]
        return Pairs(left[chosen].astype(np.int32), right[chosen].astype(np.int32))
    codes = np.zeros(0, np.int64)
    while len(codes) < count:
        a, b = _two_of(np.full(count - len(codes) + 1_000, songs), rng)
        codes = np.concatenate([codes, np.minimum(a, b) * songs + np.maximum(a, b)])
        # In the order drawn: sorted codes cut off at `count` would favour low numbers.
        _, first = np.unique(codes, return_index=True)
        codes = codes[np.sort(first)]
    left, right = np.divmod(codes[:count], songs)
    return Pairs(left.astype(np.int32), right.astype(np.int32))


def pairs_within(lists: Lists, count: int, rng: np.random.Generator) -> Pairs:
    """`count` pairs, each from a list drawn at random, with replacement; none if no list has two.

    Every list of two or more counts the same, and in it every pair. Its members are distinct.
    """
    lengths = lists.lengths()
    eligible = np.flatnonzero(lengths >= 2)
    if not len(eligible):
        none = np.zeros(0, np.int32)
        return Pairs(none, none, (none,))
    drawn = eligible[rng.integers(len(eligible), size=count)]
    a, b = _two_of(lengths[drawn], rng)
    start = lists.offsets[drawn]
    return Pairs(lists.members[start + a], lists.members[start + b], (drawn.astype(np.int32),))


def repaired(pairs: Pairs, holders: Lists, rng: np.random.Generator) -> Pairs:
    """The same songs paired anew at random, without pairs that share a playlist.

    What is left has the songs of `pairs` about as often as `pairs` itself: popular songs stand in
    both alike. `holders`: for each song its playlists.
    """
    (cluster,) = pairs.clusters
    order = rng.permutation(len(pairs))
    anew = Pairs(pairs.left, pairs.right[order], (cluster, cluster[order]))
    apart = anew.take(anew.left != anew.right)
    return apart.take(~share(holders, apart))


def share(holders: Lists, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """[m]: whether the two songs have a playlist in common; `holders`: for each song its own."""
    lengths = holders.lengths()
    swap = lengths[pairs.left] > lengths[pairs.right]
    few = np.where(swap, pairs.right, pairs.left)
    many = np.where(swap, pairs.left, pairs.right)
    ends = np.cumsum(lengths[few])
    result = np.zeros(len(pairs), bool)
    start = 0
    while start < len(pairs):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        result[start:stop] = _share(holders, few[start:stop], many[start:stop])
        start = stop
    return result


def _share(holders: Lists, few: Ints, many: Ints) -> npt.NDArray[np.bool_]:
    """Looks every playlist of `few` up among those of `many`, by bisection, all at once."""
    counts = holders.lengths()[few]
    owner = np.repeat(np.arange(len(few)), counts)
    if not len(owner):
        return np.zeros(len(few), bool)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    sought = holders.members[holders.offsets[few][owner] + within]
    low, end = holders.offsets[many][owner], holders.offsets[many + 1][owner]
    high, last = end.copy(), len(holders.members) - 1
    while np.any(low < high):
        middle = (low + high) >> 1
        below = (low < high) & (holders.members[np.minimum(middle, last)] < sought)
        high = np.where(below, high, np.minimum(high, middle))
        low = np.where(below, middle + 1, low)
    found = (low < end) & (holders.members[np.minimum(low, last)] == sought)
    return np.bincount(owner[found], minlength=len(few)) > 0


def _two_of(
    sizes: npt.NDArray[np.integer], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each size two different numbers below it."""
    first = rng.integers(0, sizes)
    second = rng.integers(0, sizes - 1)
    second += second >= first
    return first, second
