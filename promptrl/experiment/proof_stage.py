"""Proves a winner on rows that its search never saw: on test rows, or fold by fold where rows are few.

With folds the claim is one about the way of finding prompts: what it found without having seen a fold was better there.
The prompt that is handed out was found in the same way from all rows, so no row is left that could judge this very
prompt.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import inputs_of, paired_differences_of, rows_by_input
from promptrl.llm.base import Purpose
from promptrl.prompts.prompt import Prompt
from promptrl.runs.result import JudgedFold, PairedComparison
from promptrl.stats.gate import Gate
from promptrl.stats.paired import compare_pairs
from promptrl.stats.sequential import SequentialComparison, SequentialStopReason
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits

LEAST_LOOKS = 10
"""Of a sequential gate: a target that takes all rows at once would otherwise be asked them all before the first."""


CLEAR: Collection[SequentialStopReason] = ("improved", "worse", "same")
"""What holds whatever the missing answers are."""


PaidRows = Callable[[Iterable[Prompt], Splits, Sequence[Splits]], Sequence[Example]]
"""Chooses test rows to judge prompts on, given the prompts, the fold, and the folds that come later."""


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
    outcomes = _asked_until_answered(evaluator, prompts, rows, purpose, gate.repeats)
    pairs = paired_differences_of(outcomes["winner"], outcomes["baseline"], inputs_of(rows), gate.repeats)
    comparison = compare_pairs(pairs, gate.confidence) if pairs.answered.size else None
    return PairedComparison.of(outcomes, pairs, comparison)


def _compare_until_clear(
    evaluator: Evaluate,
    prompts: Mapping[str, Prompt],
    rows: Sequence[Example],
    purpose: Purpose,
    gate: Gate,
    look_rows: int,
) -> PairedComparison:
    inputs = inputs_of(rows)
    parts = rows_by_input(rows, inputs)
    race = SequentialComparison(len(parts), gate.confidence, min_improvement=gate.min_improvement, margin=gate.margin)
    outcomes: dict[str, list[Outcome | None]] = {label: [] for label in prompts}
    step = min(look_rows, max(1, len(parts) // LEAST_LOOKS))
    seen: list[Example] = []
    stop: SequentialStopReason | None = None
    for last in range(step, len(parts) + step, step):
        new = [rows[at] for part in parts[last - step : last] for at in part]
        for label, answers in side_by_side(evaluator, prompts, new, purpose, gate.repeats).items():
            outcomes[label] += answers
        seen += new
        known = {row.id: inputs[row.id] for row in seen}
        pairs = paired_differences_of(outcomes["winner"], outcomes["baseline"], known, gate.repeats)
        stop = race.look(pairs) if pairs.answered.size else None
        if stop:
            break
    if not pairs.is_complete and stop not in CLEAR:
        outcomes = _asked_until_answered(evaluator, prompts, seen, purpose, gate.repeats)
        pairs = paired_differences_of(outcomes["winner"], outcomes["baseline"], known, gate.repeats)
        stop = (race.look(pairs) or stop) if pairs.answered.size else None
    sequential = race.result(stop or "rows")
    spared = 2 * gate.repeats * (len(rows) - len(seen))
    comparison = sequential.comparison if sequential else None
    return PairedComparison.of(outcomes, pairs, comparison, sequential, spared)


def _asked_until_answered(
    evaluator: Evaluate, prompts: Mapping[str, Prompt], rows: Sequence[Example], purpose: Purpose, repeats: int
) -> dict[str, list[Outcome | None]]:
    """Outcomes of several prompts; what a fault of transport kept back is asked once more, when all else is in."""
    outcomes = side_by_side(evaluator, prompts, rows, purpose, repeats)
    if all(None not in answers for answers in outcomes.values()):
        return outcomes
    try:
        return side_by_side(evaluator, prompts, rows, purpose, repeats)
    except BudgetExhaustedError:  # what is missing then counts as the worst that it can be
        return outcomes


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
    paid_rows: PaidRows = lambda prompts, fold, later: fold.test,
) -> tuple[PairedComparison, list[JudgedFold]]:
    """Search and judge, fold by fold.

    Args:
        folds: Each with the rows to search on and the test rows to judge on.
        find_winner: Searches on train and validation rows, given the winners of earlier folds; called in order,
            before the fold's test rows are asked.
        evaluator: Answers; its "test" share pays for the judgements.
        baseline: What every winner is compared with.
        gate: Its confidence is that of the interval.
        paid_rows: Which test rows of a fold can be paid for; called before any of them is asked.

    Returns:
        All folds put together, and one by one.
    """
    outcomes: dict[str, list[Outcome | None]] = {"baseline": [], "winner": []}
    judged: list[JudgedFold] = []
    asked: list[Example] = []
    for number, fold in enumerate(folds, start=1):
        prompts = {"baseline": baseline, "winner": find_winner(fold, earlier_winners(judged))}
        paid = paid_rows(prompts.values(), fold, folds[number:])
        answers = _asked_until_answered(evaluator, prompts, paid, "test", gate.repeats)
        found = paired_differences_of(answers["winner"], answers["baseline"], inputs_of(paid), gate.repeats)
        asked += paid
        rows = found.answered.size
        judged.append(JudgedFold(prompts["winner"], rows, float(found.answered.mean()) if rows else 0.0))
        for label, some in answers.items():
            outcomes[label] += some
    pairs = paired_differences_of(outcomes["winner"], outcomes["baseline"], inputs_of(asked), gate.repeats)
    comparison = compare_pairs(pairs, gate.confidence, by_folds=True) if pairs.answered.size else None
    unpaid = sum(len(fold.test) for fold in folds) - len(asked)
    return replace(PairedComparison.of(outcomes, pairs, comparison), unpaid_rows=unpaid), judged


def earlier_winners(judged: Sequence[JudgedFold]) -> list[Prompt]:
    """The winners so far, the latest first: it was found on the most rows."""
    return [fold.prompt for fold in reversed(judged)]
