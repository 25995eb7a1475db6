"""What a metric is, and what all of them share: faults score 0, and ``after`` cuts the answer out of the completion."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, Self, runtime_checkable

from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import Completion, CompletionError, Messages
from promptrl.settings import Definition, Setting, Text
from promptrl.tasks.dataset import Example

IgnoreCase = Annotated[bool, Setting("Upper and lower case are the same.")]


@dataclass(frozen=True, slots=True)
class Score:
    """How good a completion is.

    Attributes:
        value: In [0, 1]; NaN where it could not be told: then the score is missing, which is never a score of 0.
        reason: Why it is less than 1, in a few words; quotes model text, so treat it as hostile.
    """

    value: float
    reason: str = ""


_ROUNDING = 1e-9


def as_score(result: object) -> Score:
    """What code of the user's gives back as a score: a number, true or false, a pair of that and a reason, a ``Score``.

    None is NaN, and what passes 0 or 1 by an error of rounding is cut off.

    Raises:
        ValueError: It is none of these; says what was expected.
    """
    if isinstance(result, Score):
        result = (result.value, result.reason)
    pair: tuple[Any, Any] = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
    value, reason = pair
    try:
        number = math.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.inf
    if isinstance(value, str | bytes) or number < -_ROUNDING or number > 1 + _ROUNDING:
        raise ValueError(f"gave {value!r}, expected a number from 0 to 1")
    return Score(number if math.isnan(number) else min(1.0, max(0.0, number)), str(reason))


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a metric asks a model about one of the pairs that it scores.

    Attributes:
        position: Of the pair in the batch.
        messages: What is asked.
        params: Sampling parameters by the OpenAI names.
        repeat: Which of several answers to the same question (0, 1, ...).
        of_target: Whether the model that runs the prompt is asked, whoever else answers the metric's questions.
    """

    position: int
    messages: Messages
    params: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 0
    of_target: bool = False


NameRow = Callable[[Example], str]
"""What a person finds a row by, for a message."""


def named_by_id(row: Example) -> str:
    """For whom nothing else of a row is known."""
    return f"row {row.id}"


@dataclass(frozen=True, slots=True)
class MetricContext:
    """What a metric may use.

    Attributes:
        code_folder: Where the user's modules are looked for first.
        ask: Answers questions about the batch that is being scored, in order: through the engine, its cache and the
            share of the budget that is set aside for judging. A call that failed for good is a ``CompletionError``.
        seconds_left: Seconds until the batch that is being scored must be done; infinite without a limit.
        name_row: Names a row that a metric can't score.
        baseline: What the prompt that a run began with asks on a row, and the parameters that go with it.
    """

    code_folder: Path | None
    ask: Callable[[Sequence[Question]], Sequence[Completion | CompletionError]]
    seconds_left: Callable[[], float] = lambda: math.inf
    name_row: NameRow = named_by_id
    baseline: Callable[[Example], tuple[Messages, Mapping[str, Any]]] | None = None


Pair = tuple[Example, Completion]


class Scorer(Protocol):
    """A metric that is open."""

    def score_many(self, batch: Sequence[Pair]) -> Sequence[Score | CompletionError]:
        """Score each completion, in order.

        A bad completion is data and scores 0; nothing that a model writes raises. An error in place of a score says
        that a model the metric asked gave no answer: the outcome is missing, which is never a score of 0.
        """


@runtime_checkable
class RepeatableScorer(Protocol):
    """A metric whose score of the same answer may differ from one time to the next."""

    def score_again(self, batch: Sequence[Pair], times: int) -> Sequence[Sequence[Score | CompletionError]]:
        """Score each completion so many times, each anew; by batch position, then by time."""


