"""Differences of two prompts' scores on the same inputs, where some answers may be missing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ROUNDING = 1e-12
PRIOR_PAIR_SD = 0.5
"""Deviation of the differences between two prompts on an input, as if one had shown it: few alike prove little."""


def error_of_mean(differences: FloatArray) -> float:
    """Standard error of the mean of some differences, at least one, never 0."""
    squares = float(np.square(differences - differences.mean()).sum())
    return math.sqrt(squares + PRIOR_PAIR_SD**2) / len(differences)


@dataclass(frozen=True, slots=True, eq=False)
class PairedDifferences:
    """Challenger minus baseline, one per input; with nothing missing all three are the same.

    Attributes:
        answered: Of the inputs that both answered, from what they answered; each in [-1, 1].
        worst: Of all inputs asked, each missing answer of the challenger taken for a 0 and of the baseline for a 1.
        best: Likewise, the other way about.
        missing: Answers that are missing: the challenger's, the baseline's.
    """

    answered: FloatArray
    worst: FloatArray
    best: FloatArray
    missing: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, challenger: Sequence[float], baseline: Sequence[float]) -> Self:
        """From scores with none missing; what rounding alone makes differ is equal.

        Args:
            challenger: One score per input, in [0, 1].
            baseline: The other prompt's scores on the same inputs in the same order.

        Raises:
            ValueError: The lengths differ, or a score lies outside [0, 1].
        """
        first, second = checked_scores(challenger), checked_scores(baseline)
        if first.size != second.size:
            raise ValueError(f"{first.size} scores can't be paired with {second.size}")
        differences = rounded(first - second)
        return cls(differences, differences, differences)

    def within(
        self,
        challenger: tuple[FloatArray, FloatArray],
        baseline: tuple[FloatArray, FloatArray],
        missing: tuple[int, int],
    ) -> Self:
        """The same where answers are missing, given the least and the most that each input's score can be."""
        (our_least, our_most), (their_least, their_most) = challenger, baseline
        worst, best = rounded(our_least - their_most), rounded(our_most - their_least)
        return replace(self, worst=worst, best=best, missing=missing)

    @property
    def without_missing(self) -> Self:
        """Only what was answered by both."""
        return replace(self, worst=self.answered, best=self.answered, missing=(0, 0))

    @property
    def is_complete(self) -> bool:
        """Whether no answer is missing."""
        return not any(self.missing)


def rounded(differences: FloatArray) -> FloatArray:
    """The differences, those that rounding alone made as 0."""
    return np.where(np.abs(differences) < ROUNDING, 0.0, differences)


def checked_scores(scores: Sequence[float]) -> FloatArray:
    """Scores as an array.

    Raises:
        ValueError: One lies outside [0, 1].
    """
    values = np.asarray(scores, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("scores must lie in [0, 1]")
    return values
