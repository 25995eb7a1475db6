"""Scores that can't tell prompts apart are told, with what would help; what is merely hard, or easy, is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from promptrl.evaluation.doubts import Doubt, DoubtTally, Grading, find_doubts
from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import build_metric
from promptrl.tasks.metrics.base import MetricDefinition, RuleMetric
from promptrl.tasks.metrics.text import F1, Choice, Distinct, ExactMatch

LABELS = ["positive", "negative"]


def rows_with(references: Sequence[Any]) -> list[Example]:
    """One row for each reference."""
    return [Example(f"row{at}", {"q": f"q{at}"}, reference, {}) for at, reference in enumerate(references)]


def rule(definition: MetricDefinition, rows: Sequence[Example], name: str = "m0") -> RuleMetric:
    """A metric under a name."""
    metric = build_metric(definition, name=name, examples=rows)
    assert isinstance(metric, RuleMetric)
    return metric


def graded(rows: Sequence[Example], answers: Sequence[Completion], *metrics: RuleMetric) -> list[Outcome]:
    """Outcomes of the answers, one for each row in turn, as the metrics score them; the first is the gate's."""
    outcomes = []
    for at, answer in enumerate(answers):
        row = rows[at % len(rows)]
        scores = {metric.name: metric.score(row, answer).value for metric in metrics}
        score = scores[metrics[0].name]
        outcomes.append(Outcome(f"p{at % 7}", row.id, at, "search", answer, scores, score, score))
    return outcomes


def doubts_about(
    references: Sequence[Any], answers: Sequence[str | Completion], *definitions: MetricDefinition, **grading: Any
) -> tuple[Doubt, ...]:
    """What is doubted of these answers under these metrics, ``choice`` unless told."""
    rows = rows_with(references)
    metrics = [rule(definition, rows, f"m{at}") for at, definition in enumerate(definitions or (Choice(),))]
    completions = [answer if isinstance(answer, Completion) else Completion(answer) for answer in answers]
    known = Grading({row.id: row for row in rows}, metrics, "m0", **grading)
    return find_doubts(graded(rows, completions, *metrics), known)


def test_labels_that_answers_spell_otherwise_are_told_with_the_metric_that_reads_them() -> None:
    """Example, reference, labels and what to change stand in one text."""
    (doubt,) = doubts_about(["1.0", "0.0"] * 30, ["1", "0"] * 30)
    assert (doubt.kind, doubt.metric, doubt.is_blind, doubt.count) == ("same_score", "m0", True, 60)
    assert (doubt.answer, doubt.reference) == ("1", "1.0")
    assert doubt.text == (
        "All 60 answers score 0 in m0, such as '1' where the reference is '1.0'. The labels are '0.0', '1.0'. "
        "`type: numeric_match` in reward.metrics would accept 50 of the first 50; or write the references as the model "
        "does."
    )


def test_answers_without_a_label_are_told_with_the_labels() -> None:
    """No other reading accepts them."""
    (doubt,) = doubts_about(LABELS * 30, [f"It is case {at}." for at in range(60)])
    assert "such as 'It is case 0.' where the reference is 'positive'" in doubt.text
    assert doubt.text.endswith("The labels are 'negative', 'positive'. Does the prompt name them?")


@pytest.mark.parametrize(
    ("value", "is_blind", "words"),
    [(0.0, True, "score 0 in"), (0.4, True, "score 40 % in"), (1.0, False, "harder rows")],
)
def test_any_score_that_never_changes_is_told(value: float, is_blind: bool, words: str) -> None:
    """Also the best: but then "nothing beat your prompt" is true."""
    rows = rows_with(["a", "b"] * 30)
    metric = rule(F1(), rows)
    answers = graded(rows, [Completion(f"text {at}") for at in range(60)], metric)
    alike = [replace(outcome, scores={"m0": value}, score=value) for outcome in answers]
    (doubt,) = find_doubts(alike, Grading({row.id: row for row in rows}, [metric], "m0"))
    assert (doubt.kind, doubt.is_blind) == ("same_score", is_blind)
    assert words in doubt.text


def test_each_metric_is_told_by_itself() -> None:
    """Only the second of three is blind: no verdict rests on it, and to pass the third always is as it should be."""
    colours = ["red", "blue"] * 30
    answers = [*colours[:40], *["red"] * 20]
    (doubt,) = doubts_about(colours, answers, Choice(), ExactMatch(after="e"), Distinct(n=1))
    assert (doubt.kind, doubt.metric, doubt.is_blind) == ("same_score", "m1", False)
    assert "`after: null` in reward.metrics would accept 45 of the first 50" in doubt.text


def test_cut_off_answers_are_told_with_the_limit() -> None:
    """Not only when all are: a few edits that make answers long look bad for no fault of theirs."""
    cut = Completion("Let me think about this", finish_reason="length")
    (doubt,) = doubts_about(LABELS * 30, [*["positive", "negative"] * 20, *[cut] * 20], max_tokens=5)
    assert (doubt.kind, doubt.count, doubt.is_blind) == ("cut_off", 20, False)
    assert "20 of 60 answers were cut off and score 0 on average" in doubt.text
    assert doubt.text.endswith("raise target.params.max_tokens (5).")


