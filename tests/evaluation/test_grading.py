"""Answers graded by code of the user's: what it raises is told by name, and no answer is graded for ever."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from promptrl.errors import BudgetExhaustedError, ConfigError, TargetError
from promptrl.evaluation.evaluator import Evaluator
from promptrl.llm.base import Completion
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Metric, build_metric
from promptrl.tasks.metrics.python import FunctionMetric, MetricFunction
from promptrl.tasks.metrics.text import Regex
from promptrl.tasks.metrics.trusted import TrustedMetric
from promptrl.tasks.objective import Objective
from tests.evaluation.test_evaluator import PROMPTS, ROWS, Notes
from tests.servers.stub_target import StubTarget

ASKS = [(PROMPTS[0], row) for row in ROWS]
Answered = tuple[Evaluator, Notes, Budget]


@contextmanager
def graded_by(metric: Metric, answer: str = "yes", max_minutes: float | None = None) -> Iterator[Answered]:
    """An evaluator whose one metric this is, over a target that always says the same."""
    budget = Budget(max_calls=1000, max_minutes=max_minutes)
    notes = Notes()
    target = StubTarget(lambda text, attempt: Completion(answer, 3, 1))
    with Engine(target, budget=budget, cache=None, max_retries=0) as engine:
        objective = Objective("weighted", {"own": 1.0}, (), "own")
        parts: dict[str, Any] = {"metrics": [metric], "objective": objective, "params": {}, "log": notes}
        yield Evaluator(engine, budget=budget, **parts), notes, budget


def own(function: MetricFunction, timeout_s: float = 60.0) -> TrustedMetric:
    """A function as a metric."""
    return TrustedMetric("own", FunctionMetric("own", function), timeout_s=timeout_s)


def slow_on(*rows: str) -> Callable[[Example, Completion], float]:
    """A grader that never comes to an end on these rows."""

    def grade(example: Example, completion: Completion) -> float:
        while example.id in rows:
            pass
        return 1.0

    return grade


def test_an_answer_that_takes_too_long_is_missing_and_not_0() -> None:
    """The others are scored, its call is given back, and another try asks nobody."""
    with graded_by(own(slow_on("row7"), timeout_s=0.05)) as (evaluator, notes, budget):
        outcomes = evaluator.evaluate(ASKS)
        assert [position for position, outcome in enumerate(outcomes) if outcome is None] == [7]
        assert {outcome.score for outcome in notes.outcomes} == {1.0}
        assert budget.spent.calls["search"] == 39
        assert evaluator.evaluate(ASKS)[7] is None
        assert budget.spent.paid == 40


def test_a_grader_that_takes_too_long_too_often_stops_the_run() -> None:
    """With its name, the row and the seconds."""
    metric = own(slow_on("row1", "row2", "row3"), timeout_s=0.05)
    with (
        graded_by(metric) as (evaluator, _, _),
        pytest.raises(
            TargetError, match=r"3 of 40 calls brought no score; the last one: score: own could not tell one"
        ),
    ):
        evaluator.evaluate(ASKS)
    with (
        graded_by(metric) as (evaluator, _, _),
        pytest.raises(TargetError, match=r"on row row\d: it took more than 0.05 s"),
    ):
        evaluator.evaluate(ASKS)


def test_nobody_waits_for_a_grader_that_never_ends() -> None:
    """After as many answers as can't be borne the others are not graded any more."""
    begun: list[str] = []

    def grade(example: Example, completion: Completion) -> float:
        begun.append(example.id)
        time.sleep(60)
        return 1.0

    with graded_by(own(grade, timeout_s=0.02)) as (evaluator, _, _), pytest.raises(TargetError, match="3 of 40 calls"):
        evaluator.evaluate(ASKS)
    assert len(begun) == 3


def test_a_pattern_that_takes_too_long_stops_the_run_likewise(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as good as no metric."""
    monkeypatch.setattr("promptrl.tasks.metrics.patterns.PATTERN_TIMEOUT_S", 0.02)
    metric = build_metric(Regex(pattern="(?:a|aa)+$"), name="own", examples=ROWS)
    told = r"own could not tell one on row row\d+: the pattern '\(\?:a\|aa\)\+\$' took more than 0.02 s"
    with graded_by(metric, "a" * 80 + "b") as (evaluator, _, _), pytest.raises(TargetError, match=told):
        evaluator.evaluate(ASKS)


@pytest.mark.parametrize("work", [lambda example, completion: time.sleep(60), slow_on(*(row.id for row in ROWS))])
def test_the_minutes_of_a_run_end_the_grading(work: MetricFunction) -> None:
    """However long a grader may take by itself; the answers are kept for when the run goes on."""
    with graded_by(own(work), max_minutes=0.01) as (evaluator, notes, budget):
        with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes: 0\.01 minutes are over"):
            evaluator.evaluate(ASKS)
        assert budget.elapsed_s < 5
        assert notes.outcomes == []
        assert len(notes.answers) > 0
        assert budget.spent.total == 0


def test_a_slow_grader_gets_no_answer_when_the_minutes_are_over() -> None:
    """What came in before is not graded after."""
    graded: list[str] = []

    def grade(example: Example, completion: Completion) -> float:
        graded.append(example.id)
        time.sleep(0.1)
        return 1.0

    with graded_by(own(grade), max_minutes=0.005) as (evaluator, _, _), pytest.raises(BudgetExhaustedError):
        evaluator.evaluate(ASKS)
    assert len(graded) < 10


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        (1.5, "own gave 1.5, expected a number from 0 to 1 on row row0"),
        (1 + 1e-8, "own gave 1.00000001, expected a number"),
        (-0.1, "own gave -0.1, expected"),
        ("0.5", "own gave '0.5', expected"),
        (math.inf, "own gave inf, expected"),
    ],
)
def test_what_is_no_score_stops_the_run(gives: Any, told: str) -> None:
    """A fault of the metric is not one of the completion."""
    with graded_by(own(lambda e, c: gives)) as (evaluator, _, _), pytest.raises(ConfigError, match=told):
        evaluator.evaluate(ASKS[:1])


@pytest.mark.parametrize(
    ("gives", "score"), [(1.0000000000000002, 1.0), (-1e-12, 0.0), (True, 1.0), ((0.5, "so"), 0.5)]
)
def test_rounding_is_cut_off(gives: Any, score: float) -> None:
    """Sums of parts come to a little more than 1."""
    with graded_by(own(lambda e, c: gives)) as (evaluator, _, _):
        (outcome,) = evaluator.evaluate(ASKS[:1])
        assert outcome is not None
        assert outcome.score == score


@pytest.mark.parametrize("nothing", [None, math.nan, (None, "no idea")])
def test_a_score_that_can_not_be_told_is_missing(nothing: Any) -> None:
    """A few are borne."""
    with graded_by(own(lambda e, c: nothing if e.id == "row3" else 1.0)) as (evaluator, _, _):
        assert [outcome is None for outcome in evaluator.evaluate(ASKS)] == [row.id == "row3" for row in ROWS]


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), AssertionError()])
def test_what_a_grader_raises_is_told_with_its_row(error: BaseException) -> None:
    """It is a fault of the metric."""

    def grade(example: Example, completion: Completion) -> float:
        raise error

    told = f"own raised {type(error).__name__}: .*on row row0"
    with graded_by(own(grade)) as (evaluator, _, _), pytest.raises(ConfigError, match=told):
        evaluator.evaluate(ASKS[:1])
