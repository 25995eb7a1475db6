"""Random search: prompts drawn uniformly, then more rows for those that lead."""

import numpy as np

from promptrl.search.baselines.drawing import new_prompts
from promptrl.search.baselines.field import Field
from promptrl.search.baselines.variables import Variables
from promptrl.search.result import Candidate
from promptrl.search.trials import Asker

REFINE_SHARE = 0.4
BATCH = 8


def search(asker: Asker, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Draw prompts and ask each on a few rows; spend the last two fifths of the calls on the leaders.

    Args:
        asker: Asks and remembers.
        rng: Draws everything random.
        rows_per_prompt: Rows for a new prompt.

    Returns:
        Candidates, best first.
    """
    field, variables = Field(asker, rng), Variables(asker.space)
    reserve = int(REFINE_SHARE * asker.calls_left)
    field.ask_each([asker.space.baseline], rows_per_prompt)
    while not asker.is_over and asker.calls_left > reserve:
        prompts = new_prompts(field, lambda: variables.draw(rng), BATCH)
        if not field.ask_each(prompts, rows_per_prompt):
            break
    field.refine(rows_per_prompt)
    return field.standings()
