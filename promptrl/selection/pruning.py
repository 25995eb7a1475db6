"""Takes edits out of a winner again, one at a time: what is each worth there, and is it worth its tokens?

Every leave-one-out is compared with the winner on the same validation rows. Edits whose removal makes the prompt
shorter and costs nothing there are taken out together, and the short prompt is compared with the winner itself, so
that small losses can't add up. Then both are compared on more rows, and the short one replaces the winner only if it
scores the same on all of them. Where the calls can't pay for that, no edit is pruned, and all of them go into saying
what each is worth. Rows on which the winner won come first, for there it has answered already; they flatter it, and
with it what its edits are worth: that errs on the side of keeping an edit. The test comes after this and speaks of
the pruned prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import answered_differences, inputs_of
from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.stats.paired import Comparison, compare_pairs
from promptrl.tasks.dataset import Example

CONFIDENCE = 0.9
"""Of the two-sided intervals; so the lower end is a bound of 95 %."""
MAX_LOSS = 0.1
"""The lower end of the interval must say that pruning costs at most this, and at most half of the winner's gain."""
SCREENING_SHARE = 0.7
"""Part of the calls for leaving out edits, at most; the rest confirms on more rows what they add up to."""
MIN_ROWS, ROWS_WANTED = 6, 40
SAME = 0.02
"""The score may be lower by so much on all rows together, as a row or two flip whenever words change."""
MIN_CONFIRMING_ROWS = 40
"""On fewer rows pruned prompts lost about a point (``benchmarks/pruning.py``)."""
LEAST_CALLS = 2 * MIN_ROWS + MIN_CONFIRMING_ROWS
"""Fewer can't prune even a winner of two edits."""
ROUNDING = 1e-9

SkipReason = Literal["single", "unasked", "unconfirmable", "needed", "refuted"]
"""Why a winner keeps its edits: without its only one it is the baseline; too few calls to leave each out on a few rows;
too few calls or rows to confirm that a shorter prompt scores the same; every edit is worth something, or its removal
saves nothing; the shorter prompt scored less in the end, or may score much less.
"""


@dataclass(frozen=True, slots=True)
class EditInWinner:
    """What one edit is worth in the winner, by leaving it out.

    Attributes:
        edit: Its number in the edit space.
        worth: The winner's score minus that of the winner without it, paired by row; negative = better without.
        is_pruned: Whether it was taken out.
        tokens: About how many tokens taking it out saves; negative when the prompt gets longer.
    """

    edit: int
    worth: Comparison
    is_pruned: bool
    tokens: float


@dataclass(frozen=True, slots=True)
class Pruning:
    """The winner after pruning.

    Attributes:
        prompt: It; the winner's own when nothing was pruned.
        edits: Every edit that could be left out, the most valuable first.
        change: Score of the pruned prompt minus the winner's, paired by row; None when nothing was pruned.
        tokens_before: About how many tokens the winner has.
        tokens_after: Likewise the pruned prompt.
        skip_reason: Why nothing was pruned; None when something was, or when the winner is the baseline.
    """

    prompt: Prompt
    edits: tuple[EditInWinner, ...]
    change: Comparison | None
    tokens_before: float
    tokens_after: float
    skip_reason: SkipReason | None = None


def unpruned(winner: Prompt, skip_reason: SkipReason | None = None) -> Pruning:
    """For a winner that nothing is asked about."""
    tokens = rough_tokens(winner.text)
    return Pruning(winner, (), None, tokens, tokens, skip_reason)


def calls_wanted(candidates: Sequence[Prompt], space: EditSpace) -> int:
    """Calls that pruning may want, whichever wins; none for a single edit, without which it is the baseline."""
    most = max((len(space.edits_of(prompt)) for prompt in candidates), default=0)
    return ROWS_WANTED * (most + 1) if most > 1 else 0


def prune_winner(
    winner: Prompt, space: EditSpace, rows: Sequence[Example], evaluator: Evaluate, *, max_calls: int
) -> Pruning:
    """Leave out each edit of the winner once, then prune those that do nothing.

    Args:
        winner: Who won on validation rows.
        space: Where its edits come from.
        rows: Validation rows; those that the winner and the baseline have answered are used first, for they cost less.
        evaluator: Answers; its "validation" share pays.
        max_calls: Most calls to spend.

    Returns:
        The winner as it was when the calls are too few for ``MIN_ROWS`` rows for each edit, or when the tokens,
        dollars or minutes of the budget end in the middle.

    Raises:
        TargetError: The model can't be asked any more.
    """
    try:
        return _prune_winner(winner, space, rows, evaluator, max_calls)
    except BudgetExhaustedError:
        return unpruned(winner, "unasked")


