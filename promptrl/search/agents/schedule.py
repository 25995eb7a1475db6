"""Schedules of hyperparameters over a search."""

from collections.abc import Callable

Remaining = Callable[[], float]
"""The share of a search's calls that is left, in [0, 1]."""


class LinearSchedule:
    """Falls from its first value to 0, as ``lin_`` does in rl-baselines3-zoo.

    SB3 counts the steps of one ``learn``; a search that plans calls that many times, so what is left is what is left
    of the calls. A saved one is SB3's own again: it knows no search.

    Args:
        first: The value at the start.
        remaining: Says how far the search is; None: go by what SB3 says.
    """

    def __init__(self, first: float, remaining: Remaining | None = None) -> None:
        self.first = first
        self._remaining = remaining

    def __call__(self, progress_remaining: float) -> float:
        """The value now."""
        return self.first * (progress_remaining if self._remaining is None else self._remaining())

    def __reduce__(self) -> tuple[type["LinearSchedule"], tuple[float]]:
        """What is pickled."""
        return LinearSchedule, (self.first,)
