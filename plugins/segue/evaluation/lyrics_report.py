"""The report on the correlation of lyrics and playlists: Markdown, HTML, figures, JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from segue.evaluation import figures
from segue.evaluation.correlation import Estimate
from segue.evaluation.findings import (
    NEGLIGIBLE_D,
    NEGLIGIBLE_R,
    ComparisonFinding,
    Findings,
    control_sentence,
    correlation_sentence,
    headline,
    number,
    shown,
)
from segue.evaluation.report_page import page
from segue.evaluation.study import (
    MAX_LANGUAGES,
    MIN_CLUSTERS,
    MIN_SONGS,
    OTHER_ARTIST,
    OTHER_ARTIST_SAME_LANGUAGE,
    RANDOM_SHARED,
    SAME_ARTIST,
    SHARED,
    Study,
)

TITLE = "Do people build playlists on lyrical themes?"
KIND_NAMES = {"mean": "plain mean", "tfidf": "TF-IDF mean"}
CORRELATION_NAMES = {
    "pearson": "Pearson’s r",
    "spearman": "Spearman’s ρ",
    "given_artist": "r, artist fixed",
    "given_language": "r, language fixed",
    "given_both": "r, both fixed",
    "within_language": "r within languages",
}
COMPARISON_NAMES = {
    SHARED: "Share a playlist",
    RANDOM_SHARED: "… against random pairs",
    OTHER_ARTIST: "… by different artists",
    OTHER_ARTIST_SAME_LANGUAGE: "… and in one language",
    SAME_ARTIST: "Same artist",
}
COMPARISON_NOTES = {
    SHARED: "pairs that share a playlist, against the same songs paired anew so that they share "
    "none: popular songs stand in both alike",
    RANDOM_SHARED: "the same, against random pairs that share none: here popularity may show too",
    OTHER_ARTIST: "as the first, only pairs by different artists in both groups",
    OTHER_ARTIST_SAME_LANGUAGE: "as before, only pairs of one language, and without pairs of the "
    "same text (other recordings, covers): the strictest",
    SAME_ARTIST: "pairs by one artist, against random pairs by different ones: how large an "
    "effect of the artist is, for comparison",
}


@dataclass(frozen=True)
class FigureText:
    """What stands with a figure."""

    title: str
    caption: str


FIGURES = {
    "pairs": FigureText(
        "The pairs",
        "Random pairs of songs. To the right: farther apart in playlists; upwards: less alike in "
        "their words. If playlists went by lyrics, the line of means would climb.",
    ),
    "correlations": FigureText(
        "The correlations",
        "How the two distances go together, with 95\xa0% intervals; grey: negligible. “Fixed” "
        "means that only pairs alike in that respect are held against each other.",
    ),
    "distributions": FigureText(
        "The distributions",
        "How far apart the lyrics of two songs are, for pairs that share a playlist and for the "
        "same songs paired anew. The more the curves lie over each other, the less lyrics "
        "matter.",
    ),
    "differences": FigureText(
        "The differences",
        "How much nearer the lyrics are, in standard deviations (Cohen’s d), with 95\xa0% "
        "intervals; grey: negligible.",
    ),
}


@dataclass(frozen=True)
class Table:
    """A table of the report; the first column is the rows' heads."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What the report says, before it has a form."""

    findings: Findings
    answer: str
    because: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    method: tuple[str, ...]


def report(findings: Findings) -> Report:
    """The report on `findings`."""
    answer, because = headline(findings)
    if not findings.enough_songs:
        return Report(findings, answer, because, (), (), _method(findings))
    return Report(
        findings, answer, because, _sentences(findings), _tables(findings), _method(findings)
    )


def draw(study: Study, findings: Findings) -> dict[str, str]:
    """The figures by name, as SVG; none for too few songs, nor what has nothing to show."""
    if not findings.enough_songs:
        return {}
    series = [KIND_NAMES[kind] for kind in findings.kinds]
    columns = study.random.columns
    drawn = {
        "pairs": figures.pairs_figure(
            columns[:, 1],
            columns[:, 2],
            ("distance of the songs’ vectors", "distance of the lyrics"),
        ),
        "correlations": figures.intervals_figure(
            "correlations",
            _correlation_rows(findings),
            series,
            "correlation of the distances",
            NEGLIGIBLE_R,
        ),
    }
    shared = next(c for c in study.comparisons if c.name == SHARED)
    near, far = (
        study.samples[name].lyrics[findings.kinds[0]][rows]
        for name, rows in (shared.near, shared.far)
    )
    if shared.enough:
        drawn["distributions"] = figures.distributions_figure(
            near, far, ("share a playlist", "same songs, paired anew"), "distance of the lyrics"
        )
    usable = [c for c in findings.comparisons.values() if c.enough]
    if usable:
        rows = [
            figures.Row(COMPARISON_NAMES[c.name], tuple(c.results[k]["d"] for k in findings.kinds))
            for c in usable
        ]
        drawn["differences"] = figures.intervals_figure(
            "differences", rows, series, "Cohen’s d; to the right: nearer", NEGLIGIBLE_D
        )
    return drawn


