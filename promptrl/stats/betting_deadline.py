"""Bets towards a known number of rows: nearly as sharp as a t test, and true for scores of any kind.

As in ``betting.py`` a gambler's wealth says how far the rows speak against "the mean difference is at most m". Who may
look only once, after the last row, need not be rich before. The stakes are then those that make it likeliest to reach
the goal by the deadline: what a trader does who hedges an option that pays 1 / level if the goal is reached, with what
is owned as its price (Browne 1999, Advances in Applied Probability 31:551-577). The goal is never reached by luck in
more than ``level`` of all cases, for each stake is fixed before its row is seen and nobody can go below 0. The rows
count in their order, so that must not depend on the answers.
"""

import numpy as np
import numpy.typing as npt
from scipy import special

from promptrl.stats.betting import FloatArray

LARGEST_BET = 0.95
PRIOR_VARIANCE = 0.1
PRIOR_ROWS = 2.0
GRID = 160
SMALLEST_LEVEL = 1e-12
ROUNDING = 1e-9


def deadline_interval(differences: FloatArray, confidence: float) -> tuple[float, float]:
    """Two-sided interval for the mean difference: the means against which no gambler reached the goal.

    Each side misses with a chance of at most (1 - confidence) / 2, on any number of rows. Ends are exact to 1e-4 and
    rounded outwards.

    Args:
        differences: In an order that does not depend on them; at least one, each in [-1, 1].
        confidence: In (0, 1).
    """
    level = (1 - confidence) / 2
    return _lower_end(differences, level), -_lower_end(-differences, level)


def deadline_p_value(differences: FloatArray, confidence: float) -> float:
    """Two-sided p-value of "the mean difference is 0": the smallest level down to which each level reaches the goal.

    Args:
        differences: As for ``deadline_interval``.
        confidence: 1 minus this is among the levels tried, so that p-value and interval agree.
    """
    levels = np.sort(np.append(np.geomspace(1, SMALLEST_LEVEL, GRID), 1 - confidence))[::-1]
    nulls = np.zeros(levels.size)
    reached = [has_reached_goal(sign * differences, nulls, levels / 2) for sign in (1, -1)]
    misses = np.flatnonzero(~(reached[0] | reached[1])[1:])
    last = misses[0] if misses.size else levels.size - 1
    return float(levels[last])


def has_reached_goal(differences: FloatArray, nulls: FloatArray, levels: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether the gambler against each null owned 1 / level after the last row.

    Args:
        differences: Shape (rows,) for all tests, or (tests, rows); each in [-1, 1].
        nulls: Shape (tests,), in (-1, 1): "the mean difference is at most this".
        levels: Shape (tests,), in (0, 1): one-sided.

    Returns:
        Booleans, shape (tests,).
    """
    owned = levels.copy()  # in shares of the goal
    squares = np.full(nulls.shape, PRIOR_VARIANCE * PRIOR_ROWS)
    limits = LARGEST_BET / (1 + nulls)
    rows = differences.shape[-1]
    for row in range(rows):
        deviation = np.sqrt(squares / (PRIOR_ROWS + row))
        quantile = special.ndtri(np.minimum(owned, 1 - ROUNDING))
        density = np.exp(-np.square(quantile) / 2) / np.sqrt(2 * np.pi)
        stakes = density / (owned * deviation * np.sqrt(rows - row))
        stakes = np.where(owned >= 1 - ROUNDING, 0.0, np.minimum(stakes, limits))
        gains = differences[..., row] - nulls
        owned = np.maximum(owned * (1 + stakes * gains), 1e-300)
        squares += np.square(gains)
    return np.asarray(owned >= 1 - ROUNDING)


def _lower_end(differences: FloatArray, level: float) -> float:
    """The mean below which all are excluded."""
    low, high = -1.0, float(differences.mean())
    if high <= -1 + ROUNDING:
        return low
    for _ in range(2):
        nulls = np.linspace(max(low, -1 + ROUNDING), min(high, 1 - ROUNDING), GRID)
        kept = np.flatnonzero(~has_reached_goal(differences, nulls, np.full(GRID, level)))
        first = int(kept[0]) if kept.size else GRID - 1
        if first == 0:
            return low
        low, high = float(nulls[first - 1]), float(nulls[first])
    return low
