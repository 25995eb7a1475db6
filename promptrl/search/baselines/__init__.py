"""Searches without an agent, strong of their kind: what the agent's claims are measured against.

All work through the same ``Trials`` as the agents: same calls, same rows, same finalists after them.
"""

from collections.abc import Mapping

from promptrl.search.algorithms import BASELINES, Baseline
from promptrl.search.baselines import direct, evolution, greedy, halving, random, thompson, tpe
from promptrl.search.baselines.settings import BaselineSettings
from promptrl.search.context import Search, SearchContext
from promptrl.search.result import SearchResult

__all__ = ["BASELINES", "Baseline", "BaselineSettings", "search_by"]

_SEARCHES: Mapping[str, Search[BaselineSettings]] = {
    "random": random.search,
    "greedy": greedy.search,
    "evolution": evolution.search,
    "halving": halving.search,
    "direct": direct.search,
    "thompson": thompson.search,
    "tpe": tpe.search,
}


def search_by(name: str, context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Search with the baseline of that name; there is no agent, and ``env_steps`` counts the prompts asked.

    Raises:
        TargetError: The model can't be asked any more.
    """
    return _SEARCHES[name](context, settings)
