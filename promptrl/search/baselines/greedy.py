"""Hill climbing over edits in the manner of GrIPS (Prasad et al. 2023), with what makes it strong under noise."""

from functools import partial

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import BaselineSettings
from promptrl.search.baselines.drawing import edited, new_prompts
from promptrl.search.baselines.population import Population
from promptrl.search.context import SearchContext
from promptrl.search.result import SearchResult
from promptrl.search.trials import Trials

CANDIDATES = 6
RIVALS = 1
MAX_EDITS = 4
REFINE_SHARE = 0.2


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Climb from the baseline: each step scores candidates one edit away from the best prompt so far.

    Against GrIPS, which accepts by one comparison on a fixed set of rows: candidates, the best prompt and its first
    rival are asked on the same new rows at every step, and who leads is judged by all answers so far, so that a lucky
    step is taken back. As long as the best prompt stays, candidates are two, three and four edits away, then one again.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows of a step.
    """
    trials, rng = Trials(context), np.random.default_rng(context.seed)
    population = Population(trials, rng)
    population.ask_each([trials.space.baseline], settings.rows_per_prompt)
    best, stayed = trials.space.baseline, 0
    while not trials.is_over and trials.has_left(REFINE_SHARE):
        leaders = population.leaders(1 + RIVALS) or [best]
        stayed = stayed + 1 if leaders[0] == best else 0
        best = leaders[0]
        near = _neighbours(population, best, 1 + stayed % MAX_EDITS)
        if not near:
            break
        population.ask_together([*leaders, *near], settings.rows_per_prompt)
    population.refine(settings.rows_per_prompt)
    return trials.result(population.ranking())


def _neighbours(population: Population, prompt: Prompt, n_edits: int) -> list[Prompt]:
    """New prompts so many edits away, or more where there are none."""
    for distance in range(n_edits, n_edits + len(population.trials.space.slot_order) + 1):
        near = new_prompts(
            population, partial(edited, population.trials.space, prompt, distance, population.rng), CANDIDATES
        )
        if near:
            return near
    return []