def files(study: Study, findings: Findings, name: Callable[[str, str], str]) -> dict[str, bytes]:
    """The report's files by name; `name` makes one of a stem and a suffix."""
    told, drawn = report(findings), draw(study, findings)
    names = {figure: name(figure, "svg") for figure in drawn}
    result = {
        name("report", "html"): to_html(told, drawn),
        name("report", "md"): to_markdown(told, names),
        name("report", "json"): json.dumps(findings.to_json(), indent=1, allow_nan=False) + "\n",
    }
    result |= {names[figure]: figures.for_file(svg) for figure, svg in drawn.items()}
    return {file: text.encode() for file, text in result.items()}


def to_html(told: Report, drawn: dict[str, str]) -> str:
    """The report as a page that needs nothing beside it."""
    inline = [
        (FIGURES[name], figures.for_page(svg, FIGURES[name].title)) for name, svg in drawn.items()
    ]
    return page(TITLE, told, inline)


def to_markdown(told: Report, figure_files: dict[str, str]) -> str:
    """The report as Markdown that names the figures' files."""
    parts = [f"# {TITLE}", f"**{told.answer}.** {told.because}"]
    parts += ["\n".join(f"- {sentence}" for sentence in told.sentences)] if told.sentences else []
    for name, file in figure_files.items():
        figure = FIGURES[name]
        parts.append(f"## {figure.title}\n\n![{figure.title}]({file})\n\n{figure.caption}")
    for table in told.tables:
        lines = [table.header, tuple("---" for _ in table.header), *table.rows]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        notes = "\n".join(f"- {note}" for note in table.notes)
        parts.append(f"## {table.title}\n\n{body}\n\n{notes}")
    parts.append("## How this was measured\n\n" + "\n".join(f"- {line}" for line in told.method))
    return "\n\n".join(parts) + "\n"


def _sentences(findings: Findings) -> tuple[str, ...]:
    kind = findings.kinds[0]
    found = [f"{correlation_sentence(findings, kind)} {control_sentence(findings, kind)}".strip()]
    p = findings.correlations[kind]["pearson"].p
    if p is not None:
        found.append(
            f"When the songs’ lyrics are exchanged at random {findings.permutations} times, a "
            f"correlation as strong comes out by chance with p = {_p(p)}."
        )
    strict = findings.comparisons[OTHER_ARTIST_SAME_LANGUAGE]
    for comparison, who in (
        (findings.comparisons[SHARED], "any pair"),
        (strict, "by different artists, in one language"),
    ):
        auc = comparison.results[kind]["auc"]
        if comparison.enough:
            found.append(
                "Of 100 times that one takes a pair that shares a playlist and one that does not "
                f"({who}), the first has the closer lyrics {_of_100(auc)} times; 50 is chance."
            )
    artist = findings.comparisons[SAME_ARTIST]
    if artist.enough:
        found.append(
            "For comparison: two songs by the same artist against two by different ones, "
            f"d\xa0{shown(artist.results[kind]['d'])}."
        )
    for second in findings.kinds[1:]:
        r, d = findings.correlations[second]["pearson"], strict.results[second]["d"]
        also = f", d\xa0{shown(d)} for different artists in one language" if strict.enough else ""
        found.append(f"With the TF-IDF-weighted mean of the word vectors: r\xa0{shown(r)}{also}.")
    found.append(
        "The original system found R² 0.034, on its own songs, without an interval and without "
        "these controls; it stands here for orientation."
    )
    return tuple(found)


def _correlation_rows(findings: Findings) -> list[figures.Row]:
    rows = [
        figures.Row(label, tuple(findings.correlations[k][name] for k in findings.kinds))
        for name, label in CORRELATION_NAMES.items()
    ]
    return rows + [
        figures.Row(f"r in {found.language}", tuple(found.r[k] for k in findings.kinds))
        for found in findings.languages
    ]


