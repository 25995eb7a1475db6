"""Takes edits out of a winner again, one at a time: what is each worth there, and is it worth its tokens?

Every leave-one-out meets the winner on the same validation rows. An edit whose removal makes the prompt shorter and
costs nothing is pruned; each further removal is compared with the winner itself, so that small losses can't add up.
The rows are those on which the winner won, so they flatter it, and with it what its edits are worth: that errs on the
side of keeping an edit. The test comes after this and speaks of the pruned prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from promptrl.analysis.statistics import Comparison, paired_comparison
from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation import Evaluator, Outcome
from promptrl.prompts.edits import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

CONFIDENCE = 0.9
"""Of the two-sided intervals; so the lower end is a bound of 95 %."""
MAX_LOSS = 0.1
"""What the lower end of the interval may say of a removal: at most so much worse, and at most half of the gain."""
MIN_ROWS = 12
ROUNDING = 1e-9


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
    """

    prompt: Prompt
    edits: tuple[EditInWinner, ...]
    change: Comparison | None
    tokens_before: float
    tokens_after: float


def unpruned(winner: Prompt) -> Pruning:
    """For a winner that nothing is asked about."""
    tokens = rough_tokens(winner.text)
    return Pruning(winner, (), None, tokens, tokens)


def prune_winner(
    winner: Prompt, space: EditSpace, rows: Sequence[Example], evaluator: Evaluator, *, max_calls: int
) -> Pruning:
    """Leave out each edit of the winner once, then prune those that do nothing.

    Args:
        winner: Who won on validation rows.
        space: Where its edits come from.
        rows: Validation rows; those that the winner and the baseline have answered are used, for they cost less.
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
        return unpruned(winner)


def _prune_winner(
    winner: Prompt, space: EditSpace, rows: Sequence[Example], evaluator: Evaluator, max_calls: int
) -> Pruning:
    without = leave_one_outs(winner, space)
    bench = _Bench(winner, space.baseline, rows, evaluator, max_calls)
    if not without or not bench.choose_rows(list(without.values())):
        return unpruned(winner)
    bench.ask(list(without.values()))
    worths = {edit: bench.compare(winner, prompt) for edit, prompt in without.items()}
    pruned, gone = _prune(winner, without, space, bench)
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


def _prune(
    winner: Prompt, without: dict[int, Prompt], space: EditSpace, bench: "_Bench"
) -> tuple[Prompt, frozenset[int]]:
    """Remove edits one after the other, those first that seem to hurt most, as long as nothing is lost."""

    def order(edit: int) -> tuple[float, float]:
        comparison = bench.compare(without[edit], winner)
        return -(comparison.difference if comparison else -1.0), rough_tokens(without[edit].text)

    kept, gone = winner, frozenset[int]()
    for edit in sorted(without, key=order):
        prompt = leave_one_outs(kept, space).get(edit)
        if prompt is None or rough_tokens(prompt.text) >= rough_tokens(kept.text):
            continue
        if bench.is_affordable(prompt) and bench.is_no_worse(prompt):
            kept, gone = prompt, gone | {edit}
    return kept, gone


class _Bench:
    """The rows on which the winner is tried with less, and the calls spent there."""

    def __init__(
        self, winner: Prompt, baseline: Prompt, rows: Sequence[Example], evaluator: Evaluator, max_calls: int
    ) -> None:
        self._winner = winner
        self._evaluator = evaluator
        self._calls_left = max_calls
        answered = {
            prompt.prompt_id: {o.row_id: o for o in evaluator.outcomes if o.prompt_id == prompt.prompt_id}
            for prompt in (winner, baseline)
        }
        ours, theirs = answered[winner.prompt_id], answered[baseline.prompt_id]
        self._rows = tuple(row for row in rows if row.id in ours and row.id in theirs)
        pairs = [(ours[row.id].score, theirs[row.id].score) for row in self._rows]
        gain = sum(our - their for our, their in pairs) / len(pairs) if pairs else 0.0
        self._max_loss = min(MAX_LOSS, max(0.0, gain / 2))
        self._answers: dict[str, list[Outcome | None]] = {}

    def choose_rows(self, prompts: Sequence[Prompt]) -> bool:
        """Keep as many rows as the calls pay for, one prompt more to try removals together; False when too few."""
        self._rows = self._rows[: self._calls_left // (len(prompts) + (len(prompts) > 1))]
        return len(self._rows) >= MIN_ROWS

    def ask(self, prompts: Sequence[Prompt]) -> None:
        """Answer the rows with every prompt."""
        asks = [(prompt, row) for prompt in (self._winner, *prompts) for row in self._rows]
        self._calls_left -= self._evaluator.would_cost(asks)
        outcomes = iter(self._evaluator.evaluate(asks, purpose="validation"))
        for prompt in (self._winner, *prompts):
            self._answers[prompt.prompt_id] = [next(outcomes) for _ in self._rows]

    def is_affordable(self, prompt: Prompt) -> bool:
        """Whether the prompt is answered already, or the calls left pay for it."""
        cost = self._evaluator.would_cost([(prompt, row) for row in self._rows])
        return cost <= self._calls_left

    def is_no_worse(self, prompt: Prompt) -> bool:
        """Whether a shorter prompt loses nothing on these rows, and by its interval can't lose much."""
        if prompt.prompt_id not in self._answers:
            self.ask([prompt])
        pairs = self._pairs(prompt, self._winner)
        comparison = self.compare(prompt, self._winner)
        if comparison is None or sum(first.objective - second.objective for first, second in pairs) < -ROUNDING:
            return False
        return comparison.difference >= -ROUNDING and comparison.low >= -self._max_loss

    def compare(self, first: Prompt, second: Prompt) -> Comparison | None:
        """The first prompt's score minus the second's; None without a row that both answered."""
        pairs = self._pairs(first, second)
        if not pairs:
            return None
        return paired_comparison([f.score for f, _ in pairs], [s.score for _, s in pairs], CONFIDENCE)

    def _pairs(self, first: Prompt, second: Prompt) -> list[tuple[Outcome, Outcome]]:
        both = zip(self._answers[first.prompt_id], self._answers[second.prompt_id], strict=True)
        return [(f, s) for f, s in both if f is not None and s is not None]
