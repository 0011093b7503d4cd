"""What the report says: the answer that the data give, and nothing on too little of them."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from segue.evaluation.correlation import Estimate
from segue.evaluation.findings import (
    ComparisonFinding,
    Findings,
    conclude,
    correlation_sentence,
    headline,
    shown,
    size_of_d,
    size_of_r,
)
from segue.evaluation.lyrics_report import TITLE, files, report, to_html, to_markdown
from segue.evaluation.study import (
    OTHER_ARTIST_SAME_LANGUAGE,
    SHARED,
    Study,
    prepare,
)
from tests.worlds import songs_of


def made(songs: int, **world: float) -> tuple[Study, Findings]:
    study = prepare(songs_of(songs, **world), 5_000, 1)
    replicates = [study.bootstrap(k) for k in range(19)]
    return study, conclude(
        study, "2021-04-09-abc123", 900, replicates, [study.permutation(k) for k in range(19)]
    )


@pytest.fixture(scope="module")
def themes() -> tuple[Study, Findings]:
    return made(200, theme=1.5)


def written(study: Study, findings: Findings) -> dict[str, bytes]:
    return files(study, findings, lambda stem, suffix: f"{stem}.{suffix}")


def with_d(
    findings: Findings, strict: Estimate, plain: Estimate, indirect: Estimate | None = None
) -> Findings:
    """`findings` with these effects of sharing a playlist instead."""

    def effect(name: str, d: Estimate) -> ComparisonFinding:
        old = findings.comparisons[name]
        results = old.results | {"mean": old.results["mean"] | {"d": d}}
        return replace(old, results=results, enough=True)

    comparisons = findings.comparisons | {
        OTHER_ARTIST_SAME_LANGUAGE: effect(OTHER_ARTIST_SAME_LANGUAGE, strict),
        SHARED: effect(SHARED, plain),
    }
    correlations = findings.correlations["mean"] | {
        "given_both": indirect or Estimate(0.01, 0.005, 0.015)
    }
    return replace(findings, comparisons=comparisons, correlations={"mean": correlations})


NONE, SOME = Estimate(0.01, -0.02, 0.04), Estimate(0.3, 0.25, 0.35)


@pytest.mark.parametrize(
    ("strict", "plain", "indirect", "answer"),
    [
        (Estimate(0.9, 0.8, 1.0), SOME, None, "Yes, clearly"),
        (Estimate(0.6, 0.5, 0.7), SOME, None, "Yes, noticeably"),
        (SOME, SOME, None, "A little"),
        (Estimate(0.05, 0.03, 0.07), SOME, None, "Hardly: a trace, too small to matter"),
        (NONE, SOME, None, "Not beyond artist and language"),
        (NONE, NONE, None, "No sign of it"),
        (Estimate(0.1, -0.2, 0.4), NONE, None, "The data cannot say"),
        (Estimate(-0.3, -0.4, -0.2), NONE, None, "No: the other way round, if anything"),
        (NONE, NONE, SOME, "Not in single playlists, but between kinds of them"),
    ],
)
def test_the_answer_is_the_one_that_the_strictest_comparison_gives(
    themes: tuple[Study, Findings],
    strict: Estimate,
    plain: Estimate,
    indirect: Estimate | None,
    answer: str,
) -> None:
    assert headline(with_d(themes[1], strict, plain, indirect))[0] == answer


def test_playlists_on_themes_are_seen_as_such(themes: tuple[Study, Findings]) -> None:
    answer, because = headline(themes[1])
    assert answer.startswith("Yes")
    assert "by different artists and in the same language" in because


@pytest.mark.parametrize("songs", [0, 1, 2, 49])
def test_on_too_few_songs_the_report_says_so_and_nothing_else(songs: int) -> None:
    study, findings = made(songs, playlists=3)
    found = written(study, findings)
    assert set(found) == {"report.html", "report.md", "report.json"}
    for name in ("report.html", "report.md"):
        text = found[name].decode()
        assert "Too few songs to say" in text
        assert f"Only {songs} songs have both" in text
        assert "Pearson’s r |" not in text
        assert "<td" not in text
    told = json.loads(found["report.json"])
    assert told["enough_songs"] is False
    assert told["songs"] == songs


def test_without_shared_playlists_that_part_says_too_few() -> None:
    study, findings = made(120, theme=1, playlists=0)
    answer, _ = headline(findings)
    assert answer == "Too few shared playlists to say"
    found = written(study, findings)
    assert "too few to say (0 songs, 0 playlists)" in found["report.md"].decode()
    assert "distributions.svg" not in found
    assert "pairs.svg" in found


@pytest.mark.parametrize(
    ("value", "r", "d"),
    [
        (0.05, "negligible", "negligible"),
        (-0.15, "small", "negligible"),
        (0.35, "medium", "small"),
        (-0.7, "large", "medium"),
        (1.5, "large", "large"),
    ],
)
def test_effects_have_the_usual_words(value: float, r: str, d: str) -> None:
    assert (size_of_r(value), size_of_d(value)) == (r, d)


def test_a_wide_interval_over_zero_is_not_called_no_correlation(
    themes: tuple[Study, Findings],
) -> None:
    def sentence(low: float, high: float) -> str:
        r = {"pearson": Estimate(0.01, low, high), "r_squared": Estimate(0, 0, 0)}
        correlations = {"mean": themes[1].correlations["mean"] | r}
        return correlation_sentence(replace(themes[1], correlations=correlations), "mean")

    assert "says nothing about" in sentence(-0.02, 0.04)
    assert "not told apart from none" in sentence(-0.2, 0.22)


def test_what_is_undefined_is_shown_as_such() -> None:
    nan = float("nan")
    assert shown(Estimate(nan, nan, nan)) == "not defined"
    assert shown(Estimate(0.5, nan, nan)) == "0.500"
    assert shown(Estimate(-0.0001, -0.25, 0.25)).replace("\xa0", " ") == "0.000 [−0.250, 0.250]"


class Page(HTMLParser):
    """Collects what a page would load, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.figures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#"):
                self.loads.append(str(value))
            if name == "id":
                self.ids.append(str(value))
        self.figures += tag == "figure"


