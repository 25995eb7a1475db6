"""Takes edits out of a winner again, one at a time: the winner is to be the smallest change that keeps the score.

Every leave-one-out is compared with the winner on the same validation rows, and what these rows show is weighed with
what the search believes of both prompts, by their precision. An edit stays where it is likely to be worth something;
else the user's own words come back, be they longer or shorter. Edits that seem to do nothing are undone together, so
that small losses can't add up: the prompt without them is compared with the winner itself, on more rows, and replaces
it only if it scores the same on all of them. Where the calls can't pay for that, no edit is undone, and all of them go
into saying what each is worth. Rows on which the winner won come first, for there it has answered already; they flatter
it, and with it what its edits are worth: that errs on the side of keeping an edit. The test comes after this and speaks
of the prompt that is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import answered_differences, inputs_of
from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.posterior import CAUTION
from promptrl.selection.leave_one_out import leave_one_outs
from promptrl.stats.paired import Comparison, compare_pairs
from promptrl.stats.pairs import error_of_mean
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
BOUND = 1.645
"""So many standard deviations above the mean lies the bound of 95 %."""
PROOF = 0.85
"""An edit stays when it is worth so many standard deviations: it is worth something with a probability of .8."""
ROUNDING = 1e-9

Floats = npt.NDArray[np.float64]
Gain = Callable[[Prompt, Prompt], tuple[float, float]]
"""What is believed of two prompts: by how much the first has the higher objective, and the standard deviation of that.
"""

SkipReason = Literal["single", "unasked", "unconfirmable", "needed", "refuted"]
"""Why a winner keeps its edits: without its only one it is the baseline; too few calls to leave each out on a few rows;
too few calls or rows to confirm that a prompt with less of them scores the same; every edit is worth something; the
prompt with less of them scored less in the end, or may score much less.
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
    winner: Prompt,
    space: EditSpace,
    rows: Sequence[Example],
    evaluator: Evaluate,
    *,
    max_calls: int,
    gain: Gain | None = None,
) -> Pruning:
    """Leave out each edit of the winner once, then undo those that do nothing.

    Args:
        winner: Who won on validation rows.
        space: Where its edits come from.
        rows: Validation rows; those that the winner has answered are used first, for they cost less.
        evaluator: Answers; its "validation" share pays.
        max_calls: Most calls to spend.
        gain: What the search believes of two prompts; None = nothing.

    Returns:
        The winner as it was when the calls are too few for ``MIN_ROWS`` rows for each edit, or when the tokens,
        dollars or minutes of the budget end in the middle.

    Raises:
        TargetError: The model can't be asked any more.
    """
    try:
        return _prune_winner(winner, space, _Bench(winner, space.baseline, rows, evaluator, max_calls, gain))
    except BudgetExhaustedError:
        return unpruned(winner, "unasked")


def _prune_winner(winner: Prompt, space: EditSpace, bench: "_Bench") -> Pruning:
    without = leave_one_outs(winner, space)
    if not without:
        return unpruned(winner)
    others = list(without.values())
    can_confirm = len(space.edits_of(winner)) > 1 and bench.choose_rows(len(others))
    if not can_confirm and not bench.choose_all_rows(others):
        return unpruned(winner, "unasked")
    bench.ask(others)
    pruned, gone = _screened(winner, without, space, bench) if can_confirm else (winner, frozenset[int]())
    skip_reason = None if gone else _skip_reason(winner, without, space, bench, can_confirm=can_confirm)
    if can_confirm and not gone:
        bench.ask_more(others)
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


def _screened(
    winner: Prompt, without: dict[int, Prompt], space: EditSpace, bench: "_Bench"
) -> tuple[Prompt, frozenset[int]]:
    """Undo the edits that are worth nothing: all at once, or else one after the other, as far as that goes.

    Then those that could not be undone before others were.
    """

    def is_good(prompt: Prompt) -> bool:
        return bench.is_affordable(prompt) and bench.is_as_good(prompt)

    idle = [edit for edit in without if bench.is_as_good(without[edit])]
    idle.sort(key=lambda edit: bench.lead_over(without[edit]))
    kept, gone = _undone(winner, idle, space, lambda prompt: True)
    if gone and not is_good(kept):
        kept, gone = _undone(winner, idle, space, is_good)
    later = [edit for edit in leave_one_outs(kept, space) if edit not in without] if gone else []
    kept, further = _undone(kept, later, space, is_good)
    return kept, gone | further


