"""How the scores of a search went as calls were spent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promptrl.evaluation.outcome import Outcome
from promptrl.stats.paired import wilson_interval

FloatArray = npt.NDArray[np.float64]

MIN_WINDOW = 12
WINDOWS = 15
"""The mean is taken over a window of the last 1/15 of all answers."""
MAX_POINTS = 160


@dataclass(frozen=True, slots=True)
class Curve:
    """A running mean of scores against calls.

    Attributes:
        calls: Search calls so far, shape (n_points,).
        mean: Mean score of the last ``window`` answers, shape (n_points,).
        low: Lower end of its interval, shape (n_points,).
        high: Upper end, shape (n_points,).
        window: Answers that each mean is taken over.
    """

    calls: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    window: int


def running_mean(outcomes: Sequence[Outcome], confidence: float = 0.9) -> Curve | None:
    """The running mean of the search answers' scores, in the order of the outcomes; None when they are too few.

    The interval is the score interval for a mean of values in [0, 1] (Wilson's; for graded scores it is too wide).
    """
    places = np.array([at + 1 for at, outcome in enumerate(outcomes) if outcome.purpose == "search"], dtype=np.float64)
    scores = np.array([outcome.score for outcome in outcomes if outcome.purpose == "search"])
    window = max(MIN_WINDOW, len(scores) // WINDOWS)
    if len(scores) < 2 * window:
        return None
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    ends = np.unique(np.linspace(window, len(scores), MAX_POINTS).astype(int))
    mean = (sums[ends] - sums[ends - window]) / window
    low, high = wilson_interval(mean, window, confidence)
    return Curve(places[ends - 1], mean, low, high, window)