def test_prompts_whose_answers_are_mostly_cut_off_are_told_though_others_have_room() -> None:
    """Half of the cut answers name their label in time: over all prompts that hides how the others are measured."""
    rows = rows_with(["refund", "account access"] * 20)
    metric = rule(Choice(), rows)
    whole = graded(rows, [Completion(row.reference) for row in rows], metric)
    texts = ["The label: refund, as", "The label: account"] * 20
    cut = graded(rows, [Completion(text, finish_reason="length") for text in texts], metric)
    outcomes = [replace(outcome, prompt_id="short") for outcome in whole * 3]
    outcomes += [replace(outcome, prompt_id="long") for outcome in cut]
    grading = Grading({row.id: row for row in rows}, [metric], "m0", max_tokens=4)
    (doubt,) = find_doubts(outcomes, grading)
    assert (doubt.kind, doubt.count, doubt.answer) == ("cut_off", 40, "The label: account")
    assert "40 of 40 answers of one prompt were cut off and score 50 % on average" in doubt.text
    assert not find_doubts([*outcomes[:120], *outcomes[120:129]], grading), "nine answers are too few to tell"


def test_an_answer_that_is_a_label_is_whole_wherever_its_room_ended() -> None:
    """With room for one token a server says of every answer that it ended there."""
    answers = [Completion(label, finish_reason="length") for label in ["Negative.", "negative"] * 30]
    assert "cut_off" not in {doubt.kind for doubt in doubts_about(LABELS * 30, answers)}
    answers = [Completion(label, finish_reason="length") for label in ["positive", "neg"] * 30]
    (doubt,) = doubts_about(LABELS * 30, answers)
    assert (doubt.kind, doubt.count, doubt.answer) == ("cut_off", 30, "neg")


def test_one_answer_for_all_rows_is_told() -> None:
    """The model may not see the row."""
    found = doubts_about(LABELS * 30, ["positive"] * 60)
    assert [doubt.kind for doubt in found] == ["same_answer"]
    assert "All 60 answers are 'positive', whatever the row" in found[0].text


@pytest.mark.parametrize("empty", [Completion(""), Completion(" \n"), Completion("", fault="no_answer")])
def test_answers_that_are_none_are_a_fault_whatever_the_target_calls_it(empty: Completion) -> None:
    """A target that names no fault for a text of blanks has given none all the same."""
    (doubt,) = doubts_about(LABELS * 30, [empty] * 60)
    assert (doubt.kind, doubt.is_blind, doubt.count) == ("faults", True, 60)
    assert "60 of 60 answers have a fault and scored 0" in doubt.text


def hard_task() -> tuple[Doubt, ...]:
    """One answer in a hundred is right."""
    return doubts_about(LABELS * 50, [*["I can't say"] * 40, "positive", *[f"hm {at}" for at in range(59)]])


def one_label() -> tuple[Doubt, ...]:
    """Nine rows in ten have the label that the model always gives."""
    return doubts_about((["ham"] * 9 + ["spam"]) * 10, ["ham"] * 100)


def short_answers() -> tuple[Doubt, ...]:
    """A limit of one token, which is enough for a label."""
    right = [Completion(label, finish_reason="length") for label in LABELS * 30]
    return doubts_about(LABELS * 30, [*right[:-1], Completion("hm", finish_reason="length")])


def cheaper_prompts() -> tuple[Doubt, ...]:
    """All is right, and prompts are to become shorter."""
    return doubts_about(LABELS * 30, LABELS * 30, has_costs=True)


def graded_scores() -> tuple[Doubt, ...]:
    """Shares of words, none of them 1."""
    return doubts_about(["a b c d"] * 60, [" ".join("abcd"[: 1 + at % 3]) for at in range(60)], F1())


def few_rows() -> tuple[Doubt, ...]:
    """The two rows that were asked have one answer."""
    return doubts_about(["positive", "negative", "positive"], ["negative"] * 60)


def few_answers() -> tuple[Doubt, ...]:
    """So early nothing is known."""
    return doubts_about(LABELS * 30, ["hm"] * 9)


def some_faults() -> tuple[Doubt, ...]:
    """A third of the answers, which the count of faults tells."""
    return doubts_about(LABELS * 30, [*LABELS * 20, *[Completion("", fault="content_filter")] * 20])


@pytest.mark.parametrize(
    "told",
    [
        hard_task,
        one_label,
        short_answers,
        cheaper_prompts,
        graded_scores,
        few_rows,
        few_answers,
        some_faults,
    ],
    ids=lambda told: told.__name__,
)
def test_what_is_as_it_should_be_is_no_doubt(told: Any) -> None:
    """Each of these looks a little like a fault."""
    assert told() == ()


def test_a_doubt_goes_when_an_answer_refutes_it() -> None:
    """And what was counted stays counted."""
    rows = rows_with(["yes"] * 60)
    metric = rule(ExactMatch(), rows)
    tally = DoubtTally(Grading({row.id: row for row in rows}, [metric], "m0"))
    answers = [Completion(f"no {at}") for at in range(50)]
    tally.add(graded(rows, answers[:49], metric))
    assert tally.doubts(50) == ()
    tally.add(graded(rows, answers[49:], metric))
    assert [doubt.kind for doubt in tally.doubts(50)] == ["same_score"]
    tally.add(graded(rows, [Completion("yes")], metric))
    assert tally.doubts(50) == ()


def test_hostile_answers_are_told_harmless_and_short() -> None:
    """They end on a terminal."""
    (doubt,) = doubts_about(LABELS * 30, [f"\x1b[31m{at} " + "x" * 10_000 for at in range(60)])
    assert "\x1b" not in doubt.text
    assert len(doubt.text) < 500
    assert doubt.answer is not None
    assert len(doubt.answer) <= 80
