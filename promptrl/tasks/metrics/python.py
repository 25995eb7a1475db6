"""The rule python: a function of the user's own, which is code that they trust."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from promptrl.errors import ConfigError, Problem
from promptrl.llm.targets.python import load_function
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import Metric, Rule, RuleMetric, Score, excerpt, parameter_error


@dataclass(slots=True, kw_only=True)
class PythonRule(Rule):
    """Calls ``function(completion, reference, row)``.

    The function takes the text of the completion, the reference and the whole row as a dict. It gives back a number in
    [0, 1], true or false, or a pair of such a value and the reason for it. It is imported by ``import_functions``, not
    here: checking a config must not run code.
    """

    function: str
    loaded: Callable[..., Any] | None = field(default=None, repr=False)

    @classmethod
    def build(cls, params: Mapping[str, Any], references: tuple[Any, ...]) -> Self:
        """Check the form of the name alone."""
        if not re.fullmatch(r"[^:\s]+:[^:\s]+", params["function"]):
            raise parameter_error("function", f"got {params['function']!r}, expected module:function")
        return cls(function=params["function"])

    def grade(self, text: str, example: Example) -> Score:
        """Call the function.

        Raises:
            ConfigError: It raised an error, or gave back something else than a score; a fault of the metric is not one
                of the completion.
        """
        if self.loaded is None:
            self.loaded = load_function(self.function, None, key="reward.metrics")
        try:
            result = self.loaded(text, example.reference, dict(example.raw))
        except Exception as error:
            raise self._fault(example, f"raised {type(error).__name__}: {error}") from error
        value, reason = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if isinstance(value, str) or not 0 <= number <= 1:
            raise self._fault(example, f"gave {value!r}, expected a number from 0 to 1")
        return Score(number, str(reason))

    def _fault(self, example: Example, what: str) -> ConfigError:
        return ConfigError(
            [Problem("reward.metrics", f"{self.function} {excerpt(what, 200)[1:-1]} on row {example.id}")]
        )


def import_functions(metrics: Iterable[Metric], folder: Path | None = None) -> None:
    """Import the functions of ``python`` metrics, so that one that is missing is found before a call is paid for.

    Args:
        metrics: Of any types.
        folder: Where modules are looked for first, beside what is installed.

    Raises:
        ConfigError: A function can't be imported.
    """
    for metric in metrics:
        if isinstance(metric, RuleMetric) and isinstance(metric.rule, PythonRule):
            metric.rule.loaded = load_function(metric.rule.function, folder, key="reward.metrics")
