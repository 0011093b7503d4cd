"""The comparison of song and lyrics vectors: what is sampled, and what is reckoned from it.

A `Study` is what every replicate starts from; replicates are independent of each other, so that
they can be worked on anywhere: replicate k is the same wherever it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segue.evaluation.correlation import (
    Array,
    Contrast,
    Moments,
    contrast,
    cosine_distances,
    dense_ranks,
    midranks,
    pearson,
    song_weights,
)
from segue.evaluation.sampling import Pairs, pairs_within, random_pairs, repaired, share
from segue.evaluation.songs import Floats, Ints, Lists, Songs

MIN_SONGS = 50
"""Fewer songs with both vectors, of a language or behind a group of pairs, say nothing."""
MIN_CLUSTERS = 20
"""The same for playlists, and artists with several songs."""
MAX_LANGUAGES = 12
_PERMUTED_PAIRS = 100_000
_CLUSTERED_PAIRS = 200_000
_LANGUAGE_PAIRS = 100_000
SAME_TEXT = 1e-5
"""Lyrics vectors nearer than this are of the same words: another recording or a cover."""

SHARED, RANDOM_SHARED = "shared", "shared_vs_random"
OTHER_ARTIST, OTHER_ARTIST_SAME_LANGUAGE = "other_artist", "other_artist_same_language"
SAME_ARTIST = "same_artist"

# What the streams of random numbers are for; replicates have a number of their own besides.
_SAMPLE, _BOOTSTRAP, _PERMUTATION = 1, 2, 3
_DIFFERENT, _NOT_TOLD = -1, -2


@dataclass(frozen=True)
class Sample:
    """Pairs and their lyrics distances by kind."""

    pairs: Pairs
    space: str
    """What the pairs' clusters are: "playlists", "artists", or "" for none."""
    lyrics: dict[str, Floats]


@dataclass(frozen=True)
class Comparison:
    """Two groups of pairs, each rows of a sample: are those of the first nearer?"""

    name: str
    near: tuple[str, Ints]
    far: tuple[str, Ints]
    dense: dict[str, tuple[Ints, Ints]]
    """By kind the `dense_ranks` of both groups' distances together, split."""
    songs: int
    """Different songs in the smaller of the two groups."""
    clusters: int
    """Different playlists (artists) that the first comes from."""

    @property
    def enough(self) -> bool:
        """Whether the groups are large enough to say something."""
        return self.songs >= MIN_SONGS and self.clusters >= MIN_CLUSTERS


@dataclass(frozen=True)
class Column:
    """Random pairs with the columns 1, song distance, and lyrics distance by kind."""

    pairs: Pairs
    columns: Array
    starts: Ints
    """Rows of cell c: `starts[c]`…`starts[c + 1]`."""


@dataclass(frozen=True)
class PermutationTest:
    """Random pairs whose songs exchange their lyrics vectors."""

    pairs: Pairs
    """Numbers among this test's own songs."""
    distances: Floats
    ranks: Array
    lyrics: dict[str, Floats]
    languages: Ints
    within: npt.NDArray[np.intp]
    """Rows of the pairs of one language, by language."""
    within_starts: Ints

    def statistics(self, order: Mapping[str, npt.NDArray[np.integer]]) -> dict[str, float]:
        """By statistic its value when song i has the vectors of song `order[…][i]`.

        `order`: "all" over all songs, "language" within each language.
        """
        found: dict[str, float] = {}
        for kind, vectors in self.lyrics.items():
            left, right = order["all"][self.pairs.left], order["all"][self.pairs.right]
            y = cosine_distances(vectors, left, right)
            found[f"pearson/{kind}"] = pearson(self.distances.astype(float), y.astype(float))
            found[f"spearman/{kind}"] = pearson(self.ranks, midranks(dense_ranks(y)))
            pairs = self.pairs.take(self.within)
            y = cosine_distances(
                vectors, order["language"][pairs.left], order["language"][pairs.right]
            )
            columns = np.column_stack([np.ones(len(y)), self.distances[self.within], y])
            moments = Moments.of(columns, self.within_starts, None)
            cells = np.arange(len(self.within_starts) - 1)
            found[f"within_language/{kind}"] = moments.correlation(1, 2, cells)
        return found

    def unpermuted(self) -> dict[str, float]:
        """The statistics of the data."""
        same = np.arange(len(self.languages))
        return self.statistics({"all": same, "language": same})