def test_the_page_needs_nothing_beside_it(themes: tuple[Study, Findings]) -> None:
    text = written(*themes)["report.html"].decode()
    page = Page(text)
    assert page.loads == []
    assert page.figures == 4
    assert len(set(page.ids)) == len(page.ids)
    # Every reference within the page leads somewhere.
    used = set(re.findall(r"url\(#([\w-]+)\)", text)) | set(re.findall(r'href="#([\w-]+)"', text))
    assert used <= set(page.ids)
    assert "prefers-color-scheme: dark" in text
    assert "url(http" not in text


def test_figures_in_the_page_have_its_colours(themes: tuple[Study, Findings]) -> None:
    text = written(*themes)["report.html"].decode()
    style, _, body = text.partition("</style>")
    assert "--accent: #2a6f97" in style
    assert "#2a6f97" not in body
    assert "var(--accent)" in body


def test_markdown_names_the_figures_that_stand_beside_it(themes: tuple[Study, Findings]) -> None:
    found = written(*themes)
    named = set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", found["report.md"].decode()))
    assert named == {name for name in found if name.endswith(".svg")}
    assert len(named) == 4
    assert all(found[name].startswith(b"<?xml") for name in named)


def test_both_forms_say_the_same(themes: tuple[Study, Findings]) -> None:
    told = report(themes[1])
    html, markdown = to_html(told, {}), to_markdown(told, {})
    for text in (TITLE, told.answer, told.because, *told.sentences, *told.method):
        assert text in markdown
        assert text in html
    for table in told.tables:
        assert all(cell in html and cell in markdown for row in table.rows for cell in row)


def test_json_has_null_for_what_is_undefined_and_six_digits_at_most() -> None:
    study, findings = made(120, theme=1, playlists=0)
    told = json.loads(written(study, findings)["report.json"])
    assert told["comparisons"]["shared"]["results"]["mean"]["d"]["value"] is None
    value = told["correlations"]["mean"]["pearson"]["value"]
    assert value == pytest.approx(findings.correlations["mean"]["pearson"].value, rel=1e-5)
    assert len(str(abs(value)).replace("0.", "").lstrip("0")) <= 6


def test_the_report_is_the_same_byte_for_byte(themes: tuple[Study, Findings]) -> None:
    assert written(*themes) == written(*made(200, theme=1.5))


def test_names_from_the_data_are_escaped(themes: tuple[Study, Findings]) -> None:
    text = to_html(report(replace(themes[1], version="<b>")), {})
    assert "<b>" not in text
    assert "&lt;b&gt;" in text


def test_figures_are_drawn_of_distances_that_are_all_the_same() -> None:
    songs = songs_of(80)
    same = {kind: np.repeat(v[:1], 80, axis=0) for kind, v in songs.lyrics.items()}
    study = prepare(replace(songs, lyrics=same), 2_000, 1)
    findings = conclude(study, "v", 80, [study.bootstrap(0)], [study.permutation(0)])
    assert "report.html" in written(study, findings)


def test_where_no_language_was_told_the_artist_alone_is_held_fixed() -> None:
    _, findings = made(120, theme=1.5, languages=0)
    said = " ".join(report(findings).sentences)
    assert "With the artist held fixed, about all of it is left" in said
