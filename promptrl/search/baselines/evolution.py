"""A steady-state genetic search: crossover and edits among the prompts that stand best."""

from functools import partial

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import BaselineSettings
from promptrl.search.baselines.drawing import crossed, edited, new_prompts
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.context import SearchContext
from promptrl.search.result import SearchResult
from promptrl.search.trials import Trials

FOUNDERS = 12
FOUNDERS_SHARE = 0.2
CHILDREN = 4
ELDERS = 2
POPULATION = 6
TOURNAMENT = 3
CROSSOVER_CHANCE = 0.7
REFINE_SHARE = 0.2


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Breed from the best prompts so far; the leaders get new rows together with their children.

    Steady state as in GENITOR (Whitley 1989): there are no generations to wait for, everyone asked stays eligible.
    Against noise help shrunken means and asking parents again rather than by many rows a child.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows for a child.
    """
    trials, rng = Trials(context), np.random.default_rng(context.seed)
    population, variables = Population(trials, rng), Variables(trials.space)
    count = max(1, min(FOUNDERS, int(FOUNDERS_SHARE * trials.calls_left) // settings.rows_per_prompt))
    founders = new_prompts(population, lambda: variables.draw(rng), count)
    population.ask_together([trials.space.baseline, *founders], settings.rows_per_prompt)
    while not trials.is_over and trials.has_left(REFINE_SHARE):
        leaders = population.leaders(POPULATION)
        if not leaders:
            break
        children = new_prompts(population, partial(_child, population, leaders), CHILDREN)
        if not population.ask_together([*leaders[:ELDERS], *children], settings.rows_per_prompt) and not children:
            break
    population.refine(settings.rows_per_prompt)
    return trials.result(population.ranking())


def _child(population: Population, parents: list[Prompt]) -> Prompt:
    """Of two parents, or of one; edited once or twice unless crossover made something new."""
    space, rng = population.trials.space, population.rng
    child = _parent(parents, rng)
    if rng.random() < CROSSOVER_CHANCE:
        child = crossed(space, child, _parent(parents, rng), rng)
    if population.has(child) or rng.random() < 0.5:
        child = edited(space, child, int(rng.integers(1, 3)), rng)
    return child


def _parent(parents: list[Prompt], rng: np.random.Generator) -> Prompt:
    """The best of a few drawn; the parents are sorted."""
    return parents[int(rng.integers(len(parents), size=TOURNAMENT).min())]
