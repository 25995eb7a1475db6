"""A target and metrics that a program hands over itself, in place of names that a config could look up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import Completion, Messages, Target
from promptrl.llm.targets.python import GIVEN, PythonTarget, TargetFunction
from promptrl.tasks.metrics.base import Metric
from promptrl.tasks.metrics.python import FunctionMetric, MetricFunction

_KEPT = ("params", "timeout_s", "max_retries", "price", "concurrency", "requests_per_minute", "tokens_per_minute")
"""Keys of a ``target`` block that say how a given target is called."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a program handed over.

    Attributes:
        target: The model; None: the config names it.
        metrics: By name.
    """

    target: Target | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def named_in(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The blocks of a config that must change for what is given to have a name there, and a weight.

        Args:
            data: The config as plain data.
        """
        changed: dict[str, Any] = {}
        if self.target is not None:
            block = data.get("target")
            kept = {key: block[key] for key in _KEPT if key in block} if isinstance(block, dict) else {}
            changed["target"] = {**kept, "type": "python", "function": f"{GIVEN}:{_word(self.target)}"}
        if self.metrics:
            block = data.get("reward")
            reward = dict(block) if isinstance(block, dict) else {}
            changed["reward"] = {**reward, "metrics": self._entries(reward.get("metrics") or ())}
        return changed

    def _entries(self, listed: Any) -> Any:
        """The entries of ``reward.metrics``, those of given metrics filled in; one that is not listed weighs 1."""
        if not isinstance(listed, list | tuple):
            return listed
        entries, missing = [], dict(self.metrics)
        for entry in listed:
            name = entry.get("name") if isinstance(entry, dict) and "type" not in entry else None
            is_given = isinstance(name, str) and missing.pop(name, None) is not None
            entries.append({**entry, **_entry(name)} if is_given and isinstance(name, str) else entry)
        return [*entries, *(_entry(name) for name in missing)]


NOTHING = Given()
"""The config names everything itself."""


def given(
    target: Target | TargetFunction | None, metrics: Sequence[Metric | MetricFunction] | Metric | MetricFunction
) -> Given:
    """Make targets and metrics of functions.

    Raises:
        ConfigError: It is neither what is needed nor a function, or two metrics have one name.
    """
    found: dict[str, Metric] = {}
    for position, one in enumerate(metrics if isinstance(metrics, list | tuple) else [metrics]):
        metric = _metric(one, position)
        if metric.name in found:
            raise ConfigError([Problem(f"metrics.{position}", f"two metrics are called {metric.name!r}")])
        found[metric.name] = metric
    return Given(None if target is None else _target(target), found)


class _KeptOpen:
    """A target that stays open after a run: it belongs to the program."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def identity(self) -> str:
        return self._target.identity

    @property
    def name(self) -> str:
        return self._target.name if isinstance(self._target, PythonTarget) else type(self._target).__name__

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        return await self._target.complete(messages, params)

    async def aclose(self) -> None:
        """Leave that to the program."""


def _target(target: Any) -> Target:
    if isinstance(target, Target):
        return _KeptOpen(target)
    if callable(target):
        return _KeptOpen(PythonTarget(target))
    expected = "expected a function of messages and params, or a Target"
    raise ConfigError([Problem("target", f"got {type(target).__name__}, {expected}")])


def _metric(metric: Any, position: int) -> Metric:
    if hasattr(metric, "name") and hasattr(metric, "open"):
        made: Metric = metric
        return made
    if callable(metric):
        return FunctionMetric(_identifier(getattr(metric, "__name__", type(metric).__name__)), metric)
    expected = "expected a function of example and completion, or a Metric"
    raise ConfigError([Problem(f"metrics.{position}", f"got {type(metric).__name__}, {expected}")])


def _entry(name: str) -> dict[str, str]:
    return {"type": "python", "function": f"{GIVEN}:{_identifier(name)}", "name": name}


def _word(target: Target) -> str:
    return _identifier(target.name if isinstance(target, _KeptOpen) else type(target).__name__)


def _identifier(name: str) -> str:
    """The name as a config can hold it; a lambda has none."""
    return re.sub(r"\W+", "_", name).strip("_") or "function"
