"""Grades answers whose worth is known before a model is asked: the reference, none at all, that of another row."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from promptrl.errors import Problem, show
from promptrl.llm.base import Completion
from promptrl.tasks.data_checks import same_answer
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import Metric, MetricContext, MetricDefinition, Score
from promptrl.tasks.metrics.trusted import TrustedMetric

MAX_ROWS = 300
MAX_SECONDS = 10.0
"""A pattern that is slow on some answers is told, but not waited for on all rows."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """What a metric makes of known answers to one row.

    Attributes:
        row: The row.
        other: Another row's reference that says something else; None where there is none.
        scores: Of the reference itself (``reference``), of an empty answer (``blank``) and of ``other`` (``another``),
            those that are there.
    """

    row: Example
    other: str | None
    scores: Mapping[str, Score]

    def value(self, of: str) -> float:
        """One of the scores; NaN where it is not there or could not be told."""
        return self.scores[of].value if of in self.scores else math.nan


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
    found: list[KnownAnswers] = []
    begun_s = time.monotonic()
    for at, row in enumerate(rows):
        if found and time.monotonic() - begun_s > MAX_SECONDS:
            break
        other = other_reference(rows, at)
        texts = {"reference": _text(row.reference), "blank": "", "another": other}
        asked = {of: text for of, text in texts.items() if text is not None}
        graded = scorer.score_many([(row, Completion(text)) for text in asked.values()])
        scores = {of: score for of, score in zip(asked, graded, strict=True) if isinstance(score, Score)}
        found.append(KnownAnswers(row, other, scores))
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
    wrong = [one for one in known if one.value("reference") < 1 - _ROUNDING]
    if wrong and definition.takes_reference_alone:
        reason = wrong[0].scores["reference"].reason
        message = f"gives the reference itself less than 1 in {_of(wrong, known)}, such as {_shown(wrong[0].row)}"
        hint = "an answer that equals the reference must be right: mend the references, or take another metric"
        yield Problem(key, f"{name} {message}{f': {reason}' if reason else ''}", hint, is_warning=True)
    blank = [one for one in known if one.value("blank") > 1 - _ROUNDING]
    if blank:
        message = f"{name} gives an empty answer 1 in {_of(blank, known)}"
        hint = "add a metric that compares with the reference, or a prompt wins by silence"
        yield Problem(key, message, hint, is_warning=True)
    same = [one for one in known if one.value("another") > 1 - _ROUNDING]
    if same and definition.needs_reference:
        one = same[0]
        message = f"gives another row's reference 1 in {_of(same, known)}: {show(one.other)} for {_shown(one.row)}"
        hint = "it can't tell these answers apart: a stricter metric or other settings would"
        yield Problem(key, f"{name} {message}", hint, is_warning=True)
    untold = [score for one in known for score in one.scores.values() if math.isnan(score.value)]
    if untold:
        message = f"{name} could not tell the score of {len(untold)} answers that are known: {untold[0].reason}"
        yield Problem(key, message, "make it simpler, or a run ends where more than 5 % are missing", is_warning=True)


def other_reference(rows: Sequence[Example], at: int) -> str | None:
    """The reference of the next row that is right on none of the accepted answers of this one."""
    own = {same_answer(answer) for answer in accepted_answers(rows[at].reference)}
    for row in (*rows[at + 1 :], *rows[:at]):
        text = _text(row.reference)
        if text is not None and same_answer(text) not in own:
            return text
    return None


def _text(reference: Any) -> str | None:
    return None if reference is None else accepted_answers(reference)[0]


def _of(found: Sequence[object], known: Sequence[object]) -> str:
    return f"{len(found)} of {len(known)} rows"


def _shown(row: Example) -> str:
    return show(_text(row.reference))


def _refuse(questions: Sequence[object]) -> NoReturn:
    raise RuntimeError(f"{len(questions)} questions of a metric that asks no model")
