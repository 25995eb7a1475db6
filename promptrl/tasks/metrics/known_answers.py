"""Grades answers whose worth is known before a model is asked: the reference, none at all, that of another row."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from promptrl.errors import Problem, show
from promptrl.llm.base import Completion, CompletionError
from promptrl.tasks.data_checks import same_answer
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import Metric, MetricContext, MetricDefinition, Score
from promptrl.tasks.metrics.trusted import TrustedMetric

MAX_ROWS = 300
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """What a metric makes of known answers to one row.

    Attributes:
        row: The row.
        other: Another row's reference that says something else; None where there is none.
        reference: Score of the reference itself; None without.
        blank: Score of an empty answer.
        another: Score of ``other``.
    """

    row: Example
    other: str | None
    reference: Score | None
    blank: Score
    another: Score | None


def grade_known_answers(metric: Metric, rows: Sequence[Example]) -> list[KnownAnswers]:
    """Grade the references of some rows, blanks, and references of others.

    Args:
        metric: One that is the user's own code or asks a model gives nothing: neither is run to check a config.
        rows: The first few hundred are enough.
    """
    if isinstance(metric, TrustedMetric) or metric.calls_per_answer:
        return []
    scorer = metric.open(MetricContext(None, ask=_refuse))
    rows = rows[:MAX_ROWS]
    others = [_other(rows, at) for at in range(len(rows))]
    texts = [(_text(row.reference), "", other) for row, other in zip(rows, others, strict=True)]
    asked = [(at, text) for at, three in enumerate(texts) for text in three if text is not None]
    graded = dict(zip(asked, scorer.score_many([(rows[at], Completion(text)) for at, text in asked]), strict=True))
    found = []
    for at, row in enumerate(rows):
        own, blank, another = (None if text is None else _score(graded[at, text]) for text in texts[at])
        found.append(KnownAnswers(row, others[at], own, blank or Score(0.0), another))
    return found


def known_answer_problems(
    key: str, name: str, known: Sequence[KnownAnswers], definition: MetricDefinition
) -> Iterator[Problem]:
    """Yield a warning for each way in which a metric does not tell right from wrong.

    Args:
        key: Of the metric in the config.
        name: Of the metric.
        known: What it makes of known answers.
        definition: What it is.
    """
    wrong = [one for one in known if one.reference and one.reference.value < 1 - _ROUNDING]
    if wrong and definition.takes_reference_alone:
        score = wrong[0].reference
        why = f": {score.reason}" if score and score.reason else ""
        message = f"gives the reference itself less than 1 in {_of(wrong, known)}, such as {_shown(wrong[0].row)}{why}"
        hint = "an answer that equals the reference must be right: mend the references, or take another metric"
        yield Problem(key, f"{name} {message}", hint, is_warning=True)
    blank = [one for one in known if one.blank.value > 1 - _ROUNDING]
    if blank:
        message = f"{name} gives an empty answer 1 in {_of(blank, known)}"
        yield Problem(
            key, message, "add a metric that compares with the reference, or a prompt wins by silence", is_warning=True
        )
    same = [one for one in known if one.another and one.another.value > 1 - _ROUNDING]
    if same and definition.needs_reference:
        one = same[0]
        message = f"gives another row's reference 1 in {_of(same, known)}: {show(one.other)} for {_shown(one.row)}"
        hint = "it can't tell these answers apart: a stricter metric or other settings would"
        yield Problem(key, f"{name} {message}", hint, is_warning=True)


def _other(rows: Sequence[Example], at: int) -> str | None:
    """The reference of the next row that is right on none of the accepted answers of this one."""
    own = {same_answer(answer) for answer in accepted_answers(rows[at].reference)}
    for row in (*rows[at + 1 :], *rows[:at]):
        text = _text(row.reference)
        if text is not None and same_answer(text) not in own:
            return text
    return None


def _text(reference: Any) -> str | None:
    return None if reference is None else accepted_answers(reference)[0]


def _score(given: Score | CompletionError) -> Score | None:
    return given if isinstance(given, Score) and not math.isnan(given.value) else None


def _of(found: Sequence[object], known: Sequence[object]) -> str:
    return f"{len(found)} of {len(known)} rows"


def _shown(row: Example) -> str:
    return show(_text(row.reference))


def _refuse(questions: Sequence[object]) -> NoReturn:
    raise RuntimeError(f"{len(questions)} questions of a metric that asks no model")