class Metric(Protocol):
    """Scores completions, once it is open."""

    @property
    def name(self) -> str:
        """As the config calls it; unique in a run."""

    @property
    def calls_per_answer(self) -> int:
        """Most questions asked to score one completion: the call plan sets them aside; 0 for most metrics."""

    def open(self, context: MetricContext) -> Scorer:
        """Make it ready: here the user's code is imported.

        Raises:
            ConfigError: It can't be opened.
        """


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reference can't be scored against.

    Attributes:
        found: The reference, or the part of it that is wrong, in quotes.
        why: What it is or has instead of what was expected: "is no number". References refused for the same reason are
            told as one.
        hint: What to write.
    """

    found: str
    why: str
    hint: str = ""


class MetricDefinition(Definition):
    """One type of metric: its settings, what it needs of the data, and the metric it makes."""

    __slots__ = ()

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with the known good answer."""
        return False

    @property
    def takes_reference_alone(self) -> bool:
        """Whether the reference is a right answer as it stands, with no form around it."""
        return self.needs_reference

    @property
    def asks_target(self) -> bool:
        """Whether the model that runs the prompt answers its questions."""
        return False

    @property
    def needs_baseline(self) -> bool:
        """Whether it looks at what the prompt that a run began with answers to a row."""
        return False

    @property
    def package(self) -> str:
        """What must be installed beside promptrl, by an extra of the type's name; empty when nothing must."""
        return ""

    def fitted(self, references: tuple[Any, ...]) -> Self:
        """The definition for these data, with what it takes from them.

        Raises:
            ConfigError: It can't be used on them; keys are relative to the metric.
        """
        return self

    def refusal(self, reference: Any) -> Refusal | None:
        """Why this reference can't be scored against; None when it can."""
        return None

    def metric(self, name: str) -> Metric:
        """The metric under its name in the config."""
        raise NotImplementedError


class Rule(MetricDefinition):
    """A metric that grades a text by itself."""

    __slots__ = ()

    def answer_in(self, text: str) -> str:
        """The part of a completion that is graded."""
        return text

    def grade(self, text: str, example: Example) -> Score:
        """Score the text that the model wrote, or the part of it that counts, against one row."""
        raise NotImplementedError

    def metric(self, name: str) -> "RuleMetric":
        """The rule under its name."""
        return RuleMetric(name, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRule(Rule):
    """A rule that compares the answer in a completion with the reference."""

    after: Annotated[Text | None, Setting("Only the text after its last occurrence counts; null: all of it.")] = None

    @property
    def needs_reference(self) -> bool:
        """Always."""
        return True

    def answer_in(self, text: str) -> str:
        """What follows the last occurrence of ``after``; when it does not occur, all."""
        return text.rpartition(self.after)[2] if self.after else text


@dataclass(frozen=True, slots=True)
class RuleMetric:
    """A rule under its name in the config.

    Attributes:
        name: As the config calls it.
        rule: What grades.
        calls_per_answer: A rule asks nobody.
    """

    name: str
    rule: Rule
    calls_per_answer: int = 0

    def open(self, context: MetricContext) -> "RuleMetric":
        """It is ready as it is."""
        return self

    def score_many(self, batch: Sequence[Pair]) -> list[Score]:
        """Score each completion by itself; no model is asked."""
        return [self.score(example, completion) for example, completion in batch]

    def score(self, example: Example, completion: Completion) -> Score:
        """Grade the answer in the completion; a completion with a fault scores 0."""
        if completion.fault:
            return Score(0.0, completion.fault)
        return self.rule.grade(self.rule.answer_in(completion.text), example)


def right_or_wrong(is_right: bool, reason: str) -> Score:
    """1, or 0 with the reason."""
    return Score(1.0) if is_right else Score(0.0, reason)


def in_quotes(text: str, length: int = 60) -> str:
    """The text on one line, cut, in quotes."""
    line = " ".join(text[: 4 * length].split())
    return repr(line if len(line) <= length else line[: length - 1] + "…")


def parameter_error(parameter: str, message: str, hint: str = "") -> ConfigError:
    """The error for one wrong parameter of a metric."""
    return ConfigError([Problem(parameter, message, hint)])
