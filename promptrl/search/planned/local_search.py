"""Posterior sampling with local search instead of an agent (Thompson 1933); all else as in the planning loop."""

import numpy as np

from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.result import Candidate
from promptrl.search.threads import one_blas_thread
from promptrl.search.trials import Trials


def search(trials: Trials, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Ask what single edits make best under draws from the surrogate, until the calls are spent."""
    return search_by_rules(trials, PlanningRules(rows_per_prompt=rows_per_prompt), rng)


@one_blas_thread()
def search_by_rules(trials: Trials, rules: PlanningRules, rng: np.random.Generator) -> list[Candidate]:
    """The same with all rules open to choice.

    Args:
        trials: Asks and remembers.
        rules: How the loop works.
        rng: Draws everything random.
    """
    planner = Planner(trials, rules, None, rng)
    spend(planner)
    return planner.conclude(None)


def spend(planner: Planner) -> None:
    """Ask until the calls are spent, or nothing is left to ask."""
    planner.begin()
    planner.report(env_steps=0)
    while not planner.trials.is_over and planner.advance(None):
        planner.report(env_steps=0)