def _skip_reason(
    winner: Prompt, without: dict[int, Prompt], space: EditSpace, bench: "_Bench", *, can_confirm: bool
) -> SkipReason:
    """Why none of the edits that were left out is gone for good."""
    if len(space.edits_of(winner)) == 1:
        return "single"
    is_idle = any(bench.is_as_good(prompt) for prompt in without.values())
    return "unconfirmable" if is_idle and not can_confirm else "needed"


def _undone(
    winner: Prompt, edits: Sequence[int], space: EditSpace, is_good: Callable[[Prompt], bool]
) -> tuple[Prompt, frozenset[int]]:
    """The winner without the edits that it is good without, taken out in this order."""
    kept, gone = winner, frozenset[int]()
    for edit in edits:
        prompt = leave_one_outs(kept, space).get(edit)
        if prompt is not None and is_good(prompt):
            kept, gone = prompt, gone | {edit}
    return kept, gone


def _lead(differences: Floats, belief: tuple[float, float] | None) -> tuple[float, float]:
    """Mean and deviation of a difference, what rows show and what is believed weighed by precision.

    Conjugate normal (Gelman et al. 2013, 2.5).

    Args:
        differences: By row, at least one.
        belief: Mean and deviation.
    """
    mean, variance = float(differences.mean()), error_of_mean(differences) ** 2
    if belief is None:
        return mean, variance**0.5
    believed, of_belief = belief[0], max(belief[1], ROUNDING) ** 2
    share = of_belief / (of_belief + variance)
    return share * mean + (1 - share) * believed, (share * variance) ** 0.5


