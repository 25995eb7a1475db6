"""Hill climbing over edits in the manner of GrIPS (Prasad et al. 2023), with what makes it strong under noise."""

from functools import partial

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.baselines.drawing import edited, new_prompts
from promptrl.search.baselines.field import Field
from promptrl.search.result import Candidate
from promptrl.search.trials import Asker

CANDIDATES = 6
RIVALS = 1
MAX_EDITS = 4
REFINE_SHARE = 0.2


def search(asker: Asker, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Climb from the baseline: each step scores candidates one edit away from the prompt that stands best.

    Against GrIPS, which accepts by one comparison on a fixed set of rows: candidates, the best prompt and its first
    rival meet on new rows at every step, and who leads is judged by all answers so far, so that a lucky step is taken
    back. As long as the best prompt stays, candidates are two, three and four edits away, then one again.

    Args:
        asker: Asks and remembers.
        rng: Draws everything random.
        rows_per_prompt: Rows of a step.

    Returns:
        Candidates, best first.
    """
    field = Field(asker, rng)
    reserve = int(REFINE_SHARE * asker.calls_left)
    field.ask_each([asker.space.baseline], rows_per_prompt)
    best, stayed = asker.space.baseline, 0
    while not asker.is_over and asker.calls_left > reserve:
        leaders = field.leaders(1 + RIVALS) or [best]
        stayed = stayed + 1 if leaders[0] == best else 0
        best = leaders[0]
        near = _neighbours(field, best, 1 + stayed % MAX_EDITS)
        if not near:
            break
        field.ask_together([*leaders, *near], rows_per_prompt)
    field.refine(rows_per_prompt)
    return field.standings()


def _neighbours(field: Field, prompt: Prompt, n_edits: int) -> list[Prompt]:
    """New prompts so many edits away, or more where there are none."""
    for distance in range(n_edits, n_edits + len(field.asker.space.slot_order) + 1):
        near = new_prompts(field, partial(edited, field.asker.space, prompt, distance, field.rng), CANDIDATES)
        if near:
            return near
    return []
