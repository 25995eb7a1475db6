"""The objective of a run: metrics and costs as one number per row. It drives the search and ranks the finalists."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptrl.errors import ConfigError, Problem, nearest, show, suggest
from promptrl.llm.base import Completion
from promptrl.tasks.costs import COSTS

Cost = tuple[str, float, float]
"""Name, weight (below 0) and the amount that makes one unit."""


@dataclass(frozen=True, slots=True)
class Objective:
    """How scores and costs of one completion become one number.

    With weights w of scores m: ``weighted`` is sum(w m) / sum(w), ``product`` is the weighted geometric mean
    prod(m^(w / sum(w))), which is 0 as soon as one score is. Scores of weight 0 are recorded only. Costs are added on
    top: weight x amount / per.

    Attributes:
        combine: How scores are combined.
        weights: Weight of each metric by its name, 0 or more.
        costs: What is taken off, in tokens, seconds or US dollars.
        gate_metric: The metric that verdicts speak of; empty takes the first one with a positive weight.

    Raises:
        ConfigError: No weight is positive, a cost is unknown or not negative, or the gate metric is unknown.
    """

    combine: Literal["weighted", "product"]
    weights: Mapping[str, float]
    costs: tuple[Cost, ...] = ()
    gate_metric: str = ""

    def __post_init__(self) -> None:
        problems = [
            Problem("reward.metrics", f"the weight of {name} is {weight}, expected 0 or more")
            for name, weight in self.weights.items()
            if not weight >= 0
        ]
        problems += weight_problems(self.weights.values())
        for name, weight, per in self.costs:
            if name not in COSTS:
                problems.append(Problem("reward.metrics", f"there is no cost {name!r}", suggest(name, COSTS)))
            elif not (weight < 0 and per > 0):
                problems.append(Problem("reward.metrics", f"{name} needs a weight below 0 and a positive per"))
        problems += gate_problems(self.gate_metric or None, list(self.weights))
        if problems:
            raise ConfigError(problems)
        if not self.gate_metric:
            first = next(name for name, weight in self.weights.items() if weight > 0)
            object.__setattr__(self, "gate_metric", first)

    def unknown_cost(self, completion: Completion) -> str | None:
        """What the target did not report though it is a cost, and the way out; None when all is known."""
        try:
            for name, _, _ in self.costs:
                _amount(name, completion)
        except ConfigError as error:
            return str(error)
        return None

    def value(self, scores: Mapping[str, float], completion: Completion) -> float:
        """The objective of one completion.

        Args:
            scores: Value in [0, 1] by metric name.
            completion: Carries the amounts that costs are made of.

        Returns:
            At most 1; below 0 when costs outweigh scores.

        Raises:
            ConfigError: A cost is in the objective but the target does not report its amount. Of a completion with a
                fault, which scores 0, an unknown amount is free.
        """
        total = sum(self.weights.values())
        if self.combine == "weighted":
            combined = sum(weight * scores[name] for name, weight in self.weights.items()) / total
        else:
            combined = math.prod(scores[name] ** (weight / total) for name, weight in self.weights.items() if weight)
        return combined + sum(weight * _amount(name, completion) / per for name, weight, per in self.costs)


def weight_problems(weights: Iterable[float]) -> Iterator[Problem]:
    """Of the weights of all scores: one must count."""
    if not any(weight > 0 for weight in weights):
        yield Problem("reward.metrics", "no score has a positive weight", "costs alone can't say what is better")


def gate_problems(gate_metric: str | None, names: Sequence[str]) -> Iterator[Problem]:
    """Of the metric that verdicts speak of, if one is named: it must be one of the scores."""
    if gate_metric is not None and gate_metric not in names:
        near = nearest(gate_metric, names)
        expected = f"expected one of the scores: {', '.join(names)}" if names else "and there is no score at all"
        yield Problem("gate.metric", f"got {show(gate_metric)}, {expected}", f"did you mean {near}" if near else "")


def _amount(cost: str, completion: Completion) -> float:
    amount = COSTS[cost].amount(completion)
    if amount is not None:
        return amount
    if completion.fault:
        return 0.0
    message = f"the target does not report {cost}, so it can't be a cost"
    raise ConfigError([Problem("reward.metrics", message, COSTS[cost].remedy)])
