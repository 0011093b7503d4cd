"""Figures as SVG: for files with a white ground, for a page in the page's own colours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from segue.evaluation.correlation import Estimate

INK, MUTED, ACCENT, SECOND = "#1f2328", "#6b7280", "#2a6f97", "#c8632b"
COLOURS = {INK: "--ink", MUTED: "--muted", ACCENT: "--accent", SECOND: "--second"}
"""What a page replaces by its own variables, so that figures follow its light and dark."""

# Narrow, for phones: there text must not shrink below what can be read.
_WIDTH = 4.7
_RC = {
    "font.size": 10,
    "svg.fonttype": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "axes.linewidth": 0.8,
}


@dataclass(frozen=True)
class Row:
    """A line of a plot of intervals: a label and one estimate for each series."""

    label: str
    estimates: tuple[Estimate, ...]


def pairs_figure(
    song: npt.NDArray[np.floating], lyrics: npt.NDArray[np.floating], labels: tuple[str, str]
) -> str:
    """Hexagons of pairs by both distances, with the mean of the second along the first."""
    with mpl.rc_context(_rc("pairs")):
        figure, axes = _figure(3.9)
        tint = LinearSegmentedColormap.from_list(
            "tint", [to_rgba(ACCENT, 0.08), to_rgba(ACCENT, 1)], N=12
        )
        hexagons = axes.hexbin(
            song, lyrics, gridsize=34, cmap=tint, norm=LogNorm(), mincnt=1, linewidths=0
        )
        most = int(np.asarray(hexagons.get_array()).max())
        x, y = _binned_means(song, lyrics)
        axes.plot(x, y, color=SECOND, linewidth=2)
        handles = [
            Line2D([], [], color=SECOND, linewidth=2, label="mean"),
            Line2D(
                [],
                [],
                color=ACCENT,
                marker="h",
                markersize=9,
                markeredgewidth=0,
                linestyle="none",
                label=f"1 to {most:,} pairs; stronger: more",
            ),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=1.2)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        return _svg(figure)


def distributions_figure(
    near: npt.NDArray[np.floating],
    far: npt.NDArray[np.floating],
    names: tuple[str, str],
    label: str,
) -> str:
    """Two densities over each other, with their means."""
    with mpl.rc_context(_rc("distributions")):
        figure, axes = _figure(3.1)
        low, high = np.percentile(np.concatenate([near, far]), [0.05, 99.95])
        edges = np.linspace(low, max(high, low + 1e-6), 61)
        for values, colour, name in ((far, SECOND, names[1]), (near, ACCENT, names[0])):
            share = np.histogram(values, edges)[0] / max(len(values), 1)
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.22, linewidth=0)
            axes.stairs(share, edges, color=colour, linewidth=1.6, label=name)
            axes.axvline(float(values.mean()), color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.set_xlabel(f"{label}; dashed: the mean")
        axes.set_ylabel("share of pairs")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        figure.legend(loc="outside upper left", ncols=1)
        return _svg(figure)


def intervals_figure(
    name: str, rows: Sequence[Row], series: Sequence[str], label: str, negligible: float
) -> str:
    """Estimates with their intervals, one line a row; the band is what is negligible."""
    with mpl.rc_context(_rc(name)):
        figure, axes = _figure(0.95 + 0.36 * len(rows))
        axes.axvspan(-negligible, negligible, color=MUTED, alpha=0.13, linewidth=0)
        axes.axvline(0, color=MUTED, linewidth=1)
        spread = 0.3 / max(len(series), 1)
        for number, (colour, filled) in enumerate(_looks(len(series))):
            for line, row in enumerate(rows):
                at = line + (number - (len(series) - 1) / 2) * spread
                _interval(axes, row.estimates[number], at, colour, filled)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.08)
        axes.set_xlabel(label)
        handles = [
            Line2D(
                [],
                [],
                color=colour,
                marker="o",
                markersize=6,
                markerfacecolor=colour if filled else "none",
                label=text,
            )
            for text, (colour, filled) in zip(series, _looks(len(series)), strict=True)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=1.8)
        return _svg(figure)


def for_file(svg: str) -> str:
    """The figure on a white ground, which any viewer shows as it is meant."""
    head, end, rest = svg.partition(">\n")
    return f'{head}{end}<rect width="100%" height="100%" fill="#ffffff"/>\n{rest}'


def for_page(svg: str, description: str) -> str:
    """The figure to stand in a page: as wide as it may, in the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
    # Only ids that something points at: the others would stand in the page several times.
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda m: m[0] if m[1] in used else "", svg)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


def _rc(name: str) -> dict[Any, Any]:
    # The salt makes ids the same each time, and different from those of the other figures.
    return {**_RC, "svg.hashsalt": name}


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure) -> str:
    out = StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _looks(series: int) -> list[tuple[str, bool]]:
    return [(ACCENT, True), (SECOND, False)][:series]


def _interval(axes: Axes, e: Estimate, at: float, colour: str, filled: bool) -> None:
    if np.isfinite([e.low, e.high]).all():
        axes.plot([e.low, e.high], [at, at], color=colour, linewidth=1.6, solid_capstyle="butt")
    if np.isfinite(e.value):
        face = colour if filled else "none"
        axes.plot(
            e.value, at, marker="o", markersize=5, color=colour, markerfacecolor=face, zorder=3
        )


def _binned_means(
    x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Means of x and y in 20 slices of x with equally many pairs."""
    order = np.argsort(x, kind="stable")
    slices = [s for s in np.array_split(order, 20) if len(s)]
    return np.array([x[s].mean() for s in slices]), np.array([y[s].mean() for s in slices])
