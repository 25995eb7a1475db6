"""A steady-state genetic search: crossover and edits among the prompts that stand best."""

from functools import partial

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.baselines.drawing import crossed, edited, new_prompts
from promptrl.search.baselines.field import Field
from promptrl.search.baselines.variables import Variables
from promptrl.search.result import Candidate
from promptrl.search.trials import Asker

FOUNDERS = 12
FOUNDERS_SHARE = 0.2
CHILDREN = 4
ELDERS = 2
POPULATION = 6
TOURNAMENT = 3
CROSSOVER_CHANCE = 0.7
REFINE_SHARE = 0.2


def search(asker: Asker, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Breed from the prompts that stand best; the leaders get new rows together with their children.

    Steady state as in GENITOR (Whitley 1989): there are no generations to wait for, everyone asked stays eligible.
    Noise is met by shrunken means and by asking parents again rather than by many rows a child.

    Args:
        asker: Asks and remembers.
        rng: Draws everything random.
        rows_per_prompt: Rows for a child.

    Returns:
        Candidates, best first.
    """
    field, variables = Field(asker, rng), Variables(asker.space)
    reserve = int(REFINE_SHARE * asker.calls_left)
    count = max(1, min(FOUNDERS, int(FOUNDERS_SHARE * asker.calls_left) // rows_per_prompt))
    founders = new_prompts(field, lambda: variables.draw(rng), count)
    field.ask_together([asker.space.baseline, *founders], rows_per_prompt)
    while not asker.is_over and asker.calls_left > reserve:
        population = field.leaders(POPULATION)
        if not population:
            break
        children = new_prompts(field, partial(_child, field, population), CHILDREN)
        if not field.ask_together([*population[:ELDERS], *children], rows_per_prompt) and not children:
            break
    field.refine(rows_per_prompt)
    return field.standings()


def _child(field: Field, population: list[Prompt]) -> Prompt:
    """Of two parents, or of one; edited once or twice unless crossover made something new."""
    space, rng = field.asker.space, field.rng
    child = _parent(population, rng)
    if rng.random() < CROSSOVER_CHANCE:
        child = crossed(space, child, _parent(population, rng), rng)
    if field.has(child) or rng.random() < 0.5:
        child = edited(space, child, int(rng.integers(1, 3)), rng)
    return child


def _parent(population: list[Prompt], rng: np.random.Generator) -> Prompt:
    """The best of a few drawn; the population is sorted."""
    return population[int(rng.integers(len(population), size=TOURNAMENT).min())]
