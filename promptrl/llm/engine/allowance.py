"""What one limit on tokens or dollars has left, and how many answers that pays for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from promptrl.llm.base import Purpose

_MARGIN = 1.02
"""By how much answers of a test may be dearer than those that tell what it costs."""
_PRICED_ANSWERS = 20
"""So many answers of a purpose tell what its answers cost."""
_GUARDED = 0.5
"""Part of what is held back that no attempt may touch; the rest bears what prices change within a batch."""
_SAFETY_SDS = 2.8
"""Standard errors by which the answers of a test may be dearer on average than as many that tell what it costs."""
_UNTOLD_PRIOR = 20
"""So many answers without a failure are thought to have come before the first."""
_ROUNDING = 1e-6


@dataclass(slots=True)
class _Cost:
    """Of some answers, in tokens or dollars."""

    answers: int = 0
    amount: float = 0
    untold: float = 0

    @property
    def mean(self) -> float:
        """Expected of a further one: a few failures at the start tell little of what is to come."""
        if not self.answers:
            return 0.0
        return (self.amount - self.untold) / self.answers + self.untold / (self.answers + _UNTOLD_PRIOR)


class Allowance:
    """What may be charged and what is, and what answers cost; whoever shares it between threads holds a lock.

    What is charged, failed attempts too, decides whether one more attempt fits. How many answers the limit pays for is
    told by those that the run has used, in the order in which it used them: so a resumed run plans as it did before.

    Args:
        limit: Most tokens or dollars; None = only count.

    Attributes:
        limit: As given.
        charged: So far, in all processes of the run.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.charged: float = 0
        self._held: float = 0
        self._in_flight = 0
        self._largest: float = 0
        self._used: dict[Purpose, _Cost] = {}

    def hold(self, amount: float) -> None:
        """Set the most that one attempt can cost aside."""
        self._held += amount
        self._in_flight += 1

    def let_go(self, amount: float) -> None:
        """Undo a ``hold``."""
        self._in_flight -= 1
        self._held = self._held - amount if self._in_flight else 0

    def charge(self, amount: float) -> None:
        """Charge what an attempt cost."""
        self.charged += amount

    def count_used(self, purpose: Purpose, amount: float, untold: float, bound: float) -> None:
        """Count an answer that the run uses now, whenever it was paid for.

        Args:
            purpose: Of the answer.
            amount: What it was charged.
            untold: Part of it that nobody told: charged for failed attempts, or for want of a usage.
            bound: What was reserved for it.
        """
        self._largest = max(self._largest, bound)
        cost = self._used.setdefault(purpose, _Cost())
        cost.answers += 1
        cost.amount += amount
        cost.untold += untold

    def has_room(self, amount: float, later: int) -> bool:
        """Whether one more attempt fits: at its most beside all in flight, and as usual beside so many calls to come.

        Args:
            amount: The most that it can cost.
            later: Calls of purposes whose turn comes later.
        """
        if self.limit is None:
            return True
        mean = self._all_used.mean
        usual = self.charged + (self._in_flight + 1 + _GUARDED * later) * mean + self._more_than(mean)
        return self.charged + self._held + amount <= self.limit and (not later or usual <= self.limit)

    def payable(self, purpose: Purpose, later: Mapping[Purpose, int], wanted: float = 0.0) -> float:
        """Further answers that it pays for beside calls of later purposes, the last of which must fit at its most.

        Infinite without a limit, and before any answer has told what answers cost.

        Args:
            purpose: Of the answers.
            later: Calls of later purposes.
            wanted: Where it does not pay for so many beside those, each purpose gets the same part of what it wants.
        """
        price = self._price(purpose)
        if self.limit is None or not price:
            return float("inf")
        held = sum(calls * self._price(name) for name, calls in later.items())
        left = self._left(self.limit, price)
        beside = max(0.0, left - held) / price
        return max(beside, min(1.0, left / (wanted * price + held)) * wanted if wanted else 0.0) + _ROUNDING

    def payable_of_all(self) -> float:
        """Further answers of whatever purpose that it pays for; infinite where ``payable`` is."""
        used = self._all_used
        return float("inf") if self.limit is None or not used.mean else (self.limit - used.amount) / used.mean

    def payable_like(self, amounts: Sequence[float], kept: float = 0.0, beside: float = 0) -> float:
        """Further answers that cost what these did, on average, that it pays for; infinite where ``payable`` is.

        Args:
            amounts: What these were charged.
            kept: What answers of an earlier process were charged that are among the further ones.
            beside: Answers as dear as all so far that it must pay for too.
        """
        if self.limit is None or not sum(amounts):
            return float("inf")
        mean = sum(amounts) / len(amounts)
        variance = sum((amount - mean) ** 2 for amount in amounts) / len(amounts)
        price = _MARGIN * mean + _SAFETY_SDS * math.sqrt(variance / len(amounts))
        used = self._all_used
        lost = max(0.0, self.charged - kept - used.amount)
        return max(0.0, self._left(self.limit, price) - lost - beside * used.mean) / price

    @property
    def _all_used(self) -> _Cost:
        costs = self._used.values()
        return _Cost(*(sum(getattr(cost, field.name) for cost in costs) for field in fields(_Cost)))

    def _more_than(self, price: float) -> float:
        """What the last answer must have beyond its price, so that the most that it can cost fits."""
        return max(0.0, self._largest - price)

    def _left(self, limit: float, price: float) -> float:
        """For answers of this price, so that the last of them fits as well."""
        return max(0.0, limit - self._all_used.amount - self._more_than(price))

    def _price(self, purpose: Purpose) -> float:
        """Of an answer: as of its purpose; a test asks what the finals have asked; else as of all, with a margin."""
        for name in (purpose, "validation") if purpose == "test" else (purpose,):
            if name in self._used and self._used[name].answers >= _PRICED_ANSWERS:
                return self._used[name].mean
        return self._all_used.mean * (_MARGIN if purpose == "test" else 1.0)
