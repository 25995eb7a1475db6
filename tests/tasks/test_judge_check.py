"""What a judge must know before it judges: which answers it is asked about, and when it is refused."""

import random
from collections.abc import Sequence

import pytest

from promptrl.errors import ConfigError
from promptrl.llm.base import CompletionError
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import Score
from promptrl.tasks.metrics.judge import Judge, JudgeMetric
from promptrl.tasks.metrics.judge_anchors import Anchor, JudgeAnchor, JudgeLabels
from promptrl.tasks.metrics.judge_check import TIMES, checked

ROWS = [
    Example(f"r{i}", {"q": f"q{i}"}, f"a{i % 5}", {"said": f"text {i}", "ok": ["pass", "fail", ""][i % 3]})
    for i in range(20)
]


def judge(**settings: object) -> JudgeMetric:
    """A judge by correctness."""
    return JudgeMetric("judge", Judge(**{"rubric": "correctness", **settings}))  # type: ignore[arg-type]


def told(metric: JudgeMetric, anchors: Sequence[Anchor], errs: float = 0.0, seed: int = 0) -> tuple[str, ...]:
    """The faults of a judge that gives the wrong verdict so often."""
    rng = random.Random(seed)
    grades = [[Score(float(a.passes != (rng.random() < errs))) for _ in range(TIMES)] for a in anchors]
    return checked("judge", anchors, grades, metric.binding).faults


def test_the_reference_passes_a_blank_and_another_rows_reference_do_not() -> None:
    """Of the first rows; the calls are those that it takes."""
    anchors = judge().anchors(ROWS)
    assert {(a.kind, a.passes) for a in anchors} == {("reference", True), ("blank", False), ("another", False)}
    assert len(anchors) == 24
    assert all(a.answer != a.row.reference for a in anchors if a.kind == "another")
    assert judge(repeats=3).calls_of_check(ROWS) == 24 * TIMES * 3
    assert judge(check="off").calls_of_check(ROWS) == 0


def test_without_references_only_a_blank_is_known() -> None:
    """And what the user knows."""
    rows = [Example("r", {"q": "q"}, None, {})]
    assert [a.kind for a in judge(rubric="fluency").anchors(rows)] == ["blank"]
    known = JudgeAnchor(request="Thank the customer.", answer="Go away.", passes=False)
    (_, anchor) = judge(rubric="fluency", anchors=(known,)).anchors(rows)
    assert (anchor.row.fields, anchor.answer, anchor.passes) == ({"request": "Thank the customer."}, "Go away.", False)


def test_rows_that_a_person_has_judged_are_labels() -> None:
    """Those with a verdict."""
    labels = JudgeLabels(answers="said", verdicts="ok")
    found = [a for a in judge(labels=labels).anchors(ROWS) if a.kind == "label"]
    assert [(a.answer, a.passes) for a in found[:3]] == [("text 0", True), ("text 1", False), ("text 3", True)]
    assert len(found) == 14


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (JudgeLabels(answers="siad", verdicts="ok"), 'labels.answers: got "siad".*did you mean said'),
        (JudgeLabels(answers="said", verdicts="said"), 'labels.verdicts: holds "text 0", expected true or false'),
    ],
)
def test_columns_that_are_no_labels_are_refused(labels: JudgeLabels, told: str) -> None:
    """With the nearest column, or the verdict that is none."""
    with pytest.raises(ConfigError, match=told):
        judge(labels=labels).anchors(ROWS)


def test_a_judge_that_compares_is_checked_beside_the_reference() -> None:
    """A blank and another row's reference must lose; each in both orders."""
    anchors = judge(against="baseline").anchors(ROWS)
    assert {(a.kind, a.passes) for a in anchors} == {("blank", False), ("another", False)}
    assert judge(against="baseline").calls_of_check(ROWS) == 16 * TIMES * 2


def test_a_sound_judge_has_no_faults() -> None:
    """Nor noise."""
    metric = judge()
    anchors = metric.anchors(ROWS)
    check = checked("judge", anchors, [[Score(float(a.passes))] * 2 for a in anchors], metric.binding)
    assert (check.faults, check.noise, check.flips, check.untold) == ((), 0.0, 0.0, 0)
    assert check.verdicts == {"reference": (0, 16), "blank": (0, 16), "another": (0, 16)}


@pytest.mark.parametrize(("value", "faults"), [(1.0, 2), (0.0, 1)])
def test_a_judge_that_always_says_the_same_is_refused(value: float, faults: int) -> None:
    """Whether it passes or fails everything."""
    metric = judge()
    anchors = metric.anchors(ROWS)
    check = checked("judge", anchors, [[Score(value)] * 2] * len(anchors), metric.binding)
    assert len(check.faults) == faults


def test_the_answer_to_another_row_may_be_fluent() -> None:
    """Only rubrics that tell rows apart bind a judge to fail it."""
    metric = judge(rubric="fluency")
    anchors = metric.anchors(ROWS)
    grades = [[Score(float(a.kind != "blank"))] * 2 for a in anchors]
    assert checked("judge", anchors, grades, metric.binding).faults == ()
    assert checked("judge", anchors, grades, judge().binding).faults == (
        "passes the answer to another row in 16 of 16 verdicts",
    )


def test_one_that_errs_once_in_five_may_judge_and_a_coin_may_not() -> None:
    """Its errors are noise, which the proof takes into account; a coin knows nothing."""
    metric = judge()
    anchors = metric.anchors(ROWS)
    assert sum(bool(told(metric, anchors, 0.2, seed)) for seed in range(200)) <= 2
    assert sum(bool(told(metric, anchors, 0.5, seed)) for seed in range(200)) >= 120


def test_noise_is_what_it_differs_by_from_itself() -> None:
    """Standard deviation of one score, and how often a verdict turns round."""
    anchors = judge().anchors(ROWS)[:2]
    check = checked("judge", anchors, [[Score(0.75), Score(0.25)], [Score(0.25), Score(0.25)]], frozenset())
    assert check.noise == pytest.approx(0.25)
    assert check.flips == 0.5


def test_verdicts_that_can_not_be_told_are_counted_and_none_at_all_is_a_fault() -> None:
    """Missing is not wrong."""
    metric = judge()
    anchors = metric.anchors(ROWS)
    lost = CompletionError("score", "no grade")
    grades = [[lost, lost] if a.kind == "blank" else [Score(float(a.passes)), lost] for a in anchors]
    check = checked("judge", anchors, grades, metric.binding)
    assert check.untold == 32
    assert check.noise is None
    assert check.faults == ("could not tell any verdict on answers of the kind blank",)


def test_labels_are_met_on_both_sides() -> None:
    """Where nine of ten were good, a judge that passes all agrees in nine of ten, and knows nothing."""
    row = ROWS[0]
    anchors = [Anchor("label", row, f"text {i}", passes=i != 0) for i in range(10)]
    check = checked("judge", anchors, [[Score(1.0)] * 2] * 10, judge().binding)
    assert check.verdicts == {"label": (2, 20)}
    assert check.faults == ("disagrees with the labels in 2 of 20 verdicts",)
