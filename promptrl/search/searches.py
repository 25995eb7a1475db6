"""The search of every algorithm, whatever it is: the one way in.

Above all searches, so that nothing below knows them; imports only what an algorithm needs, when it is asked for.
"""

from functools import partial
from importlib import import_module
from typing import Any

from promptrl.search.algorithms import ALGORITHMS, AgentSettings
from promptrl.search.context import Search, SearchContext
from promptrl.search.result import SearchResult


def load_search(name: str, *, from_builtin: bool = False) -> Search[Any]:
    """The search of an algorithm, which takes the settings that the algorithm names.

    Args:
        name: One of ``ALGORITHMS``.
        from_builtin: Whether an agent that plans starts from the policy that ships with the package.

    Raises:
        ImportError: A baseline has no module of its name, or a package is missing.
    """
    if not ALGORITHMS[name].is_agent:
        search: Search[Any] = import_module(f"promptrl.search.baselines.{name}").search
        return search
    return partial(_search_with_agent, name, from_builtin)


def _search_with_agent(name: str, from_builtin: bool, context: SearchContext, chosen: AgentSettings) -> SearchResult:
    if chosen.planning == "none":
        return _learn_live(name, context, chosen)
    return _plan(name, from_builtin, context, chosen)


def _plan(name: str, from_builtin: bool, context: SearchContext, chosen: AgentSettings) -> SearchResult:
    from promptrl.search.planned.planner import PlanningRules
    from promptrl.search.planned.search import BUILTIN_POLICY, IMAGINED_ENVS, PlannedSettings, search_planned

    settings = PlannedSettings(
        **_agent(name, chosen),
        rules=PlanningRules(rows_per_prompt=chosen.rows_per_prompt, imagined_steps=chosen.imagined_steps),
        n_envs=chosen.n_envs or IMAGINED_ENVS,
        weights=BUILTIN_POLICY if from_builtin else None,
    )
    return search_planned(context, settings)


def _learn_live(name: str, context: SearchContext, chosen: AgentSettings) -> SearchResult:
    from promptrl.search.live.search import LIVE_ENVS, LiveSettings, search_live

    settings = LiveSettings(
        **_agent(name, chosen), rows_per_prompt=chosen.rows_per_prompt, n_envs=chosen.n_envs or LIVE_ENVS
    )
    return search_live(context, settings)


def _agent(name: str, chosen: AgentSettings) -> dict[str, Any]:
    """What an ``AgentChoice`` holds."""
    return {"algorithm": name, "policy": chosen.policy, "params": chosen.params, "max_edits": chosen.max_edits}
