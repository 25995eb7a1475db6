"""Champion against challenger while the rows come in: stop as soon as the answer is clear, or clearly out of reach.

The interval is one of bets (``betting.py``), so it holds however often one looks: once it excludes something, further
rows can't take that back, and what an early stop saves is saved for free. Giving up on a tie (futility) can only turn a
claim into none. The mean difference at an early stop flatters the side that won; the interval does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from promptrl.stats.betting import (
    FloatArray,
    betting_interval,
    betting_p_value,
    critical_z,
)
from promptrl.stats.paired import Comparison, paired_differences, verdict

SequentialStopReason = Literal["improved", "worse", "same", "futility", "rows"]

FIRST_FUTILITY_SHARE = 0.25
FUTILITY_CHANCE = 0.04


@dataclass(frozen=True, slots=True)
class SequentialResult:
    """How a comparison in several looks went.

    Attributes:
        comparison: With the interval over all looks.
        planned_rows: Rows there were at most.
        looks: How often it was looked at.
        stop: What ended it: a verdict, no prospect of one, or no more rows.
    """

    comparison: Comparison
    planned_rows: int
    looks: int
    stop: SequentialStopReason


class SequentialComparison:
    """A paired comparison that may be looked at after every batch of rows.

    Args:
        planned_rows: Rows there are at most.
        confidence: Of the interval over all looks.
        min_improvement: The gate's.
        margin: The gate's.
    """

    def __init__(self, planned_rows: int, confidence: float, *, min_improvement: float, margin: float) -> None:
        self._planned = planned_rows
        self._confidence = confidence
        self._min_improvement = min_improvement
        self._margin = margin
        self._differences = np.empty(0)
        self._low, self._high, self._p_value = -1.0, 1.0, 1.0
        self._looks = 0

    def look(self, challenger: Sequence[float], baseline: Sequence[float]) -> SequentialStopReason | None:
        """Add a batch of rows and look.

        Args:
            challenger: One score per row, in [0, 1].
            baseline: The other prompt's scores on the same rows.

        Returns:
            Why to stop; None to go on.

        Raises:
            ValueError: The lengths differ, there is no row, or a score lies outside [0, 1].
        """
        self._differences = np.append(self._differences, paired_differences(challenger, baseline))
        self._looks += 1
        low, high = betting_interval(self._differences, self._confidence, self._planned)
        self._low, self._high = max(self._low, low), min(self._high, high)
        self._p_value = min(self._p_value, betting_p_value(self._differences, self._confidence, self._planned))
        claim = verdict(
            self._comparison(), min_improvement=self._min_improvement, margin=self._margin, is_baseline=False
        )
        if claim != "inconclusive":
            return claim
        if self._differences.size >= self._planned:
            return "rows"
        wins = self._differences - self._min_improvement
        is_futile = is_out_of_reach(wins.sum(), np.square(wins).sum(), wins.size, self._planned, self._confidence)
        return "futility" if is_futile and not self._may_be_same() else None

    def result(self, stop: SequentialStopReason) -> SequentialResult | None:
        """What came of it; None when no row was looked at."""
        if not self._looks:
            return None
        return SequentialResult(self._comparison(), self._planned, self._looks, stop)

    def _comparison(self) -> Comparison:
        mean = float(self._differences.mean())
        low, high = min(self._low, mean), max(self._high, mean)
        rows = self._differences.size
        return Comparison(mean, low, high, self._p_value, rows, "sequential", self._confidence)

    def _may_be_same(self) -> bool:
        """Whether the interval would fit inside the margin if all rows were like these."""
        deviation = math.sqrt(float(np.square(self._differences).mean()) / self._planned)
        return critical_z(self._confidence) * deviation < self._margin


def is_out_of_reach(
    total: FloatArray | float, squares: FloatArray | float, rows: FloatArray | int, planned_rows: int, confidence: float
) -> npt.NDArray[np.bool_]:
    """Whether neither prompt has a chance of at least 4 % left to win, if the rows to come are like those seen.

    With a flat prior for the mean the final standard score, given the score z after a share t of the rows, is normal
    with mean z / sqrt(t) and variance (1 - t) / t. Never before a quarter of the rows is in.

    Args:
        total: Sum of the differences; any shape.
        squares: Sum of their squares.
        rows: Rows seen.
        planned_rows: Rows there are at most.
        confidence: Of the interval.
    """
    share = np.asarray(rows) / planned_rows
    variance = np.maximum((squares + 0.5 - np.square(total) / rows) / rows, 1e-12)
    z = np.abs(total) / np.sqrt(rows * variance)
    left = np.sqrt(np.maximum(1 - share, 1e-12))
    chance = special.ndtr((z - critical_z(confidence) * np.sqrt(share)) / left)
    return np.asarray((share >= FIRST_FUTILITY_SHARE) & (share < 1) & (chance < FUTILITY_CHANCE))
