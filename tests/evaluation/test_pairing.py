"""Inputs are the unit of evidence, whatever was asked of each, and missing answers are held against every claim."""

import numpy as np
import pytest

from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import answered_differences, inputs_of, paired_differences_of, scores_by_input
from promptrl.llm.base import Completion
from promptrl.stats.paired import compare_pairs
from promptrl.tasks.dataset import Example


def outcomes(*answers: tuple[str, float]) -> list[Outcome]:
    """Outcomes by row and score."""
    return [Outcome("p", row, i, "test", Completion(""), {}, score, score) for i, (row, score) in enumerate(answers)]


def test_answers_to_one_input_count_as_one() -> None:
    """The mean of its rows, each the mean of its answers, in the order of the rows."""
    answers = outcomes(("b", 1.0), ("a", 0.0), ("b", 0.0), ("b", 0.5), ("b2", 0.0))
    assert scores_by_input([None, *answers], {}) == {"b": 0.5, "a": 0.0, "b2": 0.0}
    assert scores_by_input([None, *answers], {"b": "B", "b2": "B"}) == {"B": 0.25, "a": 0.0}


def test_rows_are_one_input_but_for_case_width_and_spacing() -> None:
    """As splits have it, so that what can't be divided is not counted twice either."""
    rows = [Example(str(i), {"input": text}, None, {}) for i, text in enumerate(("Yes  please", "yes please", "no"))]
    assert len(set(inputs_of(rows).values())) == 2


def test_rows_that_either_lacks_are_left_out() -> None:
    """Pairs are made by row, not by place."""
    ours = [None, *outcomes(("b", 1.0), ("c", 1.0), ("d", 1.0))]
    theirs = [*outcomes(("a", 0.0)), None, *outcomes(("d", 0.0), ("c", 1.0))]
    assert answered_differences(ours, theirs, {}).answered.tolist() == [0.0, 1.0]
    assert not answered_differences(ours, [None], {}).answered.size


def test_each_missing_answer_is_the_worst_for_either_claim() -> None:
    """The winner's counts 0 and the baseline's 1 against "improved", the other way about against "worse"."""
    ours, theirs = [*outcomes(("a", 1.0), ("b", 1.0)), None], [*outcomes(("a", 0.0)), None, *outcomes(("c", 0.5))]
    pairs = paired_differences_of(ours, theirs, {name: name for name in "abc"})
    assert pairs.missing == (1, 1)
    assert pairs.answered.tolist() == [1.0]
    assert pairs.worst.tolist() == [1.0, 0.0, -0.5]
    assert pairs.best.tolist() == [1.0, 1.0, 0.5]


@pytest.mark.parametrize("lost", [0, 1, 4])
def test_what_is_missing_widens_the_interval_and_never_adds_to_a_claim(lost: int) -> None:
    """Ten wins of thirty rows are an improvement until too many answers of the winner are missing."""
    rows = [f"r{i}" for i in range(30)]
    ours = [*outcomes(*((row, 1.0) for row in rows[: 30 - lost])), *[None] * lost]
    theirs = outcomes(*((row, float(i >= 10)) for i, row in enumerate(rows)))
    full = compare_pairs(answered_differences(ours, theirs, {}))
    held = compare_pairs(paired_differences_of(ours, theirs, {row: row for row in rows}))
    assert held.difference == full.difference
    assert held.rows == 30
    assert (held == full) is (lost == 0)
    assert held.low <= full.low
    assert (held.p_value <= 0.05 and held.low > 0) is (lost < 4)


def test_repeats_that_are_missing_count_in_part() -> None:
    """One of two answers to a row leaves half of its score open."""
    ours, theirs = [*outcomes(("a", 1.0)), None], outcomes(("a", 0.0), ("a", 0.0))
    pairs = paired_differences_of(ours, theirs, {"a": "a"}, repeats=2)
    assert np.array_equal((pairs.worst, pairs.best), [[0.5], [1.0]])
