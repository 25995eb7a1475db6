"""Intervals, paired tests and verdicts on held-out scores.

Scores lie in [0, 1], one per row; rows are the unit of chance, where those with one input are one row. A metric that
is right or wrong on every row gets exact or score methods for binomials. A graded one gets bets
(``betting_deadline.py``) where something is claimed of it: resampling takes for granted that a rare total loss is among
the rows seen, and promotes up to a third of the prompts that have one on 30 to 50 rows. The mean of a single prompt,
which decides nothing, has a bootstrap interval.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from promptrl.stats.betting_deadline import deadline_interval, deadline_p_value
from promptrl.stats.pairs import ROUNDING, FloatArray, PairedDifferences, checked_scores

Verdict = Literal["improved", "worse", "same", "inconclusive"]
Method = Literal["exact", "betting", "sequential", "folds"]

MIN_BOOTSTRAP_ROWS = 30
RESAMPLES = 9_999
MAX_CELLS_PER_BATCH = 2_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean score and where the true one lies.

    Attributes:
        score: Mean over the rows, in [0, 1].
        low: Lower end of the two-sided interval.
        high: Upper end.
        rows: How many rows were scored.
    """

    score: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger against a baseline on the same rows.

    Attributes:
        difference: Mean score of the challenger minus that of the baseline, in [-1, 1].
        low: Lower end of the two-sided interval for the difference.
        high: Upper end.
        p_value: Two-sided, of "there is no difference".
        rows: How many pairs; rows with one input are one.
        method: "exact" (McNemar's test and Tango's interval), "betting" (for graded scores), "sequential" (betting,
            looked at while the rows came in) or "folds" (betting, on rows judged fold by fold).
        confidence: Of the interval, such as 0.95.
    """

    difference: float
    low: float
    high: float
    p_value: float
    rows: int
    method: Method
    confidence: float = 0.95


def mean_interval(scores: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """Give the mean score with a two-sided interval: Wilson's for scores of 0 and 1, BCa bootstrap for graded ones.

    Args:
        scores: One per row, in [0, 1].
        confidence: Coverage aimed at, in (0, 1).
        seed: Of the bootstrap.

    Raises:
        ValueError: There is no row, or a score lies outside [0, 1].
    """
    values = checked_scores(scores)
    if not values.size:
        raise ValueError("at least one row is needed")
    low, high = map(float, wilson_interval(values.sum() / values.size, values.size, confidence))
    if not _is_binary(values):
        low, high = _bootstrap(values, confidence, seed) or (low, high)
    return Interval(float(values.mean()), low, high, values.size)


def paired_comparison(challenger: Sequence[float], baseline: Sequence[float], confidence: float = 0.95) -> Comparison:
    """Compare two prompts row by row.

    Args:
        challenger: One score per row, in [0, 1].
        baseline: The other prompt's scores on the same rows in the same order, one that does not depend on them.
        confidence: Coverage of the interval aimed at, in (0, 1).

    Raises:
        ValueError: There is no row, the lengths differ, or a score lies outside [0, 1].
    """
    return compare_pairs(PairedDifferences.of(challenger, baseline), confidence)


def compare_pairs(pairs: PairedDifferences, confidence: float = 0.95, *, by_folds: bool = False) -> Comparison:
    """Compare two prompts input by input.

    An answer that is missing is taken for the worst that it can be, whatever is claimed: the interval reaches from the
    lower end for the worst case to the upper end for the best. The difference is that of the answers there are.

    With folds, what a search found before it saw a fold is compared on that fold. Which prompt is judged there depends
    on the folds before. The chance that a number of such rows were won or lost is not binomial then, but bets keep
    their promise (each stake is fixed before its row is seen).

    Args:
        pairs: Their differences.
        confidence: Coverage of the interval aimed at, in (0, 1).
        by_folds: Whether they come fold by fold.

    Raises:
        ValueError: No input has answers of both.
    """
    if not pairs.answered.size:
        raise ValueError("at least one row is needed")
    compare = partial(_by_bets, method="folds") if by_folds else _compare
    answered = compare(pairs.answered, confidence)
    if pairs.is_complete:
        return answered
    worst, best = compare(pairs.worst, confidence), compare(pairs.best, confidence)
    return replace(
        answered,
        low=min(worst.low, answered.difference),
        high=max(best.high, answered.difference),
        p_value=worst_p_value((worst.difference, worst.p_value), (best.difference, best.p_value)),
        rows=pairs.worst.size,
    )


def worst_p_value(worst: tuple[float, float], best: tuple[float, float]) -> float:
    """The largest two-sided p-value that missing answers allow.

    Args:
        worst: Mean difference and p-value with all of them against the challenger.
        best: With all of them for it.
    """
    return worst[1] if worst[0] > 0 else best[1] if best[0] < 0 else 1.0


def _compare(differences: FloatArray, confidence: float) -> Comparison:
    rows, mean = differences.size, float(differences.mean())
    if np.all(np.isin(differences, (-1, 0, 1))):
        wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
        low, high = tango_interval(wins, losses, rows, confidence)
        return Comparison(mean, low, high, mcnemar_p_value(wins, losses), rows, "exact", confidence)
    return _by_bets(differences, confidence, "betting")


def _by_bets(differences: FloatArray, confidence: float, method: Method) -> Comparison:
    low, high = deadline_interval(differences, confidence)
    p_value = deadline_p_value(differences, confidence)
    return Comparison(float(differences.mean()), low, high, p_value, differences.size, method, confidence)


def verdict(comparison: Comparison, *, min_improvement: float, margin: float, is_baseline: bool) -> Verdict:
    """Say what a comparison on held-out rows proves.

    A difference is claimed only where the interval and the test agree. For right and wrong answers that keeps false
    promotions below half of 1 - confidence on any number of rows: Tango's interval alone reaches 2.6 % at 95 %, the
    exact test never passes 2.5 %. Bets keep the promise for scores of any kind.

    Args:
        comparison: The winner against the prompt it has to beat.
        min_improvement: The interval must lie above this.
        margin: "same" needs the interval inside plus or minus this.
        is_baseline: The winner is that very prompt.
    """
    if is_baseline:
        return "same"
    is_significant = comparison.p_value <= 1 - comparison.confidence
    if is_significant and comparison.low > min_improvement:
        return "improved"
    if is_significant and comparison.high < 0:
        return "worse"
    if -margin < comparison.low and comparison.high < margin:
        return "same"
    return "inconclusive"


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Two-sided exact p-value of McNemar's test: were wins and losses equally likely?"""
    if wins + losses == 0:
        return 1.0
    return float(stats.binomtest(wins, wins + losses).pvalue)


