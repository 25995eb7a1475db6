"""A target and metrics that a program hands over itself, in place of names that a config could look up."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promptrl.config.blocks import Issue
from promptrl.errors import ConfigError, Problem, show, suggest
from promptrl.llm.base import Completion, Messages, RenamingTarget, RepeatingTarget, Target
from promptrl.llm.targets.function_identity import lasting_identity
from promptrl.llm.targets.python import PythonTarget, TargetFunction, faults_told
from promptrl.llm.targets.user_functions import GIVEN, check_call
from promptrl.tasks.metrics.base import Metric
from promptrl.tasks.metrics.python import FunctionMetric, MetricFunction
from promptrl.tasks.metrics.trusted import TrustedMetric

_KEPT = ("params", "timeout_s", "max_retries", "price", "concurrency", "requests_per_minute", "tokens_per_minute")
"""Keys of a ``target`` block that say how a given target is called."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenTarget:
    """A model that a program handed over.

    Attributes:
        name: For the config.
        identity: The same for the same model in every process.
        open: Makes the target; closing that leaves open what belongs to the program.
    """

    name: str
    identity: str
    open: Callable[[], Target]


@dataclass(frozen=True, slots=True)
class Given:
    """What a program handed over.

    Attributes:
        target: The model; None: the config names it.
        metrics: By name.
    """

    target: GivenTarget | None = None
    metrics: Mapping[str, TrustedMetric] = field(default_factory=dict)

    @property
    def identities(self) -> dict[str, str]:
        """What a run that goes on must be given again: by ``target`` and ``metrics.NAME``."""
        target = {} if self.target is None else {"target": self.target.identity}
        return target | {f"metrics.{name}": _identity_of(metric) for name, metric in self.metrics.items()}

    def named_in(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Issue]]:
        """The blocks of a config that must change for what is given to have a name there, and a weight.

        Args:
            data: The config as plain data.

        Returns:
            changed: By name.
            issues: Entries of ``reward.metrics`` with a name that nothing given bears.
        """
        changed: dict[str, Any] = {}
        issues: list[Issue] = []
        if self.target is not None:
            block = data.get("target")
            kept = {key: block[key] for key in _KEPT if key in block} if isinstance(block, dict) else {}
            changed["target"] = {**kept, "type": "python", "function": f"{GIVEN}:{_identifier(self.target.name)}"}
        if self.metrics:
            block = data.get("reward")
            reward = dict(block) if isinstance(block, dict) else {}
            changed["reward"] = {**reward, "metrics": self._entries(reward.get("metrics") or (), issues)}
        return changed, issues

    def _entries(self, listed: Any, issues: list[Issue]) -> Any:
        """The entries of ``reward.metrics``, those of given metrics filled in; one that is not listed weighs 1."""
        if not isinstance(listed, list | tuple):
            return listed
        entries, missing = [], dict(self.metrics)
        for position, entry in enumerate(listed):
            name = entry.get("name") if isinstance(entry, dict) and "type" not in entry else None
            if isinstance(name, str) and name not in self.metrics:
                message = f"is missing, and no metric called {show(name)} is given"
                issues.append(Issue(("reward", "metrics", str(position), "type"), message, suggest(name, self.metrics)))
            is_given = isinstance(name, str) and missing.pop(name, self.metrics.get(name)) is not None
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
    found: dict[str, TrustedMetric] = {}
    for position, one in enumerate(metrics if isinstance(metrics, list | tuple) else [metrics]):
        metric = _metric(one, position)
        if metric.name in found:
            raise ConfigError([Problem(f"metrics.{position}", f"two metrics are called {metric.name!r}")])
        found[metric.name] = metric
    return Given(None if target is None else _target(target), found)


class _ProgramsTarget:
    """A target that belongs to the program: it stays open after a run, and its errors are told by its name."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._name = type(target).__name__

    @property
    def identity(self) -> str:
        return self._target.identity

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        with faults_told(self._name):
            return await self._target.complete(messages, params)

    async def complete_repeat(self, messages: Messages, params: Mapping[str, Any], repeat: int) -> Completion:
        """Tell the answers apart if the target can."""
        if not isinstance(self._target, RepeatingTarget):
            return await self.complete(messages, params)
        with faults_told(self._name):
            return await self._target.complete_repeat(messages, params, repeat)

    def sent_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The names that the target has learned, if it learns any."""
        return self._target.sent_params(params) if isinstance(self._target, RenamingTarget) else params

    async def aclose(self) -> None:
        """Leave that to the program."""


def _target(target: Any) -> GivenTarget:
    if isinstance(target, Target) and not isinstance(target, type):
        if not isinstance(identity := target.identity, str):
            raise ConfigError([Problem("target", f"its identity is {type(identity).__name__}, expected text")])
        return GivenTarget(type(target).__name__, identity, partial(_ProgramsTarget, target))
    if callable(target):
        check_call(target, ("messages", "params"), _name_of(target), "target")
        return GivenTarget(_name_of(target), lasting_identity(target), partial(PythonTarget, target))
    expected = "expected a function of messages and params, or a Target"
    raise ConfigError([Problem("target", f"got {type(target).__name__}, {expected}")])


def _metric(metric: Any, position: int) -> TrustedMetric:
    key = f"metrics.{position}"
    if hasattr(metric, "name") and hasattr(metric, "open"):
        calls = getattr(metric, "calls_per_answer", None)
        if not isinstance(metric.name, str):
            raise ConfigError([Problem(f"{key}.name", f"got {show(metric.name)}, expected text")])
        if not isinstance(calls, int) or isinstance(calls, bool) or calls < 0:
            message = f"got {show(calls)} from {metric.name}, expected a whole number of at least 0"
            raise ConfigError([Problem(f"{key}.calls_per_answer", message, "0 for a metric that asks no model")])
        return TrustedMetric(metric.name, metric, calls)
    if callable(metric):
        name = _identifier(_name_of(metric))
        check_call(metric, ("example", "completion"), name, key)
        return TrustedMetric(name, FunctionMetric(name, metric))
    expected = "expected a function of example and completion, or a Metric"
    raise ConfigError([Problem(key, f"got {type(metric).__name__}, {expected}")])


def _identity_of(metric: TrustedMetric) -> str:
    held = metric.metric
    return lasting_identity(held.function if isinstance(held, FunctionMetric) else held)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _entry(name: str) -> dict[str, str]:
    return {"type": "python", "function": f"{GIVEN}:{_identifier(name)}", "name": name}


def _identifier(name: str) -> str:
    """The name as a config can hold it; a lambda has none."""
    return re.sub(r"\W+", "_", name).strip("_") or "function"
