"""Which rows the proposed prompts are asked on: new to the prompt, those asked least by all first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.result import Candidate
from promptrl.search.trials import Trials

RowAsk = tuple[Prompt, int]
"""A prompt and the index of a train row."""

DRAWS_FOR_FREE_ROWS = 50
RIVAL_SDS = 3.0
"""A prompt whose mean is so many deviations below the leader's is asked no more where the leader knows all rows."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A prompt to ask.

    Attributes:
        prompt: It.
        is_uniform: Whether it was drawn uniformly from the space.
    """

    prompt: Prompt
    is_uniform: bool


class RowChoice:
    """Gives rows to proposals, and counts how often each row was asked.

    Args:
        trials: The door to the model.
        rows_each: Rows that a proposed prompt is asked on.
        rng: Breaks ties.
    """

    def __init__(self, trials: Trials, rows_each: int, rng: np.random.Generator) -> None:
        self._trials = trials
        self._rows_each = rows_each
        self._rng = rng
        self._asked = np.zeros(len(trials.rows), dtype=np.int64)

    def choose(self, proposals: Sequence[Proposal], leaders: Sequence[Candidate]) -> tuple[list[RowAsk], list[bool]]:
        """Pairs to ask, and which are uniform; a prompt that knows all rows makes way for the most promising one.

        None, where no prompt that may be the best has rows left: uniform ones alone would find none.

        Args:
            proposals: Prompts to ask.
            leaders: Every prompt asked, the best first.
        """
        others = rivals(leaders)
        asks: list[RowAsk] = []
        uniform: list[bool] = []
        taken: defaultdict[str, set[int]] = defaultdict(set)
        for proposal in proposals:
            prompt, free = self._with_free_rows([proposal.prompt, *others], taken)
            order = sorted(self._rng.permutation(len(free)), key=lambda at: self._asked[free[at]])
            for at in order[: self._rows_each]:
                asks.append((prompt, free[at]))
                uniform.append(proposal.is_uniform and prompt is proposal.prompt)
                taken[prompt.prompt_id].add(free[at])
                self._asked[free[at]] += 1
        nobody_left = all(uniform) and not all(proposal.is_uniform for proposal in proposals)
        return ([], []) if nobody_left else (asks, uniform)

    def _with_free_rows(self, prompts: Sequence[Prompt], taken: defaultdict[str, set[int]]) -> tuple[Prompt, list[int]]:
        """The first of the prompts that has rows left, else one that nobody has asked, and its rows."""
        known = self._trials.records
        drawn = (self._trials.space.draw(self._rng) for _ in range(DRAWS_FOR_FREE_ROWS))
        for prompt in chain(prompts, (prompt for prompt in drawn if prompt.prompt_id not in known)):
            used = taken[prompt.prompt_id]
            free = [r for r in self._trials.untried_rows(prompt) if r not in used]
            if free:
                return prompt, free
        return prompts[0], []


def rivals(leaders: Sequence[Candidate]) -> list[Prompt]:
    """The prompts asked that may be the best of them, the most promising first."""
    by_promise = sorted(leaders, key=lambda c: -(c.mean + c.sd))
    return [c.prompt for c in by_promise if c.mean + RIVAL_SDS * c.sd >= leaders[0].mean]
