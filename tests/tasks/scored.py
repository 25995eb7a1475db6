"""Scores one completion with a metric that asks no model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import MetricDefinition, Score, build_metric
from promptrl.tasks.metrics.base import MetricContext


def alone(code_folder: Path | None = None) -> MetricContext:
    """A context in which nothing can be asked."""

    def refuse(questions: Any) -> NoReturn:
        raise AssertionError(questions)

    return MetricContext(code_folder, refuse)


def scored(
    definition: MetricDefinition,
    completion: str | Completion,
    examples: Sequence[Example],
    code_folder: Path | None = None,
) -> Score:
    """What the metric gives to the first of the examples."""
    answer = Completion(completion) if isinstance(completion, str) else completion
    metric = build_metric(definition, name="m", examples=examples)
    (score,) = metric.open(alone(code_folder)).score_many([(examples[0], answer)])
    assert isinstance(score, Score)
    return score
