"""Posterior sampling with local search instead of an agent (Thompson 1933); all else as in the planning loop."""

from dataclasses import replace

import numpy as np

from promptrl.search.context import SearchContext
from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.result import SearchResult
from promptrl.search.threads import one_blas_thread
from promptrl.search.trials import Trials


@one_blas_thread()
def search_locally(context: SearchContext, settings: PlanningRules) -> SearchResult:
    """Ask what single edits make best under draws from the surrogate, until the calls are spent.

    Args:
        context: What to search.
        settings: How the loop works.
    """
    trials = Trials(context, can_grow=True)
    planner = Planner(trials, settings, None, np.random.default_rng(context.seed))
    spend(planner)
    return replace(trials.result(planner.conclude(None)), surrogate=planner.surrogate.state())


def spend(planner: Planner) -> None:
    """Ask until the calls are spent, or nothing is left to ask."""
    planner.begin()
    planner.report(env_steps=0)
    is_exhausted = False
    while not planner.trials.is_over:
        if not planner.grow(is_exhausted=is_exhausted) and is_exhausted:
            break
        is_exhausted = not planner.advance(None)
        if not is_exhausted:
            planner.report(env_steps=0)
