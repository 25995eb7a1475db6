"""Metrics are tried on answers whose worth is known, before a model is asked."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, build_metric
from promptrl.tasks.metrics.known_answers import MAX_ROWS, grade_known_answers, known_answer_problems


def warnings(kind: str, references: Sequence[Any], **settings: Any) -> list[str]:
    """What is told of a metric on these references."""
    rows = [Example(str(at), {"q": str(at)}, reference, {}) for at, reference in enumerate(references)]
    definition = METRICS[kind](**settings)
    known = grade_known_answers(build_metric(definition, name="m", examples=rows), rows)
    return [str(found) for found in known_answer_problems("reward.metrics.0", "m", known, definition)]


@pytest.mark.parametrize(
    ("kind", "references", "settings"),
    [
        ("exact_match", ["yes", "no", ["maybe", "perhaps"]], {}),
        ("choice", ["positive", "negative", "not positive"], {}),
        ("numeric_match", ["3", "4.5", "1000"], {}),
        ("f1", ["the blue house", "a red car"], {}),
        ("contains", ["Paris", "London"], {}),
        ("regex", ["yes", "no"], {"pattern": "Answer: (\\w+)", "group": 1}),
        ("json_fields", [json.dumps({"a": 1}), json.dumps({"a": 2})], {}),
        ("json_valid", ["yes", "no"], {}),
        ("python", ["yes", "no"], {"function": "no_such_module:grade"}),
        ("exact_match", ["yes", "yes"], {}),
    ],
)
def test_nothing_is_told_of_metrics_that_tell_right_from_wrong(
    kind: str, references: list[Any], settings: dict[str, Any]
) -> None:
    """Nor of those that ask for a form, or are code that is not run here."""
    assert warnings(kind, references, **settings) == []


def test_a_reference_that_is_not_right_is_told() -> None:
    """Here only what follows a word counts, which the references have themselves."""
    (warning,) = warnings("exact_match", ["so: yes", "no"], after=":")
    assert 'm gives the reference itself less than 1 in 1 of 2 rows, such as "so: yes": ' in warning


def test_an_answer_of_another_row_that_is_right_is_told() -> None:
    """The metric can't tell them apart."""
    (warning,) = warnings("contains", ["1", "12"])
    assert """m gives another row's reference 1 in 1 of 2 rows: "12" for "1\"""" in warning


def test_silence_that_is_right_is_told() -> None:
    """A prompt would win by it."""
    (warning,) = warnings("regex", [None, None], pattern="x*")
    assert "m gives an empty answer 1 in 2 of 2 rows" in warning


def test_the_first_few_hundred_rows_are_enough() -> None:
    """A check is not to take longer than the run."""
    rows = [Example(str(at), {}, str(at), {}) for at in range(2 * MAX_ROWS)]
    metric = build_metric(METRICS["exact_match"](), name="m", examples=rows)
    assert len(grade_known_answers(metric, rows)) == MAX_ROWS


def test_a_slow_metric_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows beyond the time are left out."""
    monkeypatch.setattr("promptrl.tasks.metrics.patterns.PATTERN_TIMEOUT_S", 0.05)
    monkeypatch.setattr("promptrl.tasks.metrics.known_answers.MAX_SECONDS", 0.0)
    (warning,) = warnings("regex", ["a" * 60 + "b"] * 200, pattern="(?:a|aa)+$")
    assert "m could not tell the score of 1 answers that are known: the pattern" in warning
