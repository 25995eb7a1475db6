"""Sequential halving in brackets: many prompts on few shared rows, the better half on twice as many, and so on."""

from math import ceil, isnan, log2

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import BaselineSettings
from promptrl.search.baselines.drawing import new_prompts
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.context import SearchContext
from promptrl.search.result import SearchResult
from promptrl.search.trials import Trials

MIN_BRACKET = 4


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Run brackets, each as large as the calls left pay for; the last one's winner joins the next one's population.

    Karnin et al. 2013 for one bracket; several as in Hyperband (Li et al. 2018), for budgets that one can't use up.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows of the first round.
    """
    trials, rng = Trials(context), np.random.default_rng(context.seed)
    population, variables = Population(trials, rng), Variables(trials.space)
    alive = [trials.space.baseline]
    while not trials.is_over:
        size = bracket_size(trials.calls_left, settings.rows_per_prompt, len(trials.rows))
        if size < MIN_BRACKET:
            break
        fresh = new_prompts(population, lambda: variables.draw(rng), size)
        if not fresh:
            break
        alive = _run_bracket(population, list(dict.fromkeys([*alive, *fresh])), settings.rows_per_prompt)
    population.refine(settings.rows_per_prompt)
    return trials.result(population.ranking())


def bracket_size(calls: int, rows_per_prompt: int, n_rows: int) -> int:
    """The most prompts that the calls pay for down to the last one, and that rows suffice for.

    ``n`` prompts cost ``n × rows`` in the first round and half of that in each later one.
    """
    most = 2 ** ceil(log2(max(2, n_rows / rows_per_prompt)))
    sizes = range(1, most + 1)
    return max((n for n in sizes if n * rows_per_prompt * (1 + log2(n) / 2) <= calls), default=0)


def _run_bracket(population: Population, alive: list[Prompt], rows_per_prompt: int) -> list[Prompt]:
    """Halve until one is left; everyone in a round is asked on the same new rows."""
    rows = rows_per_prompt
    population.ask_together(alive, rows)
    while len(alive) > 1 and not population.trials.is_over:
        answered = [prompt for prompt in alive if not isnan(population.mean(prompt))]
        alive = sorted(answered, key=population.mean, reverse=True)[: ceil(len(alive) / 2)]
        if len(alive) > 1:
            population.ask_together(alive, rows)
            rows *= 2
    return alive
