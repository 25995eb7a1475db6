"""The account of false alarms of a whole history: each night's test spends a part of it, and it never runs dry.

A champion that is challenged every night would be replaced by a worse prompt sooner or later if each test had 2.5 % to
err. The chance of even one false promotion stays within ``level`` when the nights' levels add up to no more (the union
bound, so it holds for new test rows and for the same ones looked at again). What a night spent on a promotion comes
back to the next: either that promotion was right, and its share was not needed, or the one error is made already
("online fallback", Tian & Ramdas 2021, Statistical Methods in Medical Research 30:976-993).

Nothing calls it yet: it is for promotions every night, whose champion keeps such an account beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

PACE = 5
"""The n-th test may spend PACE / ((n + PACE - 1) (n + PACE)) of the level: a sixth first, half by the fifth."""


@dataclass(frozen=True, slots=True)
class SpendingAccount:
    """What is left to spend; a value, to be kept as JSON beside the champion.

    Attributes:
        level: Chance of even one false promotion in the whole history, at most.
        tests: Tests made so far.
        returned: Level that the latest test gave back because it promoted.
    """

    level: float = 0.05
    tests: int = 0
    returned: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no account."""
        if not (0 < self.level < 1 and self.tests >= 0 and 0 <= self.returned <= self.level):
            raise ValueError(f"no account: level {self.level}, tests {self.tests}, returned {self.returned}")

    @property
    def next_level(self) -> float:
        """One-sided level of the next test."""
        count = self.tests + 1
        return self.level * PACE / ((count + PACE - 1) * (count + PACE)) + self.returned

    def next_confidence(self, most: float) -> float:
        """Confidence of the next test's two-sided interval: what its level allows, and never below ``most``.

        Args:
            most: The gate's confidence, which each comparison has to reach by itself.
        """
        return max(most, 1 - 2 * self.next_level)

    def spend(self, *, has_promoted: bool) -> Self:
        """The account after the next test; nights on which nothing is tested leave it as it is."""
        returned = self.next_level if has_promoted else 0.0
        return replace(self, tests=self.tests + 1, returned=returned)

    def to_json(self) -> dict[str, Any]:
        """The account as ``from_json`` reads it: ``level``, ``tests`` so far, and what was ``returned``."""
        return {"level": self.level, "tests": self.tests, "returned": self.returned}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: The numbers make no account.
            KeyError: One is missing.
        """
        return cls(float(data["level"]), int(data["tests"]), float(data["returned"]))
