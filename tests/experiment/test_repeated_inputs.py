"""Inputs that come again prove no more than one, and answers that never come prove nothing."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from benchmarks.repeated_inputs import PROMPTS, ROWS, LossyEvaluator, equal_scores, is_promoted
from promptrl.evaluation.outcome import Ask, Outcome
from promptrl.experiment.proof_stage import compare_prompts, validate_progressively
from promptrl.llm.base import Purpose
from promptrl.report.wording import shortfalls
from promptrl.runs.result import decide_verdict, measured
from promptrl.stats.gate import Gate
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits

KINDS = list(product((1, 5), (False, True), (False, True)))


@pytest.mark.parametrize(("times", "is_graded", "is_sequential"), KINDS)
def test_equal_prompts_are_seldom_promoted_on_repeated_inputs(times: int, is_graded: bool, is_sequential: bool) -> None:
    """Also where five of the winner's answers are missing on the rows that it got wrong."""
    for missing in (0, 5):
        rng = np.random.default_rng(1)
        gate = Gate(is_sequential=is_sequential)
        promoted = sum(
            is_promoted(equal_scores(times, is_graded=is_graded, rng=rng), times, missing, gate) for _ in range(40)
        )
        assert promoted <= 4


@pytest.mark.parametrize("is_sequential", [False, True])
def test_rows_of_one_input_are_one(is_sequential: bool) -> None:
    """In fixed and in sequential tests; no look divides an input."""
    scores = np.stack((np.zeros(ROWS), np.ones(ROWS)))
    rows = [Example(str(i), {"x": str(i // 5)}, None, {}) for i in range(ROWS)]
    paired = compare_prompts(
        LossyEvaluator(scores, frozenset()), PROMPTS, rows, "test", Gate(is_sequential=is_sequential), look_rows=3
    )
    assert paired.comparison is not None
    assert 5 * paired.comparison.rows == len(paired.outcomes["winner"])
    assert paired.comparison.rows < 20 if is_sequential else paired.comparison.rows == 20


def test_folds_count_inputs_too() -> None:
    """Ten rows of two inputs are two pieces of evidence in each fold."""
    scores = np.stack((np.zeros(ROWS), np.ones(ROWS)))
    rows = tuple(Example(str(i), {"x": str(i // 5)}, None, {}) for i in range(20))
    folds = [Splits((), (), rows[:10]), Splits((), (), rows[10:])]
    paired, judged = validate_progressively(
        folds, lambda fold, earlier: PROMPTS["winner"], LossyEvaluator(scores, frozenset()), PROMPTS["baseline"], Gate()
    )
    assert [fold.rows for fold in judged] == [2, 2]
    assert paired.comparison is not None
    assert paired.comparison.rows == 4


def _rows() -> list[Example]:
    return [Example(str(i), {"x": str(i)}, None, {}) for i in range(ROWS)]


@pytest.mark.parametrize("is_sequential", [False, True])
def test_missing_answers_count_against_the_claim_and_are_told(is_sequential: bool) -> None:
    """An improvement on the rows that were answered is none when those that were not could undo it."""
    gate = Gate(is_sequential=is_sequential)
    scores = np.zeros((2, ROWS))
    scores[1, ::7], scores[0, 60:68] = 1, 1
    lost = frozenset(range(60, 68))
    paired = compare_prompts(LossyEvaluator(scores, lost), PROMPTS, _rows()[::-1], "test", gate, look_rows=8)
    entry = measured(paired, gate)
    assert decide_verdict(paired.comparison, gate, is_same_prompt=False) == "inconclusive"
    assert entry is not None
    assert entry["missing"] == {"winner": 8, "baseline": 0, "verdict_without": "improved"}
    assert "8 of the new prompt, 0 of the baseline" in shortfalls(entry)


@pytest.mark.parametrize("is_sequential", [False, True])
def test_what_is_missing_is_asked_again_at_the_end(is_sequential: bool) -> None:
    """A fault that passed leaves no gap."""

    class Recovering(LossyEvaluator):
        def evaluate(
            self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
        ) -> list[Outcome | None]:
            found = super().evaluate(asks, purpose, repeat, uniform)
            self._lost -= {int(row.id) for _, row in asks}
            return found

    scores = np.tile(np.arange(ROWS) % 2 * 1.0, (2, 1))
    gate = Gate(is_sequential=is_sequential)
    paired = compare_prompts(Recovering(scores, frozenset(range(5))), PROMPTS, _rows(), "test", gate, look_rows=100)
    assert paired.missing == {"winner": 0, "baseline": 0}
    assert None not in paired.outcomes["winner"]
