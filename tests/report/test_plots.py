"""What can be read in a figure, however long the search was and wherever the scores lie."""

import re
from itertools import combinations

import numpy as np
import pytest

from promptrl.report.curves import Curve
from promptrl.report.plots import PlottedScore, curve_plot

TEXT = re.compile(r'<text style="[^"]*text-anchor: middle[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)')
LETTER, LINE = 5.6, 9.0
"""About how wide a letter and how high a line is, in the units of the figure."""


def centred_texts(calls: int, yours: float, *, is_narrow: bool) -> list[tuple[float, float, str]]:
    """Where the centred texts of a search's curve stand: x of the middle, y, what they say."""
    along = np.linspace(1, calls, 50)
    mean = np.linspace(0.3, 0.8, 50)
    curve = Curve(along, mean, mean - 0.05, mean + 0.05, window=20)
    held_out = [
        PlottedScore(split, is_winner, score, max(0.0, score - 0.1), min(1.0, score + 0.1))
        for split in ("validation", "test")
        for is_winner, score in ((False, yours), (True, 0.8))
    ]
    svg = curve_plot(curve, held_out, calls, is_narrow=is_narrow)
    return [(float(x), float(y), text) for x, y, text in TEXT.findall(svg)]


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("yours", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("calls", [60, 20_000, 2_000_000])
def test_no_text_covers_another(calls: int, yours: float, is_narrow: bool) -> None:
    """Stages, ticks, and whose a score is: also where held-out rows are few beside the search, or scores alike."""
    texts = centred_texts(calls, yours, is_narrow=is_narrow)
    assert {"search", "validation", "test", "yours", "new"} <= {text for *_, text in texts}
    for (x, y, text), (other_x, other_y, other) in combinations(texts, 2):
        is_beside = abs(x - other_x) > LETTER * (len(text) + len(other)) / 2
        assert is_beside or abs(y - other_y) > LINE, (text, other)
