"""Answers whose verdict is known before a judge is asked: what a judge makes of them says what it is worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from promptrl.errors import Problem, show, suggest
from promptrl.llm.base import Completion
from promptrl.settings import Setting, Text
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import Pair
from promptrl.tasks.metrics.known_answers import other_reference

CHECKED_ROWS = 8
"""Rows whose reference, a blank and another row's reference are judged."""
MOST_LABELS = 40

Kind = Literal["reference", "blank", "another", "anchor", "label"]

_YES = frozenset({"true", "yes", "pass", "passes", "passed", "good", "1"})
_NO = frozenset({"false", "no", "fail", "fails", "failed", "bad", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAnchor:
    """An answer whose verdict the user knows."""

    request: Annotated[Text, Setting("What was asked.")]
    answer: Annotated[str, Setting("The answer.")]
    passes: Annotated[bool, Setting("Whether the judge must give it at least half of the points.")]
    expected: Annotated[Text | None, Setting("The known good answer, where the judge is to see one.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeLabels:
    """Columns with answers that a person has judged."""

    answers: Annotated[Text, Setting("Column of the answers that were judged.")]
    verdicts: Annotated[Text, Setting("Column of the verdicts: true or false, 1 or 0, pass or fail.")]


@dataclass(frozen=True, slots=True)
class Anchor:
    """An answer, and whether it must get at least half of the points.

    Attributes:
        kind: Where it comes from.
        row: What it is an answer to.
        answer: It.
        passes: Whether it is good.
    """

    kind: Kind
    row: Example
    answer: str
    passes: bool

    @property
    def pair(self) -> Pair:
        """As a metric scores it."""
        return self.row, Completion(self.answer)


def made_anchors(rows: Sequence[Example]) -> Iterator[Anchor]:
    """Of the first rows: the reference passes, a blank and another row's reference do not."""
    rows = rows[:CHECKED_ROWS]
    for at, row in enumerate(rows):
        if row.reference is not None:
            yield Anchor("reference", row, accepted_answers(row.reference)[0], passes=True)
        yield Anchor("blank", row, "", passes=False)
        other = None if row.reference is None else other_reference(rows, at)
        if other is not None:
            yield Anchor("another", row, other, passes=False)


def given_anchors(given: Sequence[JudgeAnchor]) -> Iterator[Anchor]:
    """Those of the config."""
    for number, one in enumerate(given):
        row = Example(f"anchor {number}", {"request": one.request}, one.expected, {})
        yield Anchor("anchor", row, one.answer, one.passes)


def labelled_anchors(labels: JudgeLabels | None, rows: Sequence[Example]) -> Iterator[Anchor]:
    """Answers in the data that a person has judged; rows without a verdict have none."""
    if labels is None:
        return
    found = 0
    for row in rows:
        answer, verdict = row.raw.get(labels.answers), _verdict(row.raw.get(labels.verdicts))
        if isinstance(answer, str) and verdict is not None and found < MOST_LABELS:
            found += 1
            yield Anchor("label", row, answer, verdict)


def label_problems(labels: JudgeLabels | None, rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield what makes columns no labels; keys are relative to the metric."""
    if labels is None:
        return
    columns = sorted({column for row in rows for column in row})
    for key, column in (("labels.answers", labels.answers), ("labels.verdicts", labels.verdicts)):
        if column not in columns:
            yield Problem(key, f"got {show(column)}, which no row has", suggest(column, columns))
    told = [row[labels.verdicts] for row in rows if row.get(labels.verdicts) not in (None, "")]
    odd = next((value for value in told if _verdict(value) is None), None)
    if odd is not None:
        yield Problem("labels.verdicts", f"holds {show(odd)}, expected true or false, 1 or 0, pass or fail")


def _verdict(value: Any) -> bool | None:
    said = str(value).strip().lower().removesuffix(".0")
    return True if said in _YES else False if said in _NO else None