@dataclass(frozen=True)
class Study:
    """All that the estimates are reckoned from; its size is that of the samples."""

    seed: int
    songs: int
    clusters: dict[str, int]
    """How many playlists and artists there are to be drawn."""
    kinds: tuple[str, ...]
    random: Column
    """Its cells are by same artist and by language."""
    cell_artist: Ints
    """[cells]: 1 same artist, 0 not."""
    cell_language: Ints
    """[cells]: the language of both, -1 two languages, -2 not told."""
    ranks: tuple[Ints, ...]
    """`dense_ranks` of the columns of `random` but the first."""
    languages: dict[str, Column]
    """By language, commonest first; those with enough songs."""
    samples: dict[str, Sample]
    comparisons: tuple[Comparison, ...]
    test: PermutationTest = field(repr=False)

    def observed(self) -> dict[str, float]:
        """By name every estimate, from the data as they are."""
        return self._estimates(None, {})

    def bootstrap(self, replicate: int) -> dict[str, float]:
        """By name every estimate, from songs, playlists and artists drawn anew.

        A pair counts as often as its songs and its clusters were drawn, multiplied.
        """
        rng = np.random.default_rng([self.seed, _BOOTSTRAP, replicate])
        songs = song_weights(self.songs, rng)
        return self._estimates(
            songs, {space: song_weights(n, rng) for space, n in self.clusters.items()}
        )

    def permutation(self, replicate: int) -> dict[str, float]:
        """By name the tested statistics, with the songs' lyrics vectors exchanged at random."""
        rng = np.random.default_rng([self.seed, _PERMUTATION, replicate])
        languages = self.test.languages
        within = np.empty(len(languages), np.int64)
        within[np.argsort(languages, kind="stable")] = np.lexsort(
            (rng.random(len(languages)), languages)
        )
        return self.test.statistics({"all": rng.permutation(len(languages)), "language": within})

    def _estimates(self, songs: Array | None, clusters: dict[str, Array]) -> dict[str, float]:
        found = self._correlations(songs)
        weights = {
            name: None if songs is None else _weights(sample, songs, clusters)
            for name, sample in self.samples.items()
        }
        for comparison in self.comparisons:
            for kind, result in self._contrasts(comparison, weights).items():
                for statistic in ("near", "far", "difference", "d", "auc"):
                    name = f"{comparison.name}/{statistic}/{kind}"
                    found[name] = getattr(result, statistic)
        return found

    def _correlations(self, songs: Array | None) -> dict[str, float]:
        found: dict[str, float] = {}
        weights = _pair_weights(self.random.pairs, songs)
        moments = Moments.of(self.random.columns, self.random.starts, weights)
        artist, language = self.cell_artist, self.cell_language
        # Pairs of two languages are a stratum beside those of each language; what was not told
        # cannot be held fixed, and comes out below zero.
        strata = {
            "pearson": None,
            "given_artist": artist,
            "given_language": language + 1,
            "given_both": 2 * (language + 1) + artist,
            "within_language": language,
        }
        x_ranks = midranks(self.ranks[0], weights)
        for i, kind in enumerate(self.kinds, start=2):
            for name, given in strata.items():
                found[f"{name}/{kind}"] = moments.correlation(1, i, given)
            y_ranks = midranks(self.ranks[i - 1], weights)
            found[f"spearman/{kind}"] = pearson(x_ranks, y_ranks, weights)
        for name, column in self.languages.items():
            weights = _pair_weights(column.pairs, songs)
            moments = Moments.of(column.columns, column.starts, weights)
            for i, kind in enumerate(self.kinds, start=2):
                found[f"language:{name}/{kind}"] = moments.correlation(1, i)
        return found

    def _contrasts(
        self, comparison: Comparison, weights: Mapping[str, Array | None]
    ) -> dict[str, Contrast]:
        (near, near_rows), (far, far_rows) = comparison.near, comparison.far
        near_weights, far_weights = weights[near], weights[far]
        return {
            kind: contrast(
                self.samples[near].lyrics[kind][near_rows],
                self.samples[far].lyrics[kind][far_rows],
                comparison.dense[kind],
                None if near_weights is None else near_weights[near_rows],
                None if far_weights is None else far_weights[far_rows],
            )
            for kind in self.kinds
        }


