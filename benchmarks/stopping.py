"""Where sequential comparisons stop, for many of them at once: the rules of ``SequentialComparison`` as one formula."""

import math

import numpy as np
import numpy.typing as npt

from promptrl.stats.betting import FloatArray, bets, log_wealth_needed
from promptrl.stats.sequential import is_out_of_reach


def log_wealth_path(differences: FloatArray, null: float, stakes: FloatArray) -> FloatArray:
    """Log wealth after each row of a gambler against "the mean difference is at most ``null``".

    Args:
        differences: Shape (..., rows), each in [-1, 1].
        null: In (-1, 1).
        stakes: From ``bets``.

    Returns:
        Shape (..., rows).
    """
    gains = (differences - null) / (1 + null)
    path = np.full(differences.shape, -np.inf)
    for stake in stakes:
        np.logaddexp(path, np.cumsum(np.log1p(stake * gains), axis=-1), out=path)
    return path - math.log(stakes.size)


def stopping_rows(
    differences: FloatArray, confidence: float, min_improvement: float = 0.0
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Where many comparisons, each looked at after every row, would stop: for simulations.

    The same rules as ``SequentialComparison``, but for "same".

    Args:
        differences: Shape (comparisons, rows), each in [-1, 1].
        confidence: Of the intervals.
        min_improvement: The gate's.

    Returns:
        stops: Shape (comparisons,), of ``SequentialStopReason``.
        rows: Shape (comparisons,): rows used.
    """
    planned = differences.shape[1]
    stakes, needed = bets(planned, confidence), log_wealth_needed(confidence)
    seen = np.arange(1, planned + 1)
    shifted = differences - min_improvement
    ends = {
        "improved": log_wealth_path(differences, min_improvement, stakes) > needed,
        "worse": log_wealth_path(-differences, 0.0, stakes) > needed,
        "futility": is_out_of_reach(
            shifted.cumsum(axis=1), np.square(shifted).cumsum(axis=1), seen, planned, confidence
        ),
    }
    first = {stop: np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, planned + 1) for stop, hits in ends.items()}
    rows = np.minimum(np.minimum.reduce(list(first.values())), planned)
    stops = np.select([first[stop] == rows for stop in ends], list(ends), "rows")
    return stops, rows
