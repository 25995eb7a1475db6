"""Random search: prompts drawn uniformly, then more rows for those that lead."""

import numpy as np

from promptrl.search.algorithms import BaselineSettings
from promptrl.search.baselines.drawing import new_prompts
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.context import SearchContext
from promptrl.search.result import SearchResult
from promptrl.search.trials import Trials

REFINE_SHARE = 0.4
BATCH = 8


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Draw prompts and ask each on a few rows; spend the last two fifths of the calls on the leaders.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows for a new prompt.
    """
    trials, rng = Trials(context), np.random.default_rng(context.seed)
    population, variables = Population(trials, rng), Variables(trials.space)
    population.ask_each([trials.space.baseline], settings.rows_per_prompt)
    while not trials.is_over and trials.has_left(REFINE_SHARE):
        prompts = new_prompts(population, lambda: variables.draw(rng), BATCH)
        if not population.ask_each(prompts, settings.rows_per_prompt):
            break
    population.refine(settings.rows_per_prompt)
    return trials.result(population.ranking())