def prepare(songs: Songs, pairs: int, seed: int) -> Study:
    """Draws the samples, at most `pairs` random pairs, and measures their distances."""
    rng = np.random.default_rng([seed, _SAMPLE])
    kinds = tuple(songs.lyrics)
    drawn = random_pairs(len(songs), pairs, rng)
    clustered = min(pairs, _CLUSTERED_PAIRS)
    holders = songs.playlists.inverted(len(songs))
    shared = pairs_within(songs.playlists, clustered, rng)
    anew = repaired(shared, holders, rng)
    some = drawn.take(first_rows(drawn, clustered))
    by_artist = _by_artist(songs.artists)
    of_artist = pairs_within(by_artist, clustered // 2, rng)
    samples = {
        name: Sample(p, space, _lyrics_distances(songs, p))
        for name, p, space in (
            ("shared", shared, "playlists"),
            ("repaired", anew, "playlists"),
            ("random", some, ""),
            ("artist", of_artist, "artists"),
        )
    }
    random, artist, language = _by_cell(songs, drawn)
    return Study(
        seed=seed,
        songs=len(songs),
        clusters={
            "playlists": len(songs.playlists.offsets) - 1,
            "artists": len(by_artist.offsets) - 1,
        },
        kinds=kinds,
        random=random,
        cell_artist=artist,
        cell_language=language,
        ranks=tuple(dense_ranks(c) for c in random.columns.T[1:]),
        languages=_language_samples(songs, min(pairs, _LANGUAGE_PAIRS), rng),
        samples=samples,
        comparisons=_comparisons(songs, samples, ~share(holders, some)),
        test=_permutation_test(songs, drawn.take(first_rows(drawn, _PERMUTED_PAIRS))),
    )


def first_rows(pairs: Pairs, count: int) -> npt.NDArray[np.intp]:
    """Rows of the first `count` pairs: of a random sample a random sample too."""
    return np.arange(min(len(pairs), count))


def _pair_weights(pairs: Pairs, songs: Array | None) -> Array | None:
    return None if songs is None else songs[pairs.left] * songs[pairs.right]


def _weights(sample: Sample, songs: Array, clusters: Mapping[str, Array]) -> Array:
    weights = songs[sample.pairs.left] * songs[sample.pairs.right]
    for cluster in sample.pairs.clusters:
        weights = weights * clusters[sample.space][cluster]
    return weights


def _lyrics_distances(songs: Songs, pairs: Pairs) -> dict[str, Floats]:
    return {
        kind: cosine_distances(vectors, pairs.left, pairs.right)
        for kind, vectors in songs.lyrics.items()
    }


def _column(songs: Songs, pairs: Pairs, starts: Sequence[int] | None = None) -> Column:
    lyrics = _lyrics_distances(songs, pairs).values()
    distances = cosine_distances(songs.vectors, pairs.left, pairs.right)
    columns = np.column_stack([np.ones(len(pairs)), distances, *lyrics])
    return Column(pairs, columns, np.array(starts or [0, len(pairs)], np.int32))


def _languages_of(songs: Songs, pairs: Pairs) -> Ints:
    left, right = songs.languages[pairs.left], songs.languages[pairs.right]
    shared = np.where(left == right, left, _DIFFERENT)
    return np.where((left < 0) | (right < 0), _NOT_TOLD, shared).astype(np.int32)


def _same_artist(songs: Songs, pairs: Pairs) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = songs.artists[pairs.left] == songs.artists[pairs.right]
    return same


def _by_cell(songs: Songs, pairs: Pairs) -> tuple[Column, Ints, Ints]:
    cell = 2 * (_languages_of(songs, pairs) - _NOT_TOLD) + _same_artist(songs, pairs)
    order = np.argsort(cell, kind="stable")
    cells, starts = np.unique(cell[order], return_index=True)
    column = _column(songs, pairs.take(order), [*starts.tolist(), len(pairs)])
    return column, cells.astype(np.int32) % 2, cells.astype(np.int32) // 2 + _NOT_TOLD


def _by_artist(artists: Ints) -> Lists:
    """For each artist its songs."""
    order = np.argsort(artists, kind="stable").astype(np.int32)
    counts = np.bincount(artists) if len(artists) else np.zeros(0, np.int64)
    return Lists(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), order)