def _tables(findings: Findings) -> tuple[Table, ...]:
    kinds = findings.kinds
    correlations = findings.correlations
    rows = [
        (
            label,
            *(
                cell
                for kind in kinds
                for cell in (
                    shown(correlations[kind][name]),
                    _p(correlations[kind][name].p),
                )
            ),
        )
        for name, label in (CORRELATION_NAMES | {"r_squared": "R²"}).items()
    ]
    header = ["", *(h for kind in kinds for h in (KIND_NAMES[kind], "p"))]
    tables = [
        Table(
            "Correlations",
            tuple(header),
            tuple(rows),
            (
                f"{findings.pairs:,} random pairs. Estimate and 95\xa0% interval; p of "
                f"{findings.permutations} permutations where there is one. R² is the square of "
                "Pearson’s r.",
            ),
        )
    ]
    if findings.languages:
        tables.append(
            Table(
                "By language",
                ("", "pairs", *(f"r, {KIND_NAMES[k]}" for k in kinds)),
                tuple(
                    (f.language, f"{f.pairs:,}", *(shown(f.r[k]) for k in kinds))
                    for f in findings.languages
                ),
                (
                    f"Languages of at least {MIN_SONGS} songs with both vectors, the commonest "
                    f"{MAX_LANGUAGES} at most.",
                ),
            )
        )
    tables.append(
        Table(
            "Pairs against pairs",
            ("", "lyrics", "near", "far", "Cohen’s d", "nearer, of 100"),
            tuple(row for c in findings.comparisons.values() for row in _comparison_rows(c, kinds)),
            (
                "Near and far: mean distance of the lyrics in the first and the second group.",
                *(f"{COMPARISON_NAMES[c]}: {note}." for c, note in COMPARISON_NOTES.items()),
            ),
        )
    )
    return tuple(tables)


def _comparison_rows(c: ComparisonFinding, kinds: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not c.enough:
        where = "artists with several songs" if c.name == SAME_ARTIST else "playlists"
        few = f"too few to say ({c.songs:,} songs, {c.clusters:,} {where})"
        return [(COMPARISON_NAMES[c.name], few, "–", "–", "–", "–")]
    return [
        (
            COMPARISON_NAMES[c.name] if kind == kinds[0] else "",
            KIND_NAMES[kind],
            number(c.results[kind]["near"].value),
            number(c.results[kind]["far"].value),
            shown(c.results[kind]["d"]),
            _of_100(c.results[kind]["auc"]),
        )
        for kind in kinds
    ]


def _method(findings: Findings) -> tuple[str, ...]:
    return (
        f"Version {findings.version}; seed {findings.seed}. Of {findings.tracks:,} songs "
        f"{findings.songs:,} have a song vector and lyrics vectors of both kinds; only they count.",
        "Distances are one minus the cosine. A song vector tells in which playlists a song stands; "
        "a lyrics vector is the mean of the vectors of its words.",
        f"{findings.pairs:,} random pairs of different songs, each pair as likely as any other, "
        "none twice. Each language has a sample of its own.",
        "Pairs that share a playlist are sampled on their own, as random pairs rarely do: a "
        "playlist at random, then a pair of its songs. So every playlist counts the same, however "
        "long. They are held against the same songs paired anew, without pairs that share a "
        "playlist.",
        "Artist and language are held fixed by taking the mean out of both distances within each "
        "group of pairs (same artist or not; one language, by language, or two): the partial "
        "correlation given these categories. Pairs whose language was not told are left out there.",
        f"Pairs that have a song in common are not independent. So {findings.bootstraps} times the "
        "songs are drawn anew, and with them the playlists and artists that pairs were drawn from; "
        "a pair counts as often as all of these were drawn, multiplied. The intervals are the "
        "middle 95\xa0% of the results. They err on the wide side.",
        f"p: {findings.permutations} times the songs exchange their lyrics vectors (within each "
        f"language for “within languages”), over the first {findings.permuted_pairs:,} random "
        "pairs; p is (k + 1)/(n + 1) for k of n results as far from zero as the one of the data.",
        f"Words for effects are Cohen’s: r below {NEGLIGIBLE_R} or d below {NEGLIGIBLE_D} is "
        f"negligible. Nothing is said on fewer than {MIN_SONGS} songs or {MIN_CLUSTERS} playlists.",
        "What it cannot tell: genre, mood, date and artists that are like each other go with "
        "lyrics as well, and are not held fixed; an effect that is left need not come from the "
        "words. Vectors of rare songs are noisy, which makes effects look smaller than they are.",
    )


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}"


def _of_100(auc: Estimate) -> str:
    text = f"{100 * auc.value:.1f}"
    return f"{text}\xa0[{100 * auc.low:.1f},\xa0{100 * auc.high:.1f}]"
