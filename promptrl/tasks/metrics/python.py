"""Functions of the user's own as metrics: the type python, and functions that a program hands over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from promptrl.llm.base import Completion
from promptrl.llm.targets.user_functions import check_call, load_function
from promptrl.settings import FunctionName, Setting
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricContext, MetricDefinition, Pair, Score
from promptrl.tasks.metrics.trusted import GRADING_TIMEOUT_S, TrustedMetric

MetricFunction = Callable[[Example, Completion], float | tuple[float | None, str] | Score | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonMetric(MetricDefinition):
    """A function of the user's.

    It is called as ``function(completion, reference, row)`` with the text of the completion, the reference and the
    whole row as a dict. It gives back a number in [0, 1], true or false, or a pair of such a value and the reason for
    it; None or NaN where it can't tell: the score is missing, as where it takes too long, and a run with more than 5 %
    of them stops. It is imported when the metric is opened, not before: checking a config must not run code.
    """

    summary: ClassVar[str] = "A Python function that gives a score; code that you trust."

    function: FunctionName
    timeout_s: Annotated[
        float, Setting("Seconds that it may take for one answer; after that the score is missing.", gt=0)
    ] = GRADING_TIMEOUT_S

    def metric(self, name: str) -> TrustedMetric:
        """The function under its name in the config."""
        return TrustedMetric(name, NamedFunction(name, self.function), timeout_s=self.timeout_s)


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function that the config names as ``module:function``; it asks nobody."""

    name: str
    function: str
    calls_per_answer: int = 0

    def open(self, context: MetricContext) -> "FunctionMetric":
        """Import the function, so that one that is missing is found before a call is paid for.

        Raises:
            ConfigError: It can't be imported, or not be called in this way.
        """
        function = load_function(self.function, context.code_folder, key="reward.metrics")
        check_call(function, ("completion", "reference", "row"), self.function, "reward.metrics")
        return FunctionMetric(
            self.name, lambda example, completion: function(completion.text, example.reference, dict(example.raw))
        )


@dataclass(frozen=True, slots=True)
class FunctionMetric:
    """A function of example and completion.

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

    def score_many(self, batch: Sequence[Pair]) -> list[Any]:
        """Whatever the function gives for each."""
        return [self.function(example, completion) for example, completion in batch]
