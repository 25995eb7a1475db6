"""Draws a report's figures as SVG: quiet, safe for colour-blind eyes, with text that stays text.

Colours are those of the light theme. Inline in a page they become its CSS variables, so a page can be dark as well.
"""

import io
import math
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from promptrl.report.curves import Curve

INK, MUTED, RULE, PAPER, GOOD, BAD = "#1c2127", "#66707b", "#d9dee4", "#fdfdfc", "#0a62b0", "#bd4f00"
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", GOOD: "good", BAD: "bad"}
WIDE_IN, NARROW_IN = 7.4, 3.9
MAX_LABEL, MAX_LINE = 200, 42
SPLIT_SHARE, SPLIT_SHARE_NARROW = 0.14, 0.23
"""Of the width of the curve's figure, for each held-out split."""
LABEL_ROOM = 0.15
"""Of the height, below an interval that has its label there."""
MAX_MAP_EDITS, MAX_NARROW_MAP_EDITS = 16, 10

_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "figure.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of an interval plot.

    Attributes:
        label: What it is.
        value: The estimate, in [-1, 1].
        low: Lower end of the interval.
        high: Upper end.
        is_faint: Drawn in grey whatever its sign.
    """

    label: str
    value: float
    low: float
    high: float
    is_faint: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """Two edits in the interaction map, by number, and how strongly they interact; sure = not by chance."""

    first: int
    second: int
    strength: float
    is_sure: bool


@dataclass(frozen=True, slots=True)
class PlottedScore:
    """One prompt's score on one split."""

    split: str
    is_winner: bool
    score: float
    low: float
    high: float


