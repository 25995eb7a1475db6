"""New prompts: drawn at random, or made from others."""

from collections.abc import Callable

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.baselines.population import Population

TRIES_PER_PROMPT = 20


def new_prompts(population: Population, make: Callable[[], Prompt], count: int) -> list[Prompt]:
    """Distinct prompts that were not asked yet; fewer than ``count`` when ``make`` hardly finds any."""
    found: dict[str, Prompt] = {}
    for _ in range(count * TRIES_PER_PROMPT):
        if len(found) == count:
            break
        prompt = make()
        if not population.has(prompt):
            found[prompt.prompt_id] = prompt
    return list(found.values())


def edited(space: EditSpace, prompt: Prompt, n_edits: int, rng: np.random.Generator) -> Prompt:
    """A prompt after so many random valid edits."""
    for _ in range(n_edits):
        valid = np.flatnonzero(space.mask(prompt)[:-1])
        if not len(valid):
            break
        prompt = space.apply(prompt, int(rng.choice(valid)))
    return prompt


def crossed(space: EditSpace, first: Prompt, second: Prompt, rng: np.random.Generator) -> Prompt:
    """Uniform crossover: the first prompt after each edit towards the second with probability 1/2."""
    held = space.holds(second)
    for action in rng.permutation(np.flatnonzero(held & ~space.holds(first))):
        if rng.random() < 0.5 and not space.holds(first)[action]:
            first = space.apply(first, int(action))
    return first
