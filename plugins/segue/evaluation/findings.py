"""The results of a study with their intervals, and what they amount to in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segue.evaluation.correlation import Estimate, estimate, permutation_p, squared
from segue.evaluation.study import (
    MIN_CLUSTERS,
    MIN_SONGS,
    OTHER_ARTIST,
    OTHER_ARTIST_SAME_LANGUAGE,
    RANDOM_SHARED,
    SAME_ARTIST,
    SHARED,
    Study,
)

CORRELATIONS = (
    "pearson",
    "spearman",
    "given_artist",
    "given_language",
    "given_both",
    "within_language",
)
CONTRASTS = ("near", "far", "difference", "d", "auc")
COMPARISONS = (SHARED, RANDOM_SHARED, OTHER_ARTIST, OTHER_ARTIST_SAME_LANGUAGE, SAME_ARTIST)

NEGLIGIBLE_R, NEGLIGIBLE_D = 0.1, 0.2
"""Cohen's bounds below which an effect is not worth the name."""
_R_WORDS = ((NEGLIGIBLE_R, "negligible"), (0.3, "small"), (0.5, "medium"), (np.inf, "large"))
_D_WORDS = ((NEGLIGIBLE_D, "negligible"), (0.5, "small"), (0.8, "medium"), (np.inf, "large"))
_DIGITS = 6
_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class LanguageFinding:
    """The correlation among the songs of one language."""

    language: str
    pairs: int
    r: dict[str, Estimate]
    """By kind of lyrics vector."""


@dataclass(frozen=True)
class ComparisonFinding:
    """Two groups of pairs against each other."""

    name: str
    near_pairs: int
    far_pairs: int
    songs: int
    clusters: int
    enough: bool
    results: dict[str, dict[str, Estimate]]
    """By kind of lyrics vector, by statistic (near, far, difference, d, auc)."""


@dataclass(frozen=True)
class Findings:
    """Everything the report tells."""

    version: str
    seed: int
    songs: int
    """Songs with both vectors."""
    tracks: int
    """All songs of the version."""
    pairs: int
    bootstraps: int
    permutations: int
    permuted_pairs: int
    kinds: tuple[str, ...]
    correlations: dict[str, dict[str, Estimate]]
    """By kind, by statistic: `CORRELATIONS` and `r_squared`."""
    languages: tuple[LanguageFinding, ...]
    comparisons: dict[str, ComparisonFinding]

    @property
    def enough_songs(self) -> bool:
        """Whether there are enough songs to say anything."""
        return self.songs >= MIN_SONGS

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to six significant digits; None for what is undefined."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain | {"enough_songs": self.enough_songs}


def conclude(
    study: Study,
    version: str,
    tracks: int,
    replicates: Sequence[Mapping[str, float]],
    permuted: Sequence[Mapping[str, float]],
) -> Findings:
    """The findings from a study's bootstrap and permutation replicates."""
    observed, tested = study.observed(), study.test.unpermuted()

    def interval(name: str) -> Estimate:
        p = permutation_p(tested[name], [r[name] for r in permuted]) if name in tested else None
        return estimate(observed[name], [r[name] for r in replicates], p)

    correlations = {}
    for kind in study.kinds:
        found = {name: interval(f"{name}/{kind}") for name in CORRELATIONS}
        correlations[kind] = found | {"r_squared": squared(found["pearson"])}
    return Findings(
        version=version,
        seed=study.seed,
        songs=study.songs,
        tracks=tracks,
        pairs=len(study.random.pairs),
        bootstraps=len(replicates),
        permutations=len(permuted),
        permuted_pairs=len(study.test.pairs),
        kinds=study.kinds,
        correlations=correlations,
        languages=tuple(
            LanguageFinding(
                name,
                len(column.pairs),
                {kind: interval(f"language:{name}/{kind}") for kind in study.kinds},
            )
            for name, column in study.languages.items()
        ),
        comparisons={
            c.name: ComparisonFinding(
                c.name,
                len(c.near[1]),
                len(c.far[1]),
                c.songs,
                c.clusters,
                c.enough,
                {
                    kind: {s: interval(f"{c.name}/{s}/{kind}") for s in CONTRASTS}
                    for kind in study.kinds
                },
            )
            for c in study.comparisons
        },
    )


def size_of_r(value: float) -> str:
    """Cohen's word for a correlation."""
    return _word(value, _R_WORDS)


def size_of_d(value: float) -> str:
    """Cohen's word for a difference in standard deviations."""
    return _word(value, _D_WORDS)


