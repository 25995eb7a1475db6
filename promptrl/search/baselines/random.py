"""Random search: prompts drawn uniformly, then more rows for those that lead."""

import numpy as np

from promptrl.search.baselines.drawing import new_prompts
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.result import Candidate
from promptrl.search.trials import Trials

REFINE_SHARE = 0.4
BATCH = 8


def search(trials: Trials, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Draw prompts and ask each on a few rows; spend the last two fifths of the calls on the leaders.

    Args:
        trials: Asks and remembers.
        rng: Draws everything random.
        rows_per_prompt: Rows for a new prompt.

    Returns:
        Candidates, best first.
    """
    population, variables = Population(trials, rng), Variables(trials.space)
    reserve = int(REFINE_SHARE * trials.calls_left)
    population.ask_each([trials.space.baseline], rows_per_prompt)
    while not trials.is_over and trials.calls_left > reserve:
        prompts = new_prompts(population, lambda: variables.draw(rng), BATCH)
        if not population.ask_each(prompts, rows_per_prompt):
            break
    population.refine(rows_per_prompt)
    return population.ranking()
