"""Hill climbing over edits in the manner of GrIPS (Prasad et al. 2023), with what makes it strong under noise."""

from functools import partial

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.asking import Asker
from promptrl.search.baselines.drawing import edited, new_prompts
from promptrl.search.baselines.field import Field
from promptrl.search.candidates import Candidate

CANDIDATES = 6
MAX_EDITS = 2
PATIENCE = 3
KICK = 3
REFINE_SHARE = 0.2


def search(asker: Asker, rng: np.random.Generator, rows_per_prompt: int) -> list[Candidate]:
    """Climb from the baseline; after ``PATIENCE`` steps without gain go on from a random edit of the best.

    As in GrIPS a step proposes candidates one or two edits away and scores them. Here candidates and the present
    prompt meet on the same new rows, and a candidate takes over only after it has as many answers again.

    Args:
        asker: Asks and remembers.
        rng: Draws everything random.
        rows_per_prompt: Rows of a step.

    Returns:
        Candidates, best first.
    """
    field = Field(asker, rng)
    reserve = int(REFINE_SHARE * asker.calls_left)
    current, failures = asker.space.baseline, 0
    while not asker.is_over and asker.calls_left > reserve:
        near = _neighbours(field, current)
        if not field.ask_together([current, *near], rows_per_prompt) and not near:
            break
        better = _winner(field, current, near, rows_per_prompt)
        failures = 0 if better != current else failures + 1
        current = better
        if failures >= PATIENCE or not near:
            best = field.standings()[0].prompt
            current = best if best != current else edited(asker.space, best, KICK, rng)
            failures = 0
    field.refine(asker.calls_left, rows_per_prompt)
    return field.standings()


def _neighbours(field: Field, current: Prompt) -> list[Prompt]:
    """New prompts one edit away, filled up with some that are two."""
    space, rng = field.asker.space, field.rng
    found: dict[str, Prompt] = {}
    for n_edits in range(1, MAX_EDITS + 1):
        for prompt in new_prompts(field, partial(edited, space, current, n_edits, rng), CANDIDATES):
            if len(found) < CANDIDATES:
                found.setdefault(prompt.prompt_id, prompt)
    return list(found.values())


def _winner(field: Field, current: Prompt, near: list[Prompt], rows_per_prompt: int) -> Prompt:
    """The present prompt, or the candidate that leads it twice."""
    ids = {prompt.prompt_id for prompt in (current, *near)}
    for is_sure in (False, True):
        leader = next((c.prompt for c in field.standings() if c.prompt.prompt_id in ids), current)
        if leader == current or is_sure:
            return leader
        field.ask_together([current, leader], 2 * rows_per_prompt)
    return current
