"""The budget of one run: calls, tokens, dollars and minutes, never exceeded.

A *call* is an answer used, cached or not, so a run with a warm cache takes the same course; calls are taken for a
whole batch at once. An *attempt* is one request sent to the target: before it is sent, the most that it can cost is
reserved in tokens and dollars, and after it what it did cost is booked. What was set aside for a purpose
(``reserve_share``) is out of reach for the others in calls, and by what past answers cost it is for those that come
earlier also in tokens, dollars and minutes.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from promptrl.errors import BudgetExhaustedError
from promptrl.llm.base import Completion, Purpose
from promptrl.llm.engine.allowance import Allowance
from promptrl.llm.engine.minutes import Minutes
from promptrl.llm.engine.reservations import Charges, NoteCharge, Reservation
from promptrl.llm.engine.shares import Shares
from promptrl.llm.engine.tally import Tally

Limit = Literal["calls", "tokens", "usd", "minutes"]

_KEYS: Mapping[Limit, str] = {
    "calls": "budget.max_calls",
    "tokens": "budget.max_tokens",
    "usd": "budget.max_usd",
    "minutes": "budget.max_minutes",
}
TURNS: Mapping[Purpose, int] = {"search": 0, "proposer": 0, "validation": 1, "test": 2, "judge": 2}
"""The purposes there are, and whose share is used after whose. An answer that nobody judges was paid for nothing."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What a run has used so far.

    Attributes:
        calls: Answers used by purpose, cached or not.
        total: Sum of ``calls``.
        paid: Attempts sent to the target, failed ones included.
        cached: Answers used that needed no attempt of their own.
        retried: Those of ``paid`` that repeated a failed attempt.
        prompt_tokens: As the servers reported them; an answer without a usage report adds nothing here.
        completion_tokens: Likewise.
        cost_usd: None when the cost of any paid answer is unknown.
    """

    calls: Mapping[Purpose, int]
    total: int
    paid: int
    cached: int
    retried: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


class Budget:
    """Limits of one run; every method may be called from any thread. The clock of ``max_minutes`` starts here.

    Args:
        max_calls: Answers that may be used, cached or not; None for no limit, as for the others.
        max_tokens: Prompt and completion tokens that may be paid.
        max_usd: US dollars that may be paid.
        max_minutes: Minutes until nothing may be asked any more and what is in flight is cancelled.
        elapsed_s: Seconds of them that earlier processes of the same run took.
        turns: The purposes that there are, and whose share is used after whose (0, 1 or 2).
        shares_of: The shares of a run of so many calls: where tokens or dollars pay for less than ``max_calls``, by
            what past answers cost, no share is worth more than these.
        clock: Monotonic seconds.

    Every method that takes a purpose raises ``ValueError`` for one that is not there.
    """

    def __init__(
        self,
        *,
        max_calls: int | None,
        max_tokens: int | None = None,
        max_usd: float | None = None,
        max_minutes: float | None = None,
        elapsed_s: float = 0.0,
        turns: Mapping[Purpose, int] = TURNS,
        shares_of: Callable[[int], Mapping[Purpose, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_calls = max_calls
        self.max_tokens = max_tokens
        self.max_usd = max_usd
        self._shares_of = shares_of
        self._minutes = Minutes(max_minutes, elapsed_s, clock)
        self._lock = threading.RLock()
        self._shares = Shares(max_calls, turns)
        self._tally = Tally()
        self._tokens, self._usd = Allowance(max_tokens), Allowance(max_usd)
        self._in_flight = self._attempts = 0
        self._waiting: list[Callable[[], object]] = []
        self._earlier = Charges()
        self._carried: tuple[float, float] = (0, 0.0)
        self._note_charge: NoteCharge = lambda attempt, tokens, cost_usd: None

    @property
    def spent(self) -> Spending:
        """What was used so far."""
        with self._lock:
            return Spending(
                calls=dict(self._shares.used),
                total=self._shares.used.total(),
                paid=self._tally.paid,
                cached=self._tally.cached,
                retried=self._tally.retried,
                prompt_tokens=self._tally.prompt_tokens,
                completion_tokens=self._tally.completion_tokens,
                cost_usd=self._tally.cost_usd,
            )

    @property
    def limits_cost(self) -> bool:
        """Whether tokens or dollars are limited."""
        return self._tokens.limit is not None or self._usd.limit is not None

    @property
    def has_answers(self) -> bool:
        """Whether any question was answered so far, in this process or before, and not refused."""
        with self._lock:
            return self._tally.sound > 0 or self._tally.cached > 0

    @property
    def elapsed_s(self) -> float:
        """Seconds that the run took so far, in all its processes, without the time between them."""
        return self._minutes.elapsed_s

    def reserve_share(self, purpose: Purpose, calls: int) -> None:
        """Set calls aside: from now on ``purpose`` uses these only, and no other purpose can.

        Raises:
            BudgetExhaustedError: Fewer calls than that are left.
        """
        with self._lock:
            self._shares.turn_of(purpose)
            if calls > (left := self._shares.unreserved):
                self.exhaust("calls", f"{calls} calls can't be set aside for {purpose}, {left} are left")
            self._shares.reserve(purpose, calls)

    def release_share(self, purpose: Purpose) -> int:
        """Give back what is left of a share; the purpose then uses the unreserved rest.

        Returns:
            The number of calls given back; 0 when there was no share.
        """
        with self._lock:
            return self._shares.release(purpose)

    def calls_used(self, purpose: Purpose) -> int:
        """Calls that ``purpose`` has used."""
        with self._lock:
            return self._shares.used[purpose]

    def calls_left(self, purpose: Purpose) -> int:
        """Calls that ``purpose`` may still use: its share or the unreserved rest; ``sys.maxsize`` without a limit.

        Where others come after it, no more than tokens and dollars pay for beside what those will need, by what the
        answers that were used have cost (``count_used``). This number may rise and fall.
        """
        with self._lock:
            left = self._shares.left(purpose)
            if self._shares.is_last(purpose):
                return left
            planned = self._planned_shares()
            if planned is not None and self._shares_of is not None:
                left -= self._shares.withheld(purpose, planned, self._shares_of(sys.maxsize))
            wanted = left if self._shares.turn_of(purpose) else 0
            return max(0, min(left, self._payable(purpose, self._shares.later(purpose, planned), wanted)))

    def payable_like(
        self, answers: Sequence[Sequence[Completion]], kept: Iterable[Completion] = (), beside: int = 0
    ) -> float:
        """Further answers that tokens and dollars pay for if they cost what these did, each with what was asked of it.

        Infinite without a limit, and where these tell nothing.

        Args:
            answers: These.
            kept: Further answers that an earlier process of the run has paid for already.
            beside: Answers as dear as all so far that must be paid for too.
        """
        with self._lock:
            tokens = [sum(c.charged_tokens for c in answer) for answer in answers]
            dollars = [sum(c.charged_usd for c in answer) for answer in answers]
            paid = list(kept)
            return min(
                self._tokens.payable_like(tokens, sum(c.charged_tokens for c in paid), beside),
                self._usd.payable_like(dollars, sum(c.charged_usd for c in paid), beside),
            )

    def take_calls(self, purpose: Purpose, calls: int) -> int:
        """Take up to ``calls`` calls for a batch and return how many were granted."""
        with self._lock:
            return self._shares.take(purpose, calls)

    def return_calls(self, purpose: Purpose, calls: int) -> None:
        """Give back taken calls that got no answer."""
        with self._lock:
            self._shares.give_back(purpose, calls)

    def keep_charges(self, note: NoteCharge, earlier: Charges) -> None:
        """Note every charge from now on; ``carry_over`` then books no less than was charged before.

        Args:
            note: Called before an attempt is sent, and when it is settled.
            earlier: What earlier processes of the same run noted.
        """
        with self._lock:
            self._note_charge, self._earlier = note, earlier

    def carry_over(self, completions: Iterable[Completion]) -> None:
        """Book what an earlier process of the same run paid for, so that resuming can't pay past the limits.

        May be called several times, before anything else is paid for.
        """
        with self._lock:
            self._tokens.charged, self._usd.charged = self._carried
            for completion in completions:
                self._tally.count_attempt()
                self._book(Reservation("search", 0, 0.0), completion)
            self._carried = self._tokens.charged, self._usd.charged
            self._tokens.charged = max(self._tokens.charged, self._earlier.tokens)
            self._usd.charged = max(self._usd.charged, self._earlier.cost_usd)

    def count_used(self, purpose: Purpose, completion: Completion, bound: tuple[int, float] = (0, 0.0)) -> None:
        """Note what an answer has cost that the run goes on with: it tells what further ones will cost.

        Args:
            purpose: Of the answer.
            completion: It; one from the cache tells nothing.
            bound: The tokens and dollars that were reserved for it.
        """
        if completion.is_cached:
            return
        with self._lock:
            self._tokens.count_used(purpose, completion.charged_tokens, completion.untold_tokens, bound[0])
            self._usd.count_used(purpose, completion.charged_usd, completion.untold_usd, bound[1])

    def count_cached(self, calls: int) -> None:
        """Book answers that needed no attempt of their own."""
        with self._lock:
            self._tally.cached += calls

    def seconds_left(self, purpose: Purpose) -> float:
        """Seconds until ``purpose`` must stop; infinite without a limit.

        It must stop earlier by the time that later shares need at the pace so far, so that neither search nor finals
        eat the minutes of the verdict; for a search that is at most half of the whole, for finals a quarter.
        """
        turn = self._shares.turn_of(purpose)
        with self._lock:
            later = sum(self._shares.later(purpose).values())
            return self._minutes.left_s(turn, self._shares.used.total(), later)

    def check_time(self, purpose: Purpose, wait_s: float = 0.0) -> None:
        """Make sure that time is left after waiting ``wait_s`` seconds.

        Raises:
            BudgetExhaustedError: It is not.
        """
        if self.seconds_left(purpose) <= wait_s:
            self.exhaust("minutes", f"{self._minutes.most} minutes are over ({purpose})")

    def reserve(
        self,
        purpose: Purpose,
        *,
        tokens: int,
        cost_usd: float,
        is_retry: bool = False,
        on_settled: Callable[[], object] = lambda: None,
    ) -> Reservation | None:
        """Hold the most that one attempt can cost; the attempt counts as paid from here.

        Args:
            purpose: What the call is for.
            tokens: Bound on prompt plus completion tokens.
            cost_usd: Bound on the cost.
            is_retry: Whether it repeats a failed attempt.
            on_settled: Called once, from the settling thread, after a None was returned: time to try again.

        Returns:
            None when it does not fit now but may when an attempt in flight turns out cheaper than reserved.

        Raises:
            BudgetExhaustedError: It does not fit, or time is over.
        """
        with self._lock:
            self.check_time(purpose)
            number = self._earlier.attempts + self._attempts + 1
            reservation = Reservation(purpose, tokens, cost_usd, number)
            lacking = self._lacking(reservation)
            if lacking and self._in_flight:
                self._waiting.append(on_settled)
                return None
            if lacking:
                self.exhaust(lacking, f"what is left does not cover one more call ({purpose})")
            self._note_charge(number, tokens, cost_usd)
            self._attempts += 1
            self._in_flight += 1
            self._tokens.hold(tokens)
            self._usd.hold(cost_usd)
            self._tally.count_attempt(is_retry=is_retry)
            return reservation

    def settle(
        self, reservation: Reservation, completion: Completion | None = None, *, may_be_billed: bool = False
    ) -> None:
        """Book what an attempt cost instead of what was held for it.

        Args:
            reservation: From ``reserve``.
            completion: The answer; where its tokens or cost are unknown, the reservation is charged in full.
            may_be_billed: For an attempt without an answer: whether the reservation is charged, or nothing.
        """
        with self._lock:
            self._in_flight -= 1
            self._tokens.let_go(reservation.tokens)
            self._usd.let_go(reservation.cost_usd)
            tokens, usd = self._tokens.charged, self._usd.charged
            if completion is not None:
                self._book(reservation, completion)
            elif may_be_billed:
                self._tokens.charge(reservation.tokens)
                self._usd.charge(reservation.cost_usd)
            self._note_charge(reservation.attempt, int(self._tokens.charged - tokens), self._usd.charged - usd)
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def exhaust(self, limit: Limit, message: str) -> NoReturn:
        """Say which limit was hit.

        Raises:
            BudgetExhaustedError: Always; names the config key.
        """
        raise BudgetExhaustedError(f"{_KEYS[limit]}: {message}")

    def _payable(self, purpose: Purpose, later: Mapping[Purpose, int], wanted: int) -> int:
        most = min(allowance.payable(purpose, later, wanted) for allowance in (self._tokens, self._usd))
        return sys.maxsize if math.isinf(most) else int(most)

    def _planned_shares(self) -> Mapping[Purpose, int] | None:
        """The shares of a run of as many calls as tokens and dollars pay for; None where those pay for all.

        What the test has given up, as that of a fold with a dear winner does, is for the others.
        """
        if self._shares_of is None:
            return None
        payable = min(allowance.payable_of_all() for allowance in (self._tokens, self._usd))
        most = self._shares.used.total() + payable
        if most >= (self.max_calls or sys.maxsize):
            return None
        given_up = self._shares.given_up("test", self._shares_of(sys.maxsize)["test"])
        return self._shares_of(int(most) + given_up)

    def _lacking(self, reservation: Reservation) -> Limit | None:
        if not self.limits_cost:
            return None
        later = sum(self._shares.later(reservation.purpose, self._planned_shares()).values())
        if not self._tokens.has_room(reservation.tokens, later):
            return "tokens"
        return None if self._usd.has_room(reservation.cost_usd, later) else "usd"

    def _book(self, reservation: Reservation, completion: Completion) -> None:
        self._tally.count_answer(completion)
        prompt, answer, cost_usd = completion.prompt_tokens, completion.completion_tokens, completion.cost_usd
        self._tokens.charge(reservation.tokens if prompt is None or answer is None else prompt + answer)
        self._usd.charge(reservation.cost_usd if cost_usd is None else cost_usd)
