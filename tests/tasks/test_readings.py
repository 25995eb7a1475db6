"""What would accept answers that a metric scores 0: another setting of it, or another metric."""

from typing import Any

import pytest

from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, build_metric
from promptrl.tasks.metrics.readings import Reading, find_reading


def reading(kind: str, answers: list[str], references: list[Any], **settings: Any) -> Reading | None:
    """What would accept these answers to rows with these references."""
    rows = [Example(str(at), {}, reference, {}) for at, reference in enumerate(references)]
    metric = build_metric(METRICS[kind](**settings), name="m", examples=rows)
    pairs = [(row, Completion(answer)) for row, answer in zip(rows, answers, strict=True)]
    return find_reading(metric, pairs, rows)


@pytest.mark.parametrize(
    ("kind", "settings", "answers", "references", "change"),
    [
        ("choice", {}, ["1", "0"], ["1.0", "0.0"], "type: numeric_match"),
        ("exact_match", {}, ["1.0", "2.50"], ["1", "2.5"], "type: numeric_match"),
        ("exact_match", {"ignore_case": False}, ["Yes", "No"], ["yes", "no"], "ignore_case: true"),
        ("exact_match", {"ignore_punctuation": False}, ["yes.", "no."], ["yes", "no"], "ignore_punctuation: true"),
        ("exact_match", {}, ["I think yes.", "That is a no."], ["yes", "no"], "type: choice"),
        ("choice", {"after": "a"}, ["yes, alas!", "no, alas!"], ["yes", "no"], "after: null"),
        (
            "json_fields",
            {"ignore_case": False},
            ['{"a": "X"}', '{"a": "Y"}'],
            [{"a": "x"}, {"a": "y"}],
            "ignore_case: true",
        ),
        ("numeric_match", {}, ["1.234 €", "5.678 €"], [1234, 5678], "decimal: comma"),
        ("numeric_match", {"position": "first"}, ["1 + 1 = 2", "2 + 1 = 3"], ["2", "3"], "position: last"),
    ],
)
def test_the_reading_that_accepts_the_answers_is_found(
    kind: str, settings: dict[str, Any], answers: list[str], references: list[Any], change: str
) -> None:
    """As it is written in the config."""
    assert reading(kind, answers, references, **settings) == Reading(change, 2, 2, 0)


@pytest.mark.parametrize(
    ("kind", "answers", "references"),
    [
        ("choice", ["positive or negative"] * 2, ["positive", "negative"]),  # both are contained in it
        ("exact_match", ["blue", "red"], ["red", "blue"]),
        ("exact_match", ["7", "8"], ["1", "2"]),
        ("regex", ["Yes", "No"], ["yes", "no"]),
        ("exact_match", ["1 " * 5_001, "2 " * 5_001], ["1", "2"]),  # too long to be read in each way
        ("distinct_n", ["a a", "b b"], ["a", "b"]),
    ],
)
def test_wrong_answers_are_right_under_no_reading(kind: str, answers: list[str], references: list[Any]) -> None:
    """Nothing is suggested that would only hide it."""
    settings = {"pattern": "^yes$"} if kind == "regex" else {}
    assert reading(kind, answers, references, **settings) is None