class _Bench:
    """The rows on which the winner is tried with less, and the calls spent there."""

    def __init__(
        self,
        winner: Prompt,
        baseline: Prompt,
        rows: Sequence[Example],
        evaluator: Evaluate,
        max_calls: int,
        gain: Gain | None,
    ) -> None:
        self._winner = winner
        self._gain = gain
        self._evaluator = evaluator
        self._max_calls = max_calls
        self._calls_used = 0
        ours, theirs = (
            {o.row_id: o.score for o in evaluator.outcomes if o.prompt_id == prompt.prompt_id}
            for prompt in (winner, baseline)
        )
        self._inputs = inputs_of(rows)
        self._order = tuple(sorted(rows, key=lambda row: (row.id not in ours, row.id not in theirs)))
        self._n_met = sum(row.id in ours for row in rows)
        gains = [ours[row.id] - theirs[row.id] for row in rows if row.id in ours and row.id in theirs]
        self._max_loss = min(MAX_LOSS, max(0.0, self._gain_over(baseline, gains) / 2))
        self._rows: tuple[Example, ...] = ()
        self._answers: dict[tuple[str, str], Outcome] = {}

    def _gain_over(self, baseline: Prompt, gains: Sequence[float]) -> float:
        """What the winner has above the baseline: by rows, or where the finals asked both on few, as is believed."""
        if len(gains) < MIN_ROWS and self._gain is not None:
            return self._gain(self._winner, baseline)[0]
        return sum(gains) / len(gains) if gains else 0.0

    @property
    def _calls_left(self) -> int:
        return min(self._max_calls - self._calls_used, self._evaluator.calls_left("validation"))

    def choose_rows(self, n_prompts: int) -> bool:
        """Take as many rows as the calls pay for, such that a shorter prompt can be confirmed; False when too few."""
        fresh = max(0, MIN_CONFIRMING_ROWS - self._n_met)
        kept_back = MIN_CONFIRMING_ROWS + fresh
        most = min(
            int(SCREENING_SHARE * self._calls_left) // (n_prompts + (n_prompts > 1)),
            (self._calls_left - kept_back) // n_prompts,
        )
        self._rows = self._order[: max(0, most)]
        return len(self._rows) >= MIN_ROWS and len(self._order) >= MIN_CONFIRMING_ROWS

    def choose_all_rows(self, prompts: Sequence[Prompt]) -> bool:
        """Take as many rows as the calls pay for when nothing is confirmed afterwards; False when too few."""
        self._rows = ()
        self._take_more(prompts)
        return len(self._rows) >= MIN_ROWS

    def ask(self, prompts: Sequence[Prompt]) -> None:
        """Answer the rows with the winner and with every prompt."""
        asks = [(prompt, row) for prompt in (self._winner, *prompts) for row in self._rows]
        self._calls_used += self._evaluator.would_cost(asks)
        outcomes = self._evaluator.evaluate(asks, purpose="validation")
        self._answers.update({(o.prompt_id, o.row_id): o for o in outcomes if o is not None})

    def ask_more(self, prompts: Sequence[Prompt]) -> None:
        """Answer as many more rows with every prompt as the calls left pay for."""
        self._take_more(prompts)
        self.ask(prompts)

    def _take_more(self, prompts: Sequence[Prompt]) -> None:
        """Add the next rows that the calls left pay for, the winner's answers too."""
        calls, last = self._calls_left, len(self._rows)
        while last < len(self._order):
            calls -= self._evaluator.would_cost([(prompt, self._order[last]) for prompt in (self._winner, *prompts)])
            if calls < 0:
                break
            last += 1
        self._rows = self._order[:last]

    def is_affordable(self, prompt: Prompt) -> bool:
        """Whether the prompt is answered already, or the calls left pay for it."""
        return self._evaluator.would_cost([(prompt, row) for row in self._rows]) <= self._calls_left

    def is_as_good(self, prompt: Prompt) -> bool:
        """Whether the winner is not known to be better than a prompt with less, by score or by objective."""
        if any((prompt.prompt_id, row.id) not in self._answers for row in self._rows):
            self.ask([prompt])
        return bool(self._pairs(prompt)) and max(mean - PROOF * sd for mean, sd in self._leads(prompt)) <= ROUNDING

    def lead_over(self, prompt: Prompt) -> float:
        """By how much the winner is probably better than a prompt with less."""
        return max(mean for mean, _ in self._leads(prompt))

    def _leads(self, prompt: Prompt) -> list[tuple[float, float]]:
        """The winner's lead in objective and in score, with deviations.

        The search's belief is of the objective; it speaks of the score too where the two are one.
        """
        objectives, scores = self._losses(prompt)
        belief = None
        if self._gain is not None:
            mean, sd = self._gain(self._winner, prompt)
            belief = mean, CAUTION * sd
        return [_lead(objectives, belief), _lead(scores, belief if np.allclose(scores, objectives) else None)]

    def _losses(self, prompt: Prompt) -> tuple[Floats, Floats]:
        """What the winner has above a prompt, row by row: of the objective, and of the score."""
        pairs = self._pairs(prompt)
        return (
            np.array([winner.objective - other.objective for other, winner in pairs]),
            np.array([winner.score - other.score for other, winner in pairs]),
        )

    def is_confirmed(self, prompt: Prompt) -> bool:
        """Whether the score is the same on all rows that the calls left pay for, and a large loss is ruled out.

        A large loss is ruled out by these rows alone, or together with what the search believes.
        """
        self._take_more([prompt])
        self.ask([prompt])
        comparison = self.compare(prompt, self._winner)
        if comparison is None or comparison.rows < MIN_CONFIRMING_ROWS:
            return False
        is_same = max(losses.mean() for losses in self._losses(prompt)) <= min(SAME, self._max_loss) + ROUNDING
        if not is_same or comparison.high < 0:
            return False
        largest = max(mean + BOUND * sd for mean, sd in self._leads(prompt))
        return comparison.low >= -self._max_loss or (self._gain is not None and largest <= self._max_loss)

    def compare(self, first: Prompt, second: Prompt) -> Comparison | None:
        """The first prompt's score minus the second's on the rows; None when none has both."""
        pairs = answered_differences(self._outcomes(first), self._outcomes(second), self._inputs)
        return compare_pairs(pairs, CONFIDENCE) if pairs.answered.size else None

    def _pairs(self, prompt: Prompt) -> list[tuple[Outcome, Outcome]]:
        """Its answers and the winner's, on the rows that have both."""
        both = zip(self._outcomes(prompt), self._outcomes(self._winner), strict=True)
        return [(other, winner) for other, winner in both if other is not None and winner is not None]

    def _outcomes(self, prompt: Prompt) -> list[Outcome | None]:
        """What a prompt answered on each row; None = nothing."""
        return [self._answers.get((prompt.prompt_id, row.id)) for row in self._rows]
