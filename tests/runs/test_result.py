"""What result.json says of scores: rows are the unit, whatever was asked of each."""

import pytest

from promptrl.evaluation.doubts import Doubt
from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import answered_differences
from promptrl.llm.base import Completion
from promptrl.runs.result import PairedComparison, decide_verdict, measured, summarise
from promptrl.stats.gate import Gate
from promptrl.stats.paired import compare_pairs

GATE = Gate()


def outcomes(*answers: tuple[str, float], prompt: str = "p") -> list[Outcome]:
    """Outcomes by row and score."""
    return [Outcome(prompt, row, i, "test", Completion(""), {}, score, score) for i, (row, score) in enumerate(answers)]


def test_repeats_prove_no_more_than_rows() -> None:
    """Asking ten rows a hundred times each leaves an interval of ten rows."""
    once = summarise(outcomes(*((f"r{i}", float(i % 2)) for i in range(10))), GATE, 0)
    often = summarise(
        outcomes(*((f"r{i}", float(i % 2)) for i in range(10)), *((f"r{i}", float(i % 2)) for i in range(10))), GATE, 0
    )
    assert once is not None
    assert often is not None
    assert (often["low"], often["high"], often["rows"]) == (once["low"], once["high"], 10)


@pytest.mark.parametrize(("is_same_prompt", "verdict"), [(True, "same"), (False, "inconclusive")])
def test_without_rows_nothing_is_known(is_same_prompt: bool, verdict: str) -> None:
    """But that a prompt is the same as itself."""
    assert decide_verdict(None, GATE, is_same_prompt=is_same_prompt) == verdict
    assert measured(None, GATE) is None
    assert measured(PairedComparison({}, None), GATE) is None


@pytest.mark.parametrize(("is_blind", "verdict"), [(True, "inconclusive"), (False, "same")])
def test_scores_that_tell_nothing_apart_prove_no_equality(is_blind: bool, verdict: str) -> None:
    """Whether the winner is the baseline itself or another prompt that scored as all do."""
    doubts = [Doubt("same_score", "m", is_blind, 60, 60, "r0", "1", "1.0", "")]
    assert decide_verdict(None, GATE, is_same_prompt=True, doubts=doubts) == verdict
    alike = outcomes(*((f"r{i}", 0.0) for i in range(900)))
    comparison = compare_pairs(answered_differences(alike, alike, {}), GATE.confidence)
    assert decide_verdict(comparison, GATE, is_same_prompt=False, doubts=doubts) == verdict


def test_the_confidence_of_the_gate_is_said() -> None:
    """With interval, rows and method."""
    gate = Gate(confidence=0.99)
    ours, theirs = outcomes(*((f"r{i}", 1.0) for i in range(20))), outcomes(*((f"r{i}", 0.0) for i in range(20)))
    comparison = compare_pairs(answered_differences(ours, theirs, {}), gate.confidence)
    told = measured(PairedComparison({"winner": ours, "baseline": theirs}, comparison), gate)
    assert told is not None
    assert (told["confidence"], told["rows"], told["method"], told["sequential"]) == (0.99, 20, "exact", None)
