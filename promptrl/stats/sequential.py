"""Champion against challenger while the rows come in: stop as soon as the answer is clear, or clearly out of reach.

The interval is one of bets (``betting.py``), so it holds however often one looks: once it excludes something, further
rows can't take that back, and what an early stop saves is saved for free. Giving up on a tie (futility) can only turn a
claim into none. The mean difference at an early stop flatters the side that won; the interval does not.
"""

import math
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
from promptrl.stats.paired import Comparison, verdict, worst_p_value
from promptrl.stats.pairs import PairedDifferences

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
        self._pairs = PairedDifferences.of((), ())
        self._low, self._high, self._p_value = -1.0, 1.0, 1.0
        self._looks = 0

    def look(self, pairs: PairedDifferences) -> SequentialStopReason | None:
        """Look at all rows that are in.

        Each missing answer is taken for the worst that it can be, whatever is claimed: wealth that was won so is less
        than what the true answers would have brought, so the promise holds, also when some of them come in later.

        Args:
            pairs: Those of the looks before and the new ones; at least one was answered by both.

        Returns:
            Why to stop; None to go on.
        """
        self._pairs = pairs
        self._looks += 1
        (low, high), p_value = self._bets()
        self._low, self._high = max(self._low, low), min(self._high, high)
        self._p_value = min(self._p_value, p_value)
        claim = verdict(
            self._comparison(), min_improvement=self._min_improvement, margin=self._margin, is_baseline=False
        )
        if claim != "inconclusive":
            return claim
        if pairs.worst.size >= self._planned:
            return "rows"
        wins = pairs.answered - self._min_improvement
        is_futile = is_out_of_reach(wins.sum(), np.square(wins).sum(), wins.size, self._planned, self._confidence)
        return "futility" if is_futile and not self._may_be_same() else None

    def _bets(self) -> tuple[tuple[float, float], float]:
        """The interval and the p-value of this look alone."""
        pairs = self._pairs
        worst = betting_interval(pairs.worst, self._confidence, self._planned)
        p_value = betting_p_value(pairs.worst, self._confidence, self._planned)
        if pairs.is_complete:
            return worst, p_value
        best = betting_interval(pairs.best, self._confidence, self._planned)
        of_best = betting_p_value(pairs.best, self._confidence, self._planned)
        p_value = worst_p_value((float(pairs.worst.mean()), p_value), (float(pairs.best.mean()), of_best))
        return (worst[0], best[1]), p_value

    def result(self, stop: SequentialStopReason) -> SequentialResult | None:
        """What came of it; None when no row was looked at."""
        if not self._looks:
            return None
        return SequentialResult(self._comparison(), self._planned, self._looks, stop)

    def _comparison(self) -> Comparison:
        mean = float(self._pairs.answered.mean())
        low, high = min(self._low, mean), max(self._high, mean)
        rows = self._pairs.worst.size
        return Comparison(mean, low, high, self._p_value, rows, "sequential", self._confidence)

    def _may_be_same(self) -> bool:
        """Whether the interval would fit inside the margin if all rows were like these."""
        deviation = math.sqrt(float(np.square(self._pairs.answered).mean()) / self._planned)
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
