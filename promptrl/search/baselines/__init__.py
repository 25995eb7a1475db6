"""Searches without an agent, strong of their kind: what the agent's claims are measured against.

All work through the same ``Trials`` as the agents: same calls, same rows, same finalists after them.
"""

from collections.abc import Callable, Mapping

import numpy as np

from promptrl.search.algorithms import BASELINES, Baseline
from promptrl.search.baselines import direct, evolution, greedy, halving, random, tpe
from promptrl.search.planned import local_search
from promptrl.search.result import Candidate, SearchResult
from promptrl.search.trials import Trials

__all__ = ["BASELINES", "Baseline", "search_by"]

Search = Callable[[Trials, np.random.Generator, int], list[Candidate]]

_SEARCHES: Mapping[Baseline, Search] = {
    "random": random.search,
    "greedy": greedy.search,
    "evolution": evolution.search,
    "halving": halving.search,
    "direct": direct.search,
    "thompson": local_search.search,
    "tpe": tpe.search,
}


def search_by(name: Baseline, trials: Trials, seed: int, rows_per_prompt: int = 1) -> SearchResult:
    """Search until the calls are spent or nothing is left to ask.

    Args:
        name: Which baseline.
        trials: Asks and remembers.
        seed: Of everything random here.
        rows_per_prompt: Rows that a new prompt is first asked on.

    Returns:
        The candidates, best first; there is no agent, and ``env_steps`` counts the prompts asked.

    Raises:
        TargetError: The model can't be asked any more.
    """
    candidates = _SEARCHES[name](trials, np.random.default_rng(seed), rows_per_prompt)
    return SearchResult(tuple(candidates), trials.stop_reason, len(trials.records), trials.calls_used, None)