def _prune_winner(
    winner: Prompt, space: EditSpace, rows: Sequence[Example], evaluator: Evaluate, max_calls: int
) -> Pruning:
    without = leave_one_outs(winner, space)
    if not without:
        return unpruned(winner)
    bench = _Bench(winner, space.baseline, rows, evaluator, max_calls)
    shorter = list(without.values())
    can_confirm = len(space.edits_of(winner)) > 1 and bench.choose_rows(len(shorter))
    if not can_confirm and not bench.choose_all_rows(shorter):
        return unpruned(winner, "unasked")
    bench.ask(shorter)
    pruned, gone = _screened(winner, without, space, bench) if can_confirm else (winner, frozenset[int]())
    skip_reason = None if gone else _skip_reason(winner, without, space, bench, can_confirm=can_confirm)
    if can_confirm and not gone:
        bench.ask_more(shorter)
    worths = {edit: bench.compare(winner, prompt) for edit, prompt in without.items()}
    if gone and not bench.is_confirmed(pruned):
        pruned, gone, skip_reason = winner, frozenset(), "refuted"
    tokens = {edit: rough_tokens(winner.text) - rough_tokens(prompt.text) for edit, prompt in without.items()}
    edits = [
        EditInWinner(edit, worth, edit in gone, tokens[edit]) for edit, worth in worths.items() if worth is not None
    ]
    return Pruning(
        prompt=pruned,
        edits=tuple(sorted(edits, key=lambda found: -found.worth.difference)),
        change=bench.compare(pruned, winner) if gone else None,
        tokens_before=rough_tokens(winner.text),
        tokens_after=rough_tokens(pruned.text),
        skip_reason=skip_reason,
    )


def leave_one_outs(winner: Prompt, space: EditSpace) -> dict[int, Prompt]:
    """The prompts that single edits make of the winner and that lack just one of its edits, by that edit's number."""
    own = set(space.edits_of(winner))
    found: dict[int, Prompt] = {}
    for action, is_valid in enumerate(space.mask(winner)[:-1]):
        if is_valid:
            prompt = space.apply(winner, action)
            left = set(space.edits_of(prompt))
            if left < own and len(own - left) == 1:
                found.setdefault((own - left).pop(), prompt)
    return found


def _screened(
    winner: Prompt, without: dict[int, Prompt], space: EditSpace, bench: "_Bench"
) -> tuple[Prompt, frozenset[int]]:
    """Remove the edits without which nothing is lost: all at once, or else one after the other, as far as that goes."""
    idle = [edit for edit in without if bench.has_lost_nothing(without[edit])]
    idle.sort(key=lambda edit: rough_tokens(without[edit].text))
    together, gone = _shortened(winner, idle, space, lambda prompt: True)
    if not gone or (bench.is_affordable(together) and bench.has_lost_nothing(together)):
        return together, gone
    return _shortened(winner, idle, space, lambda p: bench.is_affordable(p) and bench.has_lost_nothing(p))


def _skip_reason(
    winner: Prompt, without: dict[int, Prompt], space: EditSpace, bench: "_Bench", *, can_confirm: bool
) -> SkipReason:
    """Why none of the edits that were left out is gone for good."""
    if len(space.edits_of(winner)) == 1:
        return "single"
    is_idle = any(
        rough_tokens(prompt.text) < rough_tokens(winner.text) and bench.has_lost_nothing(prompt)
        for prompt in without.values()
    )
    return "unconfirmable" if is_idle and not can_confirm else "needed"


def _shortened(
    winner: Prompt, edits: Sequence[int], space: EditSpace, is_good: Callable[[Prompt], bool]
) -> tuple[Prompt, frozenset[int]]:
    """The winner without the edits that make it shorter and leave it good, taken out in this order."""
    kept, gone = winner, frozenset[int]()
    for edit in edits:
        prompt = leave_one_outs(kept, space).get(edit)
        if prompt is not None and rough_tokens(prompt.text) < rough_tokens(kept.text) and is_good(prompt):
            kept, gone = prompt, gone | {edit}
    return kept, gone


