"""What a split can show before a call is paid for: the smallest improvement, and the rows that "the same" needs.

How many rows two prompts answer differently is not known beforehand, so a rate is assumed and said.
"""

import math
from dataclasses import dataclass

from scipy import optimize, stats

from promptrl.stats.betting import critical_z
from promptrl.stats.paired import z_value

ASSUMED_DISCORDANT_RATE = 0.25
ASSUMED_POWER = 0.8


@dataclass(frozen=True, slots=True)
class SplitPower:
    """What the test rows can show.

    Attributes:
        rows: Test rows, those with one input counted once.
        smallest_improvement: The smallest true improvement that is found with a chance of 80 %; None when the rows are
            too few for any.
        rows_for_same: Test rows on which two equally good prompts would be found the same with that chance.
        discordant_rate: Share of the rows that the two prompts are assumed to answer differently; more of them when
            the improvement itself is larger.
        confidence: Of the gate.
        min_improvement: What the gate asks for.
        margin: Of the gate's "same".
    """

    rows: int
    smallest_improvement: float | None
    rows_for_same: int
    discordant_rate: float
    confidence: float
    min_improvement: float
    margin: float

    @property
    def is_too_small(self) -> bool:
        """Whether the gate asks for less than the rows can show."""
        wanted = self.min_improvement
        return wanted > 0 and (self.smallest_improvement is None or self.smallest_improvement > wanted)


def split_power(
    rows: int, confidence: float, *, min_improvement: float, margin: float, is_sequential: bool
) -> SplitPower:
    """What a test split of so many rows can show under a gate.

    Args:
        rows: Test rows, those with one input counted once.
        confidence: Of the gate.
        min_improvement: Of the gate.
        margin: Of the gate.
        is_sequential: Whether the rows are looked at as they come in, which costs some power.
    """
    z = critical_z(confidence) if is_sequential else z_value(confidence)
    return SplitPower(
        rows=rows,
        smallest_improvement=smallest_detectable(rows, z),
        rows_for_same=rows_to_show_same(margin, z),
        discordant_rate=ASSUMED_DISCORDANT_RATE,
        confidence=confidence,
        min_improvement=min_improvement,
        margin=margin,
    )


def smallest_detectable(
    rows: int, z: float, discordant_rate: float = ASSUMED_DISCORDANT_RATE, power: float = ASSUMED_POWER
) -> float | None:
    """Smallest true improvement that a paired test on so many rows finds with the given power.

    Connor (1987), Biometrics 43:207-211, for McNemar's test; the exact test needs a few rows more. From
    ``discordant_rate`` up every row that the prompts answer differently is a win.

    Args:
        rows: Rows of the test split.
        z: Standard score from which on the test rejects, as ``z_value`` gives it.
        discordant_rate: Share of rows on which exactly one of the two prompts is right, in (0, 1].
        power: Chance of finding it.

    Returns:
        The difference of mean scores; None when not even winning every row would be found.
    """

    def surplus(improvement: float) -> float:
        return _connor_rows(improvement, max(discordant_rate, improvement), z, power) - rows

    if rows < -math.log2(2 * stats.norm.sf(z)) + 1 or surplus(1.0) > 0:
        return None
    return float(optimize.brentq(surplus, 1e-9, 1.0))


def rows_to_show_same(
    margin: float, z: float, discordant_rate: float = ASSUMED_DISCORDANT_RATE, power: float = ASSUMED_POWER
) -> int:
    """Rows after which the interval of two equally good prompts lies inside plus or minus ``margin``.

    Two one-sided tests: n = discordant_rate x ((z of the interval + z of (1 + power) / 2) / margin)^2.

    Raises:
        ValueError: The margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"a margin of {margin} can't be reached")
    both = z + float(stats.norm.ppf((1 + power) / 2))
    return math.ceil(discordant_rate * (both / margin) ** 2)


def _connor_rows(improvement: float, discordant_rate: float, z: float, power: float) -> float:
    """Rows on which the test finds an improvement in (0, discordant_rate]."""
    level = z * math.sqrt(discordant_rate)
    miss = float(stats.norm.ppf(power)) * math.sqrt(discordant_rate - improvement**2)
    return ((level + miss) / improvement) ** 2
