"""Proof on few rows: what a search finds is judged on the fold that comes next, until every fold but the first is used.

The claim is one about the way of finding prompts: what it found without having seen a fold was better there. The prompt
that is handed out was found in the same way from all rows, so no row is left that could judge this very prompt.
"""

from collections.abc import Callable, Sequence

from promptrl.analysis.statistics import folds_comparison
from promptrl.config import GateConfig
from promptrl.evaluating import side_by_side
from promptrl.evaluation import Evaluator, Outcome
from promptrl.prompts.prompt import Prompt
from promptrl.results import JudgedFold, Meeting, paired_scores
from promptrl.tasks.splits import Splits


def meet_fold_by_fold(
    folds: Sequence[Splits],
    find_winner: Callable[[Splits, Sequence[Prompt]], Prompt],
    evaluator: Evaluator,
    baseline: Prompt,
    gate: GateConfig,
) -> tuple[Meeting, list[JudgedFold]]:
    """Search and judge, fold by fold.

    Args:
        folds: Each with the rows to search on and the test rows to judge on.
        find_winner: Searches on train and validation rows, and is told the winners of earlier folds; called in order,
            before the fold's test rows are asked.
        evaluator: Answers; its "test" share pays for the judgements.
        baseline: What every winner meets.
        gate: Its confidence is that of the interval.

    Returns:
        All folds put together, and one by one.
    """
    outcomes: dict[str, list[Outcome | None]] = {"baseline": [], "winner": []}
    judged: list[JudgedFold] = []
    for fold in folds:
        prompts = {"baseline": baseline, "winner": find_winner(fold, earlier_winners(judged))}
        met = side_by_side(evaluator, prompts, fold.test, "test", gate.repeats)
        ours, theirs = paired_scores(met["winner"], met["baseline"])
        difference = (sum(ours) - sum(theirs)) / len(ours) if ours else 0.0
        judged.append(JudgedFold(prompts["winner"], len(ours), difference))
        for label, some in met.items():
            outcomes[label] += some
    ours, theirs = paired_scores(outcomes["winner"], outcomes["baseline"])
    return Meeting(outcomes, folds_comparison(ours, theirs, gate.confidence) if ours else None), judged


def earlier_winners(judged: Sequence[JudgedFold]) -> list[Prompt]:
    """The winners so far, the latest first: it was found on the most rows."""
    return [fold.prompt for fold in reversed(judged)]