def _language_samples(songs: Songs, count: int, rng: np.random.Generator) -> dict[str, Column]:
    told = songs.languages[songs.languages >= 0]
    sizes = np.bincount(told, minlength=len(songs.language_names))
    found = {}
    for language in np.argsort(-sizes, kind="stable")[:MAX_LANGUAGES]:
        if sizes[language] < MIN_SONGS:
            break
        members = np.flatnonzero(songs.languages == language).astype(np.int32)
        drawn = random_pairs(len(members), count, rng)
        pairs = Pairs(members[drawn.left], members[drawn.right])
        found[songs.language_names[language]] = _column(songs, pairs)
    return found


def _comparisons(
    songs: Songs, samples: Mapping[str, Sample], apart: npt.NDArray[np.bool_]
) -> tuple[Comparison, ...]:
    """`apart`: which random pairs share no playlist."""
    all_rows = {name: np.ones(len(s.pairs), bool) for name, s in samples.items()}
    other = {name: ~_same_artist(songs, s.pairs) for name, s in samples.items()}
    strict = {
        name: other[name]
        & (_languages_of(songs, s.pairs) >= 0)
        & np.all([y > SAME_TEXT for y in s.lyrics.values()], axis=0)
        for name, s in samples.items()
    }
    return tuple(
        _comparison(name, samples, near, near_rows[near], far, far_rows[far])
        for name, near, near_rows, far, far_rows in (
            (SHARED, "shared", all_rows, "repaired", all_rows),
            (RANDOM_SHARED, "shared", all_rows, "random", {"random": apart}),
            (OTHER_ARTIST, "shared", other, "repaired", other),
            (OTHER_ARTIST_SAME_LANGUAGE, "shared", strict, "repaired", strict),
            (SAME_ARTIST, "artist", all_rows, "random", other),
        )
    )


def _comparison(
    name: str,
    samples: Mapping[str, Sample],
    near: str,
    near_mask: npt.NDArray[np.bool_],
    far: str,
    far_mask: npt.NDArray[np.bool_],
) -> Comparison:
    near_rows, far_rows = np.flatnonzero(near_mask), np.flatnonzero(far_mask)
    dense = {}
    for kind in samples[near].lyrics:
        near_y, far_y = samples[near].lyrics[kind][near_rows], samples[far].lyrics[kind][far_rows]
        ranks = dense_ranks(np.concatenate([near_y, far_y]))
        dense[kind] = (ranks[: len(near_y)], ranks[len(near_y) :])
    near_pairs, far_pairs = samples[near].pairs.take(near_rows), samples[far].pairs.take(far_rows)
    return Comparison(
        name,
        (near, near_rows.astype(np.int32)),
        (far, far_rows.astype(np.int32)),
        dense,
        songs=min(_songs_in(near_pairs), _songs_in(far_pairs)),
        clusters=len(np.unique(near_pairs.clusters[0])),
    )


def _songs_in(pairs: Pairs) -> int:
    return len(np.unique(np.concatenate([pairs.left, pairs.right])))


def _permutation_test(songs: Songs, pairs: Pairs) -> PermutationTest:
    used, ends = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    own = Pairs(ends[: len(pairs)].astype(np.int32), ends[len(pairs) :].astype(np.int32))
    distances = cosine_distances(songs.vectors, pairs.left, pairs.right)
    language = _languages_of(songs, pairs)
    rows = np.flatnonzero(language >= 0)
    rows = rows[np.argsort(language[rows], kind="stable")]
    _, starts = np.unique(language[rows], return_index=True)
    return PermutationTest(
        own,
        distances,
        midranks(dense_ranks(distances)),
        {kind: vectors[used] for kind, vectors in songs.lyrics.items()},
        songs.languages[used],
        rows,
        np.append(starts, len(rows)).astype(np.int32),
    )
