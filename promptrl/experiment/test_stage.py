"""Proves a winner on rows that its search never saw: on test rows, or fold by fold where rows are few.

With folds the claim is one about the way of finding prompts: what it found without having seen a fold was better there.
The prompt that is handed out was found in the same way from all rows, so no row is left that could judge this very
prompt.
"""

from collections.abc import Callable, Mapping, Sequence

from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Purpose
from promptrl.prompts.prompt import Prompt
from promptrl.runs.result import (
    JudgedFold,
    PairedComparison,
    compare_outcomes,
    paired_scores,
)
from promptrl.stats.gate import Gate
from promptrl.stats.paired import folds_comparison
from promptrl.stats.sequential import SequentialComparison, SequentialStopReason
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits

LEAST_LOOKS = 10
"""Of a sequential gate: a target that takes all rows at once would otherwise be asked them all before the first."""


def compare_prompts(
    evaluator: Evaluate,
    prompts: Mapping[str, Prompt],
    rows: Sequence[Example],
    purpose: Purpose,
    gate: Gate,
    look_rows: int,
) -> PairedComparison:
    """Compare "winner" with "baseline" on held-out rows: on all of them at once, or until the answer is clear.

    Args:
        evaluator: Answers.
        prompts: The two.
        rows: In random order, so that any first of them are a fair sample.
        purpose: The share of the budget that pays.
        gate: When a difference counts.
        look_rows: Rows asked between two looks of a sequential gate; fewer where that makes too few looks.
    """
    if gate.is_sequential:
        return _compare_until_clear(evaluator, prompts, rows, purpose, gate, look_rows)
    outcomes = side_by_side(evaluator, prompts, rows, purpose, gate.repeats)
    return PairedComparison(outcomes, compare_outcomes(outcomes["winner"], outcomes["baseline"], gate))


def _compare_until_clear(
    evaluator: Evaluate,
    prompts: Mapping[str, Prompt],
    rows: Sequence[Example],
    purpose: Purpose,
    gate: Gate,
    look_rows: int,
) -> PairedComparison:
    race = SequentialComparison(len(rows), gate.confidence, min_improvement=gate.min_improvement, margin=gate.margin)
    outcomes: dict[str, list[Outcome | None]] = {label: [] for label in prompts}
    stop: SequentialStopReason | None = None
    step = min(look_rows, max(1, len(rows) // LEAST_LOOKS))
    for first in range(0, len(rows), step):
        batch = side_by_side(evaluator, prompts, rows[first : first + step], purpose, gate.repeats)
        for label, answers in batch.items():
            outcomes[label] += answers
        ours, theirs = paired_scores(batch["winner"], batch["baseline"])
        stop = race.look(ours, theirs) if ours else None
        if stop:
            break
    sequential = race.result(stop or "rows")
    spared = 2 * (len(rows) * gate.repeats - len(outcomes["winner"]))
    return PairedComparison(outcomes, sequential.comparison if sequential else None, sequential, spared)


def side_by_side(
    evaluator: Evaluate, prompts: Mapping[str, Prompt], rows: Sequence[Example], purpose: Purpose, repeats: int = 1
) -> dict[str, list[Outcome | None]]:
    """Outcomes of several prompts on the same rows, all of them ``repeats`` times; each time is one batch."""
    asks = [(prompt, row) for prompt in prompts.values() for row in rows]
    outcomes: dict[str, list[Outcome | None]] = {label: [] for label in prompts}
    for repeat in range(repeats):
        answers = evaluator.evaluate(asks, purpose, repeat)
        for i, label in enumerate(prompts):
            outcomes[label] += answers[i * len(rows) : (i + 1) * len(rows)]
    return outcomes


def validate_progressively(
    folds: Sequence[Splits],
    find_winner: Callable[[Splits, Sequence[Prompt]], Prompt],
    evaluator: Evaluate,
    baseline: Prompt,
    gate: Gate,
) -> tuple[PairedComparison, list[JudgedFold]]:
    """Search and judge, fold by fold.

    Args:
        folds: Each with the rows to search on and the test rows to judge on.
        find_winner: Searches on train and validation rows, given the winners of earlier folds; called in order,
            before the fold's test rows are asked.
        evaluator: Answers; its "test" share pays for the judgements.
        baseline: What every winner is compared with.
        gate: Its confidence is that of the interval.

    Returns:
        All folds put together, and one by one.
    """
    outcomes: dict[str, list[Outcome | None]] = {"baseline": [], "winner": []}
    judged: list[JudgedFold] = []
    for fold in folds:
        prompts = {"baseline": baseline, "winner": find_winner(fold, earlier_winners(judged))}
        answers = side_by_side(evaluator, prompts, fold.test, "test", gate.repeats)
        ours, theirs = paired_scores(answers["winner"], answers["baseline"])
        difference = (sum(ours) - sum(theirs)) / len(ours) if ours else 0.0
        judged.append(JudgedFold(prompts["winner"], len(ours), difference))
        for label, some in answers.items():
            outcomes[label] += some
    ours, theirs = paired_scores(outcomes["winner"], outcomes["baseline"])
    return PairedComparison(outcomes, folds_comparison(ours, theirs, gate.confidence) if ours else None), judged


def earlier_winners(judged: Sequence[JudgedFold]) -> list[Prompt]:
    """The winners so far, the latest first: it was found on the most rows."""
    return [fold.prompt for fold in reversed(judged)]