def tango_interval(wins: float, losses: float, rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval for the difference of two paired proportions, (wins - losses) / rows.

    Tango (1998), Statistics in Medicine 17:891-908, equations 24 to 26, inverted numerically. It stays inside [-1, 1]
    and needs no wins and no losses to be defined.

    Args:
        wins: Rows which only the first got right; shares of rows are allowed.
        losses: Rows which only the second got right.
        rows: All rows, concordant ones too.
        confidence: Coverage aimed at, in (0, 1).
    """
    return -_tango_upper(losses, wins, rows, confidence), _tango_upper(wins, losses, rows, confidence)


def _tango_upper(wins: float, losses: float, rows: int, confidence: float) -> float:
    """Largest difference that the score test does not reject."""
    z = z_value(confidence)

    def excess(difference: float) -> float:
        b = -wins - losses + (2 * rows - wins + losses) * difference
        c = -losses * difference * (1 - difference)
        loss_rate = (math.sqrt(max(b * b - 8 * rows * c, 0)) - b) / (4 * rows)
        variance = rows * max(2 * loss_rate + difference * (1 - difference), 0)
        return wins - losses - rows * difference + z * math.sqrt(variance)

    start = (wins - losses) / rows + ROUNDING
    if start >= 1 or excess(start) <= 0:
        return min(start, 1.0)
    return float(optimize.brentq(excess, start, 1.0, xtol=ROUNDING))


def wilson_interval(means: npt.ArrayLike, rows: int, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval (1927) for the mean of 0s and 1s; for graded scores, which scipy's refuses, too wide.

    Args:
        means: In [0, 1], of any shape.
        rows: How many scores each of them is the mean of.
        confidence: Coverage aimed at, in (0, 1).

    Returns:
        low, high: Of the shape of ``means``.
    """
    share = np.asarray(means, dtype=np.float64)
    z2 = z_value(confidence) ** 2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = np.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2))) / (1 + z2 / rows)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _bootstrap(values: FloatArray, confidence: float, seed: int) -> tuple[float, float] | None:
    """BCa interval of the mean; None where it is not to be trusted: few rows, or nearly all of them equal."""
    rows = values.size
    if rows < MIN_BOOTSTRAP_ROWS or float(np.ptp(values)) < ROUNDING:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=confidence,
            n_resamples=RESAMPLES,
            batch=max(1, MAX_CELLS_PER_BATCH // rows),
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def z_value(confidence: float) -> float:
    """Half the width of a two-sided normal interval in standard errors: 1.96 for 0.95."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: got {confidence}, expected 0 to 1")
    return float(stats.norm.ppf((1 + confidence) / 2))


def _is_binary(values: FloatArray) -> bool:
    return bool(np.all((values == 0) | (values == 1)))
