"""Intervals, paired tests and verdicts on held-out scores.

Scores lie in [0, 1], one per row; rows are the unit of chance. A metric that is right or wrong on every row gets exact
or score methods for binomials, a graded one resampling. Where resampling breaks down (few rows, or no spread) every
graded difference counts as that share of a whole win or loss, which has the largest variance that scores in [0, 1]
allow: such an interval is too wide rather than too narrow.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

Verdict = Literal["improved", "worse", "same", "inconclusive"]
Method = Literal["exact", "bootstrap", "bounded"]
FloatArray = npt.NDArray[np.float64]

MIN_BOOTSTRAP_ROWS = 30
RESAMPLES = 9_999
MAX_CELLS_PER_BATCH = 2_000_000
ROUNDING = 1e-12


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
        rows: How many pairs.
        method: "exact" (McNemar's test and Tango's interval), "bootstrap" (sign flips and BCa) or "bounded" (sign flips
            and Tango's interval on shares of wins and losses).
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
    values = _checked(scores)
    low, high = _wilson(float(values.sum()), values.size, confidence)
    if not _is_binary(values):
        low, high = _bootstrap(values, confidence, seed) or (low, high)
    return Interval(float(values.mean()), low, high, values.size)


def paired_comparison(
    challenger: Sequence[float], baseline: Sequence[float], confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Compare two prompts row by row.

    Args:
        challenger: One score per row, in [0, 1].
        baseline: The other prompt's scores on the same rows in the same order.
        confidence: Coverage of the interval aimed at, in (0, 1).
        seed: Of bootstrap and sign flips.

    Raises:
        ValueError: There is no row, the lengths differ, or a score lies outside [0, 1].
    """
    first, second = _checked(challenger), _checked(baseline)
    if first.size != second.size:
        raise ValueError(f"{first.size} scores can't be paired with {second.size}")
    differences = first - second
    differences[np.abs(differences) < ROUNDING] = 0
    wins, losses = float(differences.clip(min=0).sum()), float(-differences.clip(max=0).sum())
    low, high = tango_interval(wins, losses, differences.size, confidence)
    method: Method = "exact"
    if _is_binary(first) and _is_binary(second):
        p_value = mcnemar_p_value(round(wins), round(losses))
    else:
        p_value = _sign_flip_p_value(differences, seed)
        resampled = _bootstrap(differences, confidence, seed)
        method = "bootstrap" if resampled else "bounded"
        low, high = resampled or (low, high)
    return Comparison(float(differences.mean()), low, high, p_value, differences.size, method, confidence)


def verdict(comparison: Comparison, *, min_improvement: float, margin: float, is_baseline: bool) -> Verdict:
    """Say what a comparison on held-out rows proves.

    A difference is claimed only where the interval and the test agree. For right and wrong answers that keeps false
    promotions below half of 1 - confidence on any number of rows: Tango's interval alone reaches 2.6 % at 95 %, the
    exact test never passes 2.5 %. For graded scores both assume that rare large losses show up among the rows.

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


def smallest_detectable(
    rows: int, discordant_rate: float, confidence: float = 0.95, power: float = 0.8
) -> float | None:
    """Smallest true improvement that a paired test on so many rows finds with the given power.

    Inverts ``rows_to_detect``.

    Args:
        rows: Rows of the test split.
        discordant_rate: Share of rows on which exactly one of the two prompts is right, in (0, 1].
        confidence: 1 minus the two-sided level of the test.
        power: Chance of finding it.

    Returns:
        The difference of mean scores; None when not even ``discordant_rate`` itself would be found.
    """

    def surplus(improvement: float) -> float:
        return _connor_rows(improvement, discordant_rate, confidence, power) - rows

    if surplus(discordant_rate) > 0:
        return None
    return float(optimize.brentq(surplus, 1e-9, discordant_rate))


def rows_to_detect(improvement: float, discordant_rate: float, confidence: float = 0.95, power: float = 0.8) -> int:
    """Rows on which a paired test finds a true improvement with the given power.

    Connor (1987), Biometrics 43:207-211, for McNemar's test; the exact test needs a few rows more.

    Raises:
        ValueError: The improvement is not in (0, discordant_rate].
    """
    if not 0 < improvement <= discordant_rate <= 1:
        raise ValueError(f"an improvement of {improvement} is impossible with a discordant rate of {discordant_rate}")
    return math.ceil(_connor_rows(improvement, discordant_rate, confidence, power))


def rows_to_show_same(margin: float, discordant_rate: float, confidence: float = 0.95, power: float = 0.8) -> int:
    """Rows after which the interval of two equally good prompts lies inside plus or minus ``margin``.

    Two one-sided tests: n = discordant_rate x ((z of the interval + z of (1 + power) / 2) / margin)^2.

    Raises:
        ValueError: The margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"a margin of {margin} can't be reached")
    z = _z(confidence) + float(stats.norm.ppf((1 + power) / 2))
    return math.ceil(discordant_rate * (z / margin) ** 2)


def _connor_rows(improvement: float, discordant_rate: float, confidence: float, power: float) -> float:
    level = _z(confidence) * math.sqrt(discordant_rate)
    miss = float(stats.norm.ppf(power)) * math.sqrt(discordant_rate - improvement**2)
    return ((level + miss) / improvement) ** 2


def _tango_upper(wins: float, losses: float, rows: int, confidence: float) -> float:
    """Largest difference that the score test does not reject."""
    z = _z(confidence)

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


def _wilson(successes: float, rows: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval (1927) for successes out of rows; shares of a success are allowed."""
    z2 = _z(confidence) ** 2
    share = successes / rows
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = math.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2))) / (1 + z2 / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


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


def _sign_flip_p_value(differences: FloatArray, seed: int) -> float:
    """Two-sided p-value of "each difference could as well have had the other sign"; exact for up to 13 of them."""
    unequal = differences[differences != 0]
    if unequal.size < 2:
        return 1.0
    result = stats.permutation_test(
        (unequal,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=max(1, MAX_CELLS_PER_BATCH // unequal.size),
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: got {confidence}, expected 0 to 1")
    return float(stats.norm.ppf((1 + confidence) / 2))


def _is_binary(values: FloatArray) -> bool:
    return bool(np.all((values == 0) | (values == 1)))


def _checked(scores: Sequence[float]) -> FloatArray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError("at least one row is needed")
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("scores must lie in [0, 1]")
    return values
