"""Tests by betting: what a gambler would own who bets, row by row, that one prompt is better than the other.

Differences of two scores lie in [-1, 1]. Against "the mean difference is at most m" a gambler stakes a fixed share u
of the most that may be staked: row by row the wealth is multiplied by 1 + u (d - m) / (1 + m), which is never negative
and, if m holds, does not grow on average. Wealth of 40 then happens with a chance of at most 1 in 40, on any number of
rows, whatever the scores look like and whenever one looks (Ville 1939; Waudby-Smith & Ramdas 2023, JRSS B 86:1-27).
The gambler here divides the money among several u and lets each part run. For right and wrong answers and m = 0 that
is the mixture e-process on discordant rows with a win share of (1 + u) / 2.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize

FloatArray = npt.NDArray[np.float64]

N_BETS = 8
LARGEST_BET = 0.9
SMALLEST_BETS = (0.01, 0.5)
EDGE = 1e-9


def bets(planned_rows: int, confidence: float) -> FloatArray:
    """Shares of the largest stake, shape (8,), ascending: the smallest suits a win as late as the last row.

    A gain of standard score z grows wealth of exp(z^2 / 2) at best, at a stake near z / sqrt(rows) where every row
    differs; fewer or smaller differences ask for larger stakes.

    Args:
        planned_rows: Rows that there are at most; must be known before the first is looked at.
        confidence: Two-sided, in (0, 1).
    """
    smallest = 0.75 * critical_z(confidence) / math.sqrt(planned_rows)
    return np.geomspace(float(np.clip(smallest, *SMALLEST_BETS)), LARGEST_BET, N_BETS)


def log_wealth_needed(confidence: float) -> float:
    """Log of the wealth that excludes a mean on one side of a two-sided interval: log(2 / (1 - confidence))."""
    return math.log(2 / (1 - confidence))


def critical_z(confidence: float) -> float:
    """About the standard score of the sum of the differences at which the wealth is enough: 2.7 for 0.95.

    The best stake makes exp(z^2 / 2). Dividing the money costs some of it; more looks than one win that back.
    """
    return math.sqrt(2 * log_wealth_needed(confidence))


def log_wealth(differences: FloatArray, null: float, stakes: FloatArray) -> float:
    """Log wealth after the last of the rows, in whatever order they came."""
    gains = (differences - null) / (1 + null)
    parts = np.log1p(np.outer(stakes, gains)).sum(axis=1)
    return float(np.logaddexp.reduce(parts)) - math.log(stakes.size)


def betting_interval(
    differences: FloatArray, confidence: float, planned_rows: int | None = None
) -> tuple[float, float]:
    """Two-sided interval for the mean difference: the means against which no gambler got rich.

    Each side misses with a chance of at most (1 - confidence) / 2, on any number of rows.

    Args:
        differences: At least one, each in [-1, 1].
        confidence: In (0, 1).
        planned_rows: Rows there are at most, when these are the first of more; None: these are all.
    """
    stakes = bets(planned_rows or differences.size, confidence)
    needed = log_wealth_needed(confidence)
    return _lower_end(differences, stakes, needed), -_lower_end(-differences, stakes, needed)


def betting_p_value(differences: FloatArray, confidence: float, planned_rows: int | None = None) -> float:
    """Two-sided p-value of "the mean difference is 0": twice the inverse of the larger wealth of two gamblers.

    Args:
        differences: At least one, each in [-1, 1].
        confidence: What the stakes are meant for; the p-value holds whatever it is.
        planned_rows: As for ``betting_interval``.
    """
    stakes = bets(planned_rows or differences.size, confidence)
    best = max(log_wealth(differences, 0.0, stakes), log_wealth(-differences, 0.0, stakes))
    return min(1.0, 2 * math.exp(-best))


def _lower_end(differences: FloatArray, stakes: FloatArray, needed: float) -> float:
    """The smallest mean that is not excluded; wealth falls in the mean, and is at most 1 at the sample's own."""

    def surplus(null: float) -> float:
        return log_wealth(differences, null, stakes) - needed

    mean = float(differences.mean())
    if mean <= -1 + EDGE or surplus(-1 + EDGE) <= 0:
        return -1.0
    return float(optimize.brentq(surplus, -1 + EDGE, min(mean, 1 - EDGE), xtol=1e-10))
