"""Whose calls are whose: what each purpose has used, what is set aside for it, and whose turn comes after whose."""

import math
import sys
from collections import Counter
from collections.abc import Mapping

from promptrl.errors import suggest
from promptrl.llm.base import Purpose


class Shares:
    """The calls of one run; whoever shares it between threads holds a lock.

    Args:
        max_calls: Calls in all; None = no limit.
        turns: The purposes that there are, and whose share is used after whose.

    Attributes:
        used: Calls by purpose.

    Every method that takes a purpose raises ``ValueError`` for one that is not there.
    """

    def __init__(self, max_calls: int | None, turns: Mapping[Purpose, int]) -> None:
        self.used: Counter[Purpose] = Counter()
        self._max_calls = max_calls
        self._turns = dict(turns)
        self._left: dict[Purpose, int] = {}
        self._sizes: dict[Purpose, int] = {}

    @property
    def unreserved(self) -> int:
        """Calls that are set aside for nobody; ``sys.maxsize`` without a limit."""
        if self._max_calls is None:
            return sys.maxsize
        return max(0, self._max_calls - self.used.total() - sum(self._left.values()))

    def turn_of(self, purpose: Purpose) -> int:
        """When the share of a purpose is used."""
        if purpose not in self._turns:
            raise ValueError(f"there is no share of the budget called {purpose!r} ({suggest(purpose, self._turns)})")
        return self._turns[purpose]

    def is_last(self, purpose: Purpose) -> bool:
        """Whether no share is used after that of a purpose."""
        return self.turn_of(purpose) == max(self._turns.values())

    def reserve(self, purpose: Purpose, calls: int) -> None:
        """Set calls aside, beside those that are already."""
        self._left[purpose] = self._left.get(purpose, 0) + calls
        self._sizes[purpose] = self._sizes.get(purpose, 0) + calls

    def release(self, purpose: Purpose) -> int:
        """Give up a share, and say how many calls were left of it."""
        self.turn_of(purpose)
        self._sizes.pop(purpose, 0)
        return self._left.pop(purpose, 0)

    def left(self, purpose: Purpose) -> int:
        """Calls that a purpose may still use: of its share, or what is unreserved."""
        self.turn_of(purpose)
        return self._left.get(purpose, self.unreserved)

    def take(self, purpose: Purpose, calls: int) -> int:
        """Use up to so many calls, and say how many."""
        granted = min(calls, self.left(purpose))
        self._use(purpose, granted)
        return granted

    def give_back(self, purpose: Purpose, calls: int) -> None:
        """Undo a ``take``."""
        self.turn_of(purpose)
        self._use(purpose, -calls)

    def later(self, purpose: Purpose, planned: Mapping[Purpose, int] | None = None) -> dict[Purpose, int]:
        """Calls set aside for purposes whose turn comes later; of each no more than a plan grants, if there is one."""
        turn = self.turn_of(purpose)
        later = {other: calls for other, calls in self._left.items() if self.turn_of(other) > turn}
        if planned is None:
            return later
        return {name: min(calls, max(0, planned.get(name, 0) - self.used[name])) for name, calls in later.items()}

    def given_up(self, purpose: Purpose, planned: int) -> int:
        """Of the calls planned for a purpose, how many it will not use: its share was set smaller."""
        return max(0, planned - self.used[purpose] - self._left[purpose]) if purpose in self._left else 0

    def withheld(self, purpose: Purpose, planned: Mapping[Purpose, int], whole: Mapping[Purpose, int]) -> int:
        """Calls of a share that a plan does not grant.

        Args:
            purpose: Whose share; it may be part of what the plan has for it, as the search of one fold is.
            planned: The plan.
            whole: What it would grant if nothing were scarce.
        """
        size = self._sizes.get(purpose, 0)
        return size - math.ceil(size * planned[purpose] / whole[purpose]) if size else 0

    def _use(self, purpose: Purpose, calls: int) -> None:
        self.used[purpose] += calls
        if purpose in self._left:
            self._left[purpose] -= calls
