"""The rule python: a function of the user's own, which is code that they trust."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from promptrl.errors import ConfigError, Problem
from promptrl.llm.targets.python import load_function
from promptrl.settings import FunctionName
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import Rule, Score, excerpt


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonMetric(Rule):
    """A function of the user's.

    It is called as ``function(completion, reference, row)`` with the text of the completion, the reference and the
    whole row as a dict. It gives back a number in [0, 1], true or false, or a pair of such a value and the reason for
    it. It is imported when the metric is opened, not before: checking a config must not run code.
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
        try:
            result = function(text, example.reference, dict(example.raw))
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
