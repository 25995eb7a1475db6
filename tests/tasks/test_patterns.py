"""Patterns of the user's on what models write: no search goes on for ever, and one that would is no score of 0."""

import math
import threading
import time
from typing import Any

import pytest

from promptrl.errors import ConfigError
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import METRICS, Score
from tests.tasks.scored import scored

SLOW = "(?:a|aa)+$"
HOSTILE = "a" * 80 + "b"
RULES: dict[str, tuple[dict[str, Any], str]] = {
    "regex": ({"pattern": SLOW}, HOSTILE),
    "json_schema": ({"schema": {"type": "string", "pattern": SLOW}}, f'"{HOSTILE}"'),
}


def score_of(kind: str, settings: dict[str, Any], text: str) -> Score:
    """Grade one answer."""
    return scored(METRICS[kind](**settings), text, [Example("r", {}, None, {})])


@pytest.mark.parametrize("kind", RULES)
def test_a_search_without_end_is_a_score_that_is_missing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a thread as well, with the pattern and the seconds."""
    monkeypatch.setattr("promptrl.tasks.metrics.patterns.PATTERN_TIMEOUT_S", 0.05)
    scores: list[Score] = []
    thread = threading.Thread(target=lambda: scores.append(score_of(kind, *RULES[kind])))
    thread.start()
    thread.join(30)
    assert math.isnan(scores[0].value)
    assert scores[0].reason == "the pattern '(?:a|aa)+$' took more than 0.05 s"


def test_a_schema_without_end_is_a_score_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of fields are matched by patterns too."""
    monkeypatch.setattr("promptrl.tasks.metrics.structured.SCHEMA_TIMEOUT_S", 0.05)
    schema = {"patternProperties": {r"^(\w+\s?)*\.$": {}}, "additionalProperties": False}
    text = '{"' + " ".join(["word"] * 15) + '": 1}'
    score = score_of("json_schema", {"schema": schema}, text)
    assert math.isnan(score.value)
    assert score.reason == "the schema took more than 0.05 s"


@pytest.mark.parametrize("pattern", [r"^(\w+\s?)*\.$", "(a+)+$", "(.*)*x", r"^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_patterns_that_double_their_work_with_every_letter_are_searched_at_once(pattern: str) -> None:
    """The usual ones; they would take years."""
    began_s = time.process_time()
    assert score_of("regex", {"pattern": pattern}, " ".join(["word"] * 15) + "!").value == 0
    assert time.process_time() - began_s < 1
    assert score_of("regex", {"pattern": r"^(\w+\s?)*\.$"}, "Fifteen words and a full stop.").value == 1


def test_a_schema_with_a_wrong_pattern_is_refused() -> None:
    """Before a call is paid for."""
    with pytest.raises(ConfigError, match=r"schema: is no JSON schema: '\(' is not a 'regex'"):
        score_of("json_schema", {"schema": {"properties": {"a": {"pattern": "("}}}}, "{}")