def headline(findings: Findings) -> tuple[str, str]:
    """The answer in a few words, and why, in a sentence or two.

    It rests on the strictest comparison that has enough data, by the plain mean of word vectors.
    """
    if not findings.enough_songs:
        return (
            "Too few songs to say",
            f"Only {findings.songs:,} songs have both a song vector and a lyrics vector; below "
            f"{MIN_SONGS} nothing that is measured here means anything.",
        )
    strictest = [findings.comparisons[name] for name in (OTHER_ARTIST_SAME_LANGUAGE, OTHER_ARTIST)]
    usable = [c for c in strictest if c.enough and _defined(_d(findings, c))]
    if not usable:
        return (
            "Too few shared playlists to say",
            "There are not enough pairs of songs by different artists that share a playlist: it "
            f"takes {MIN_SONGS} songs in {MIN_CLUSTERS} playlists.",
        )
    strict, plain = usable[0], findings.comparisons[SHARED]
    d, d_plain = _d(findings, strict), _d(findings, plain)
    against = "pairs of the same songs that share none"
    controlled = (
        "by different artists and in the same language"
        if strict.name == OTHER_ARTIST_SAME_LANGUAGE
        else "by different artists"
    )
    told = f"Songs that share a playlist, {controlled}, have lyrics"
    numbers = f"Cohen’s d{_SPACE}{shown(d)}"
    indirect = findings.correlations[findings.kinds[0]]["given_both"]
    if d.value < NEGLIGIBLE_D and _defined(indirect) and indirect.low >= NEGLIGIBLE_R:
        return "Not in single playlists, but between kinds of them", (
            f"{told} hardly closer to each other, if at all, than {against} ({numbers}). But songs "
            "that stand in like playlists do have closer lyrics, with artist and language held "
            f"fixed too: a {size_of_r(indirect.value)} correlation (r{_SPACE}{shown(indirect)})."
        )
    if d.low > 0:
        answer = {
            "negligible": "Hardly: a trace, too small to matter",
            "small": "A little",
            "medium": "Yes, noticeably",
            "large": "Yes, clearly",
        }[size_of_d(d.value)]
        return answer, (
            f"{told} that are closer to each other than {against}. The effect is "
            f"{size_of_d(d.value)} ({numbers})."
        )
    if d.high < 0:
        return "No: the other way round, if anything", (
            f"{told} that are farther from each other than {against}. The effect is "
            f"{size_of_d(d.value)} ({numbers})."
        )
    if max(abs(d.low), abs(d.high)) >= NEGLIGIBLE_D:
        return "The data cannot say", (
            f"{told} about as close as {against}, but the interval is so wide that it also holds "
            f"effects worth the name ({numbers})."
        )
    explained = d_plain.low > 0 and plain.enough
    return ("Not beyond artist and language" if explained else "No sign of it"), (
        f"{told} no closer to each other than {against}, and the interval leaves no room for "
        f"more than a negligible effect ({numbers})."
        + (
            f" Without these controls they are closer (d{_SPACE}{shown(d_plain)}): artist and "
            "language explain it."
            if explained
            else ""
        )
    )


def correlation_sentence(findings: Findings, kind: str) -> str:
    """What the correlation of the distances amounts to."""
    r = findings.correlations[kind]["pearson"]
    if not findings.enough_songs or not _defined(r):
        return "Whether songs with close vectors have close lyrics cannot be said from these songs."
    share = findings.correlations[kind]["r_squared"]
    explains = f"the one explains {percent(share.value)} of the variance of the other"
    numbers = f"(r{_SPACE}{shown(r)}; R²{_SPACE}{shown(share)})"
    if r.excludes(0):
        direction = "closer" if r.value > 0 else "less close"
        return (
            f"Songs whose vectors are closer have {direction} lyrics: a {size_of_r(r.value)} "
            f"correlation, {explains} {numbers}."
        )
    if max(abs(r.low), abs(r.high)) < NEGLIGIBLE_R:
        return f"How close two songs’ vectors are says nothing about their lyrics {numbers}."
    return f"The correlation of the distances is not told apart from none {numbers}."


def control_sentence(findings: Findings, kind: str) -> str:
    """What becomes of the correlation when artist and language are held fixed."""
    found = findings.correlations[kind]
    plain, given, what = found["pearson"], found["given_both"], "artist and language"
    if not _defined(given):
        # No song's language was told.
        given, what = found["given_artist"], "the artist"
    if not findings.enough_songs or not (_defined(plain) and _defined(given)):
        return ""
    if not plain.excludes(0):
        return f"Given {what} it is {shown(given)}."
    if not given.excludes(0):
        return f"With {what} held fixed, it is not told apart from none ({shown(given)})."
    kept = given.value / plain.value
    if kept < 0:
        return f"With {what} held fixed it turns round ({shown(given)})."
    much = "about all" if kept > 0.9 else percent(kept)
    return f"With {what} held fixed, {much} of it is left ({shown(given)})."


def shown(e: Estimate) -> str:
    """An estimate and its interval, as “0.034 [0.031, 0.037]”, not to be broken over lines."""
    if not np.isfinite(e.value):
        return "not defined"
    if not _defined(e):
        return number(e.value)
    return f"{number(e.value)}{_SPACE}[{number(e.low)},{_SPACE}{number(e.high)}]"


def number(value: float) -> str:
    """Three decimals, a minus sign that is one, and an en dash for what is undefined."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def percent(share: float) -> str:
    """A share in per cent, with the digits that are worth showing."""
    return f"{100 * share:.2f}{_SPACE}%" if share < 0.01 else f"{100 * share:.1f}{_SPACE}%"


def _d(findings: Findings, comparison: ComparisonFinding) -> Estimate:
    return comparison.results[findings.kinds[0]]["d"]


def _defined(e: Estimate) -> bool:
    return bool(np.isfinite([e.value, e.low, e.high]).all())


def _word(value: float, words: Sequence[tuple[float, str]]) -> str:
    return next(word for bound, word in words if abs(value) < bound)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
    return value
