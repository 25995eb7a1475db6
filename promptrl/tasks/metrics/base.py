"""What a metric is, and what all of them share: faults score 0, and ``after`` cuts the answer out of the completion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import Completion
from promptrl.tasks.dataset import Example


@dataclass(frozen=True, slots=True)
class Score:
    """How good a completion is.

    Attributes:
        value: In [0, 1].
        reason: Why it is less than 1, in a few words; quotes model text, so treat it as hostile.
    """

    value: float
    reason: str = ""


class Metric(Protocol):
    """Scores completions."""

    @property
    def name(self) -> str:
        """As the config calls it; unique in a run."""

    def score(self, example: Example, completion: Completion) -> Score:
        """Score one completion. A bad completion is data and scores 0; nothing that a model writes raises."""


class Rule:
    """How one type of metric grades a text. The fields of a subclass are its parameters in YAML."""

    __slots__ = ()

    needs_reference: ClassVar[bool] = False
    takes_after: ClassVar[bool] = False

    @classmethod
    def build(cls, params: Mapping[str, Any], references: tuple[Any, ...]) -> Self:
        """Make the rule from its parameters and from all references of the data.

        Raises:
            ConfigError: A parameter is wrong; keys are relative to the metric.
        """
        return cls(**params)

    def refusal(self, reference: Any) -> str:
        """Why this reference can't be scored against, naming what was expected; empty when it can."""
        return ""

    def grade(self, text: str, example: Example) -> Score:
        """Score the text."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class RuleMetric:
    """A rule under its name in the config.

    Attributes:
        name: As the config calls it.
        rule: What grades.
        after: Only what follows its last occurrence is graded; when it does not occur, or is None, all is.
    """

    name: str
    rule: Rule
    after: str | None = None

    def score(self, example: Example, completion: Completion) -> Score:
        """Grade the answer in the completion; a completion with a fault scores 0."""
        if completion.fault:
            return Score(0.0, completion.fault)
        text = completion.text
        return self.rule.grade(text.rpartition(self.after)[2] if self.after else text, example)


def right_or_wrong(is_right: bool, reason: str) -> Score:
    """1, or 0 with the reason."""
    return Score(1.0) if is_right else Score(0.0, reason)


def excerpt(text: str, length: int = 60) -> str:
    """The text on one line, cut, in quotes."""
    line = " ".join(text[: 4 * length].split())
    return repr(line if len(line) <= length else line[: length - 1] + "…")


def parameter_error(parameter: str, message: str, hint: str = "") -> ConfigError:
    """The error for one wrong parameter of a metric."""
    return ConfigError([Problem(parameter, message, hint)])