class _Bench:
    """The rows on which the winner is tried with less, and the calls spent there."""

    def __init__(
        self, winner: Prompt, baseline: Prompt, rows: Sequence[Example], evaluator: Evaluate, max_calls: int
    ) -> None:
        self._winner = winner
        self._evaluator = evaluator
        self._max_calls = max_calls
        self._calls_used = 0
        ours, theirs = (
            {o.row_id: o.score for o in evaluator.outcomes if o.prompt_id == prompt.prompt_id}
            for prompt in (winner, baseline)
        )
        self._met = tuple(row for row in rows if row.id in ours and row.id in theirs)
        self._inputs = inputs_of(rows)
        self._order = (*self._met, *(row for row in rows if row.id not in ours or row.id not in theirs))
        gains = [ours[row.id] - theirs[row.id] for row in self._met]
        self._max_loss = min(MAX_LOSS, max(0.0, sum(gains) / len(gains) / 2 if gains else 0.0))
        self._rows: tuple[Example, ...] = ()
        self._answers: dict[tuple[str, str], Outcome] = {}

    @property
    def _calls_left(self) -> int:
        return min(self._max_calls - self._calls_used, self._evaluator.calls_left("validation"))

    def choose_rows(self, n_prompts: int) -> bool:
        """Take as many rows as the calls pay for, such that a shorter prompt can be confirmed; False when too few."""
        fresh = max(0, MIN_CONFIRMING_ROWS - len(self._met))
        kept_back = MIN_CONFIRMING_ROWS + fresh
        most = min(
            int(SCREENING_SHARE * self._calls_left) // (n_prompts + (n_prompts > 1)),
            (self._calls_left - kept_back) // n_prompts,
        )
        self._rows = self._met[: max(0, most)]
        return len(self._rows) >= MIN_ROWS and len(self._order) >= MIN_CONFIRMING_ROWS

    def choose_all_rows(self, prompts: Sequence[Prompt]) -> bool:
        """Take as many rows as the calls pay for when nothing is confirmed afterwards; False when too few."""
        self._rows = ()
        self._take_more(prompts, self._met)
        return len(self._rows) >= MIN_ROWS

    def ask(self, prompts: Sequence[Prompt]) -> None:
        """Answer the rows with the winner and with every prompt."""
        asks = [(prompt, row) for prompt in (self._winner, *prompts) for row in self._rows]
        self._calls_used += self._evaluator.would_cost(asks)
        outcomes = self._evaluator.evaluate(asks, purpose="validation")
        self._answers.update({(o.prompt_id, o.row_id): o for o in outcomes if o is not None})

    def ask_more(self, prompts: Sequence[Prompt]) -> None:
        """Answer as many more rows with every prompt as the calls left pay for."""
        self._take_more(prompts, self._met)
        self.ask(prompts)

    def _take_more(self, prompts: Sequence[Prompt], order: Sequence[Example]) -> None:
        """Add the next rows of an order that the calls left pay for, the winner's answers too."""
        calls, last = self._calls_left, len(self._rows)
        while last < len(order):
            calls -= self._evaluator.would_cost([(prompt, order[last]) for prompt in (self._winner, *prompts)])
            if calls < 0:
                break
            last += 1
        self._rows = tuple(order[:last])

    def is_affordable(self, prompt: Prompt) -> bool:
        """Whether the prompt is answered already, or the calls left pay for it."""
        return self._evaluator.would_cost([(prompt, row) for row in self._rows]) <= self._calls_left

    def has_lost_nothing(self, prompt: Prompt, tolerance: float = 0.0) -> bool:
        """Whether neither score nor objective of a shorter prompt is lower than the winner's on these rows."""
        if any((prompt.prompt_id, row.id) not in self._answers for row in self._rows):
            self.ask([prompt])
        pairs = self._pairs(prompt, self._winner)
        losses = [
            sum(getattr(second, figure) - getattr(first, figure) for first, second in pairs)
            for figure in ("score", "objective")
        ]
        return bool(pairs) and max(losses) <= tolerance * len(pairs) + ROUNDING

    def is_confirmed(self, prompt: Prompt) -> bool:
        """Whether the score is the same on all rows that the calls left pay for, and a large loss is ruled out."""
        self._take_more([prompt], self._order)
        self.ask([prompt])
        comparison = self.compare(prompt, self._winner)
        if comparison is None or comparison.rows < MIN_CONFIRMING_ROWS:
            return False
        if not self.has_lost_nothing(prompt, min(SAME, self._max_loss)):
            return False
        return comparison.low >= -self._max_loss

    def compare(self, first: Prompt, second: Prompt) -> Comparison | None:
        """The first prompt's score minus the second's on the rows; None when none has both."""
        pairs = answered_differences(self._outcomes(first), self._outcomes(second), self._inputs)
        return compare_pairs(pairs, CONFIDENCE) if pairs.answered.size else None

    def _pairs(self, first: Prompt, second: Prompt) -> list[tuple[Outcome, Outcome]]:
        both = zip(self._outcomes(first), self._outcomes(second), strict=True)
        return [(f, s) for f, s in both if f is not None and s is not None]

    def _outcomes(self, prompt: Prompt) -> list[Outcome | None]:
        """What a prompt answered on each row; None = nothing."""
        return [self._answers.get((prompt.prompt_id, row.id)) for row in self._rows]
