"""The rule python: a function of the user's own, which is code that they trust."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from promptrl.errors import ConfigError, Problem, PromptrlError
from promptrl.llm.base import Completion
from promptrl.llm.targets.python import load_function
from promptrl.settings import FunctionName
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricContext, Pair, Rule, Score, as_score, in_quotes

MetricFunction = Callable[[Example, Completion], float | tuple[float | None, str] | Score | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonMetric(Rule):
    """A function of the user's.

    It is called as ``function(completion, reference, row)`` with the text of the completion, the reference and the
    whole row as a dict. It gives back a number in [0, 1], true or false, or a pair of such a value and the reason for
    it; None or NaN where it can't tell: the score is missing, and a run with more than 5 % of them stops. It is
    imported when the metric is opened, not before: checking a config must not run code.
    """

    summary: ClassVar[str] = "A Python function that gives a score; code that you trust."

    function: FunctionName
    loaded: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def opened(self, code_folder: Path | None) -> Self:
        """Import the function, so that one that is missing is found before a call is paid for."""
        return replace(self, loaded=load_function(self.function, code_folder, key="reward.metrics"))

    def grade(self, text: str, example: Example) -> Score:
        """Call the function.

        Raises:
            ConfigError: It raised an error, or gave back something else than a score; a fault of the metric is not one
                of the completion.
        """
        function = self.loaded or load_function(self.function, None, key="reward.metrics")
        return _called(self.function, function, example, text, example.reference, dict(example.raw))


@dataclass(frozen=True, slots=True)
class FunctionMetric:
    """A function of example and completion that a program hands over.

    Attributes:
        name: As the config calls it.
        function: It gives back a number in [0, 1], true or false, None or NaN where it can't tell, a pair of such a
            value and the reason for it, or a ``Score``.
        calls_per_answer: It asks nobody.
    """

    name: str
    function: MetricFunction
    calls_per_answer: int = 0

    def open(self, context: MetricContext) -> "FunctionMetric":
        """It is ready as it is."""
        return self

    def score_many(self, batch: Sequence[Pair]) -> list[Score]:
        """Call the function for each; a completion with a fault scores 0.

        Raises:
            ConfigError: As ``PythonMetric.grade``.
        """
        return [self._score(example, completion) for example, completion in batch]

    def _score(self, example: Example, completion: Completion) -> Score:
        if completion.fault:
            return Score(0.0, completion.fault)
        return _called(self.name, self.function, example, example, completion)


def _called(name: str, function: Callable[..., Any], example: Example, *arguments: Any) -> Score:
    """What a function gives back, as a score."""
    try:
        result = function(*arguments)
    except PromptrlError:
        raise
    except (Exception, SystemExit) as error:
        raise _fault(name, example, f"raised {type(error).__name__}: {error}") from error
    try:
        return as_score(result)
    except ValueError as error:
        raise _fault(name, example, str(error)) from error


def _fault(function: str, example: Example, what: str) -> ConfigError:
    return ConfigError([Problem("reward.metrics", f"{function} {in_quotes(what, 200)[1:-1]} on row {example.id}")])
