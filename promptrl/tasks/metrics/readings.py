"""Finds what would accept answers that a metric scores 0: another value of one of its settings, or another metric."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from promptrl.errors import ConfigError
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import AnswerRule, Metric, Pair, Rule, RuleMetric
from promptrl.tasks.metrics.numeric import NumericMatch
from promptrl.tasks.metrics.structured import JsonFields
from promptrl.tasks.metrics.text import Choice, Contains, ExactMatch

LEAST_SHARE = 0.1
"""Of the answers, for most may be those of bad prompts; fewer are accepted by chance."""
LEAST_CONTAINED = 3
"""Characters: shorter references are in many a text by chance."""

LONGEST = 10_000
"""Characters: a longer answer is read in no other way, which could take minutes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Another way to read answers.

    Attributes:
        change: What to write in the config, such as ``ignore_case: true`` or ``type: numeric_match``.
        accepted: How many of the answers score 1 then.
        answers: Of so many.
        first: Position of the first of them.
    """

    change: str
    accepted: int
    answers: int
    first: int


def find_reading(metric: Metric, pairs: Sequence[Pair], examples: Sequence[Example]) -> Reading | None:
    """The reading that accepts most of these answers, the metric's own settings before other metrics.

    Args:
        metric: It scores all of them 0.
        pairs: Rows and answers without a fault.
        examples: All rows: labels are taken from them.

    Returns:
        None when no reading accepts a tenth of them, and for metrics that compare with no reference.
    """
    if not isinstance(metric, RuleMetric) or not isinstance(metric.rule, AnswerRule | JsonFields):
        return None
    readings: list[Reading] = []
    for change, rule in (*_other_settings(metric.rule), *_other_rules(metric.rule, examples)):
        accepted = [position for position, pair in enumerate(pairs) if _accepts(rule, pair)]
        if accepted and len(accepted) >= LEAST_SHARE * len(pairs):
            readings.append(Reading(change, len(accepted), len(pairs), accepted[0]))
    return max(readings, key=lambda reading: reading.accepted, default=None)


def _accepts(rule: Rule, pair: Pair) -> bool:
    example, completion = pair
    if len(completion.text) > LONGEST:
        return False
    return not rule.refusal(example.reference) and rule.grade(rule.answer_in(completion.text), example).value == 1


def _other_settings(rule: AnswerRule | JsonFields) -> Iterator[tuple[str, Rule]]:
    """The rule with one setting changed: a switch turned over, another number of several, all of the text."""
    for field in fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, bool):
            turned: dict[str, Any] = {field.name: not value}
            yield f"{field.name}: {str(not value).lower()}", replace(rule, **turned)
    if isinstance(rule, AnswerRule) and rule.after is not None:
        yield "after: null", replace(rule, after=None)
    if isinstance(rule, NumericMatch):
        for position in ("first", "last", "only"):
            yield f"position: {position}", replace(rule, position=position)
        for decimal in ("point", "comma"):
            yield f"decimal: {decimal}", replace(rule, decimal=decimal)


def _other_rules(rule: Rule, examples: Sequence[Example]) -> Iterator[tuple[str, AnswerRule]]:
    """Other metrics that compare answers with the reference; a label that is merely contained is no choice."""
    if not isinstance(rule, AnswerRule):
        return
    others: dict[str, AnswerRule] = {"exact_match": ExactMatch(), "choice": Choice(), "numeric_match": NumericMatch()}
    references = tuple(example.reference for example in examples)
    shortest = min((len(answer) for reference in references for answer in accepted_answers(reference)), default=0)
    if not isinstance(rule, Choice) and shortest >= LEAST_CONTAINED:
        others["contains"] = Contains()
    for kind, other in others.items():
        if isinstance(rule, type(other)):
            continue
        try:
            fitted = other.fitted(references)
        except ConfigError:  # not for these data
            continue
        yield f"type: {kind}", replace(fitted, after=rule.after)
