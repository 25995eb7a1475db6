"""The time of one run: how much is left for whom."""

from collections.abc import Callable

_MOST_HELD = (0.5, 0.25, 0.0)
"""Part of all time that may be held back, by turn: slow answers must not take all of it from those who come first."""


class Minutes:
    """A clock that starts when it is made.

    Args:
        most: Minutes in all; None = no limit.
        elapsed_s: Seconds of them that are over already.
        clock: Monotonic seconds.
    """

    def __init__(self, most: float | None, elapsed_s: float, clock: Callable[[], float]) -> None:
        self.most = most
        self._clock = clock
        self._started = clock() - elapsed_s

    @property
    def elapsed_s(self) -> float:
        """Seconds that are over."""
        return self._clock() - self._started

    def left_s(self, turn: int, calls_used: int, calls_later: int) -> float:
        """Seconds until those whose turn it is must stop; infinite without a limit.

        They leave what later calls need at the pace so far, the first ones at most half of the whole, the next ones a
        quarter.

        Args:
            turn: 0, 1 or 2.
            calls_used: Calls of all so far.
            calls_later: Calls set aside for later turns.
        """
        if self.most is None:
            return float("inf")
        elapsed_s = self.elapsed_s
        pace_s = elapsed_s / calls_used if calls_used else 0.0
        return 60 * self.most - elapsed_s - min(calls_later * pace_s, 60 * self.most * _MOST_HELD[turn])
