"""The arms of the search benchmark: one function each from (world, calls, seed) to the prompt that it would ship.

An arm is written ``NAME`` or ``NAME:key=value,key=value``; the keys go to the search as they are, those of
``PlanningRules`` and ``SurrogateRules`` too. Names are ``planned`` (an agent in the learned model), ``thompson``
(local search in it), ``live`` (an agent on the live model), those of ``promptrl.search.baselines``, of
``allocations.py`` and of ``peers.py``. Ours search with the share of the calls that ``plan_calls`` leaves them and ask
the finalists on validation rows with the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from benchmarks.allocations import ALLOCATIONS, allocation
from benchmarks.peers import PEERS, peer
from benchmarks.worlds import Arm, ArmResult, World
from promptrl.experiment.call_plan import plan_calls
from promptrl.search.algorithms import ALGORITHMS, BASELINES, DEFAULT_ALGORITHM, AgentSettings
from promptrl.search.context import SearchContext
from promptrl.search.posterior import posterior_of
from promptrl.search.result import SearchResult
from promptrl.search.searches import load_search
from promptrl.search.surrogate.state import SurrogateRules
from promptrl.selection.finalists import choose_winner

if TYPE_CHECKING:
    from promptrl.search.planned.planner import PlanningRules

ABLATIONS = (
    "planned",
    "planned:weights=builtin",
    "planned:imagined_steps=0",
    *(f"planned:algorithm={name}" for name in ("ppo", "a2c", "dqn", "qrdqn")),
    "thompson",
    "thompson:exploration_scale=[0, 0]",
    "thompson:uniform_share=1",
    "thompson:with_pairs=false",
    "thompson:with_triples=false",
    "thompson:with_pairs=false, with_triples=false",
    "thompson:with_rows=false",
    *(f"thompson:rows_per_prompt={rows}" for rows in (2, 5, 20)),
)
"""What each part of the planned search is worth, with local search in place of the agent where it plays no part:
the shipped policy, practice, each algorithm; then the agent itself, posterior draws (without: the best by the mean),
choice of asks (without: all uniform), pairs (triples make up for them in part), triples, both, row effects, one row a
prompt."""

Search = Callable[[SearchContext], SearchResult]


def find_arm(spec: str) -> Arm:
    """The arm of that name, with its settings.

    Raises:
        SystemExit: There is none.
    """
    name, _, settings = spec.partition(":")
    params = yaml.safe_load("{" + settings.replace("=", ": ") + "}")
    if name in _OURS:
        return with_finals(partial(_OURS[name], params))
    if name in BASELINES:
        return with_finals(partial(_baseline, name, params))
    if name in PEERS:
        return peer(name, params)
    if name in ALLOCATIONS:
        return allocation(name, params)
    raise SystemExit(f"there is no arm {name!r}; there are {', '.join([*_OURS, *BASELINES, *ALLOCATIONS, *PEERS])}")


def with_finals(search: Search) -> Arm:
    """A search as a run does it, but that nothing is kept back for pruning: the winner is chosen in the finals."""

    def arm(world: World, max_calls: int, seed: int) -> ArmResult:
        plan = plan_calls(max_calls, len(world.validation), test_rows=0)
        evaluator = world.evaluator(max_calls, plan.validation)
        began = process_time()
        found = search(SearchContext(world.space, world.train, evaluator, seed))
        finals = choose_winner(
            found.candidates,
            posterior_of(found, world.validation),
            world.space.baseline,
            world.validation,
            evaluator,
            plan.validation,
            np.random.default_rng(seed),
        )
        seconds = process_time() - began - evaluator.seconds
        return ArmResult(finals.winner, evaluator.calls, evaluator.refused, seconds)

    return arm


def _live(settings: Mapping[str, Any], context: SearchContext) -> SearchResult:
    others = dict(settings)
    search = load_search(others.pop("algorithm", DEFAULT_ALGORITHM))
    return search(context, AgentSettings(planning="none", **others))


def _planned(settings: Mapping[str, Any], context: SearchContext) -> SearchResult:
    """Not by ``load_search``: the settings of a run have no rules to switch off."""
    from promptrl.search.planned.search import BUILTIN_POLICY, PlannedSettings, search_planned

    of_agent, others = _split(settings, PlannedSettings)
    if "weights" in of_agent:
        of_agent["weights"] = BUILTIN_POLICY if of_agent["weights"] == "builtin" else Path(of_agent["weights"])
    return search_planned(context, PlannedSettings(rules=_rules(others), **of_agent))


def _thompson(settings: Mapping[str, Any], context: SearchContext) -> SearchResult:
    from promptrl.search.planned.local_search import search_locally

    return search_locally(context, _rules(settings))


def _rules(settings: Mapping[str, Any]) -> "PlanningRules":
    from promptrl.search.planned.planner import PlanningRules

    of_surrogate, others = _split(settings, SurrogateRules)
    rules: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in others.items()}
    return PlanningRules(surrogate=SurrogateRules(**of_surrogate), **rules)


def _split(settings: Mapping[str, Any], definition: type[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that a dataclass has, and the others."""
    names = {field.name for field in fields(definition)}
    own = {name: value for name, value in settings.items() if name in names}
    return own, {name: value for name, value in settings.items() if name not in names}


def _baseline(name: str, settings: Mapping[str, Any], context: SearchContext) -> SearchResult:
    return load_search(name)(context, ALGORITHMS[name].settings(**settings))


_OURS: Mapping[str, Callable[[Mapping[str, Any], SearchContext], SearchResult]] = {
    "live": _live,
    "planned": _planned,
    "thompson": _thompson,
}