def inline(svg: str, label: str, prefix: str = "") -> str:
    """An SVG for the inside of a page: the page's colours, no outer header, a label for those who can't see it.

    Args:
        svg: As the functions here draw it.
        label: What it shows.
        prefix: Set before its ids, where a page has several figures of one kind.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}", body)
    for colour, name in VARIABLES.items():
        body = body.replace(colour, f"var(--{name})")
    safe = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(
        r'<svg width="[^"]*" height="[^"]*"|<svg height="[^"]*" width="[^"]*"', "<svg", body, count=1
    ).replace("<svg", f'<svg role="img" aria-label="{safe}"', 1)


def interval_plot(bars: Sequence[Bar], *, is_narrow: bool, name: str, axis: str) -> str:
    """Estimates with intervals, one below the other, against no difference."""

    def draw(axes: Axes) -> None:
        ends = [0.0, *(100 * end for bar in bars for end in (bar.low, bar.high))]
        margin = 0.06 * max(max(ends) - min(ends), 4)
        places = np.arange(len(bars))[::-1] * (1.9 if is_narrow else 1.0)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for place, bar in zip(places, bars, strict=True):
            colour = _colour(bar)
            axes.plot([100 * bar.low, 100 * bar.high], [place, place], color=colour, linewidth=2.2, alpha=0.45)
            axes.plot(100 * bar.value, place, "o", color=colour, markersize=5)
            text = f"{100 * bar.value:+.1f}".replace("-", "−")
            axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", color=colour)
            if is_narrow:
                label = _shortened(bar.label, 50)
                spot, behind = (0, place + 0.75), {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
                axes.annotate(label, spot, xycoords=("axes fraction", "data"), va="center", color=INK, bbox=behind)
        labels = [] if is_narrow else [_lines(bar.label) for bar in bars]
        axes.set_yticks([] if is_narrow else places, labels, color=INK)
        axes.set_ylim(-0.8, (places[0] if len(bars) else 0) + (1.3 if is_narrow else 0.8))
        axes.set_xlim(min(ends) - margin, max(ends) + margin)
        axes.set_xlabel(axis)
        axes.grid(axis="x")
        axes.set_axisbelow(True)

    per_bar = 0.44 if is_narrow else 0.32
    return _svg(draw, is_narrow=is_narrow, height_in=0.6 + per_bar * max(1, len(bars)), name=name)


def curve_plot(curve: Curve, held_out: Sequence[PlottedScore], search_calls: int, *, is_narrow: bool) -> str:
    """Scores of the search against calls with their band, and right of them the held-out scores with intervals.

    However long the search is, a held-out split takes the same share of the width: its marks need it.
    """
    splits = list(dict.fromkeys(entry.split for entry in held_out))
    end = max(1.0, search_calls, float(curve.calls[-1]))
    share = SPLIT_SHARE_NARROW if is_narrow else SPLIT_SHARE
    width = end * share / (1 - share * len(splits))
    highest = max([float(curve.high.max()), *(entry.high for entry in held_out)])
    top = 25 * math.ceil(4 * highest - 1e-9)

    def draw(axes: Axes) -> None:
        axes.fill_between(curve.calls, 100 * curve.low, 100 * curve.high, color=GOOD, alpha=0.14, linewidth=0)
        axes.plot(curve.calls, 100 * curve.mean, color=GOOD, linewidth=1.8)
        _caption(axes, "search", end / 2)
        for at, split in enumerate(splits):
            start = end + at * width
            axes.axvline(start, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
            _caption(axes, split, start + width / 2)
            for entry in (entry for entry in held_out if entry.split == split):
                _held_out(axes, entry, start + width * (0.72 if entry.is_winner else 0.28), top)
        axes.set_xlim(0, end + width * len(splits))
        axes.set_ylim(-0.03 * top, 1.03 * top)
        axes.set_yticks(range(0, top + 1, 25), [f"{tick} %" for tick in range(0, top + 1, 25)])
        ticks = [tick for tick in MaxNLocator(3 if is_narrow else 6, integer=True).tick_values(0, end) if tick <= end]
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        axes.set_xlabel("calls to the model in the search", x=end / (end + width * len(splits)) / 2)
        axes.grid(axis="y")
        axes.set_axisbelow(True)

    return _svg(draw, is_narrow=is_narrow, height_in=2.5 if is_narrow else 2.9, name="curve")


def _caption(axes: Axes, text: str, place: float) -> None:
    """The name of a stage, above its middle."""
    axes.annotate(text, (place, 1.03), xycoords=("data", "axes fraction"), ha="center", color=MUTED)


def _held_out(axes: Axes, entry: PlottedScore, place: float, top: float) -> None:
    """A score with its interval; on test rows whose it is, below the interval or, without room there, above it."""
    colour = GOOD if entry.is_winner else MUTED
    axes.vlines(place, 100 * entry.low, 100 * entry.high, color=colour, linewidth=2.2, alpha=0.5)
    axes.plot(place, 100 * entry.score, "o" if entry.is_winner else "D", color=colour, ms=5)
    if entry.split == "test":
        has_room = 100 * entry.low > LABEL_ROOM * top
        spot, away = (place, 100 * (entry.low if has_room else entry.high)), (0, -6 if has_room else 6)
        side: Any = "top" if has_room else "bottom"
        name = "new" if entry.is_winner else "yours"
        axes.annotate(name, spot, away, textcoords="offset points", ha="center", va=side, color=colour)


def interaction_map(cells: Sequence[Cell], labels: Sequence[str], *, is_narrow: bool) -> str:
    """Squares for pairs of edits: blue where both together beat their sum, orange where they spoil each other.

    Args:
        cells: The pairs.
        labels: Of all edits in the order of the prompt; those with the strongest pairs are shown.
        is_narrow: For a phone.
    """
    strongest = sorted(cells, key=lambda cell: (not cell.is_sure, -abs(cell.strength)))
    edits = list(dict.fromkeys(edit for cell in strongest for edit in (cell.first, cell.second)))
    edits = edits[: MAX_NARROW_MAP_EDITS if is_narrow else MAX_MAP_EDITS]
    place = {edit: at for at, edit in enumerate(sorted(edits))}
    shown = [cell for cell in cells if cell.first in place and cell.second in place]
    largest = max([1e-9, *(abs(cell.strength) for cell in shown)])

    def draw(axes: Axes) -> None:
        for cell in shown:
            column, row = sorted((place[cell.first], place[cell.second]))
            _square(axes, column, row, cell, abs(cell.strength) / largest, has_number=not is_narrow)
        width = 24 if is_narrow else 44
        names = [f"{_shortened(labels[edit], width)}  {at + 1}" for edit, at in place.items()]
        axes.set_yticks(range(len(place)), names, color=INK)
        last = max([0, *(min(place[cell.first], place[cell.second]) for cell in shown)])
        axes.set_xticks(range(last + 1), [str(at + 1) for at in range(last + 1)])
        axes.set_xlim(-0.6, len(place) - 0.4)
        axes.set_ylim(len(place) - 0.4, -0.6)
        axes.set_aspect("equal", anchor="NW")
        axes.spines["bottom"].set_visible(False)

    side = 0.4 + (0.19 if is_narrow else 0.27) * len(place)
    return _svg(draw, is_narrow=is_narrow, height_in=side, name="interactions")


def _square(axes: Axes, column: int, row: int, cell: Cell, share: float, *, has_number: bool) -> None:
    """One pair: the larger the stronger, pale where it may be chance."""
    side = 0.2 + 0.72 * share**0.5
    colour = GOOD if cell.strength > 0 else BAD
    alpha = 1.0 if cell.is_sure else 0.28
    corner = (column - side / 2, row - side / 2)
    axes.add_patch(Rectangle(corner, side, side, color=colour, alpha=alpha, linewidth=0))
    if cell.is_sure and side > 0.6 and has_number:
        text = f"{100 * abs(cell.strength):.0f}"  # the colour says the sign, and a small square has no room for it
        axes.annotate(text, (column, row), ha="center", va="center", color=PAPER, fontsize=7)


def _svg(draw: Callable[[Axes], None], *, is_narrow: bool, height_in: float, name: str) -> str:
    salt = f"{name}-{'narrow' if is_narrow else 'wide'}"
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's own fonts draw the text
        figure = Figure(figsize=(NARROW_IN if is_narrow else WIDE_IN, height_in), layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _colour(bar: Bar) -> str:
    if bar.is_faint or bar.low <= 0 <= bar.high:
        return MUTED
    return GOOD if bar.value > 0 else BAD


def _lines(label: str) -> str:
    """A label of at most two lines."""
    lines = textwrap.wrap(label[:MAX_LABEL], MAX_LINE) or [""]
    if len(lines) == 1:
        return _shortened(lines[0], MAX_LINE)
    return _shortened(lines[0], MAX_LINE) + "\n" + _shortened(" ".join(lines[1:]), MAX_LINE)


def _shortened(label: str, width: int) -> str:
    """The first words of a label; of one without blanks, or in wide letters, as many letters as fit."""
    words = textwrap.shorten(label, width, placeholder="…")
    if words != "…" and _width(words) <= width:
        return words
    last = next((n for n in range(len(label) + 1) if _width(label[:n]) >= width), len(label))
    return label if _width(label) <= width else label[: last - 1] + "…"


def _width(text: str) -> int:
    """Columns that a text takes; the letters of East Asian scripts and emoji take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
