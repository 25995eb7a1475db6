"""Worlds to search in: a space of prompts, rows to score them on, and the answer of every prompt on every row.

A world stands in for a model. It answers without asking anyone, counts the calls that a search spends as the real
evaluator does, and knows what a prompt is worth on rows that no search sees.

No row is in two of four sets: *train* (the search), *validation* (the finals), *fresh* (what a prompt is worth) and
*oracle* (the best prompt of the space is chosen there, so that it owes nothing to the rows that it is scored on).
The share of the achievable gain is (fresh score − baseline's) / (oracle's − baseline's).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.table_evaluator import TableEvaluator
from promptrl.evaluation.outcome import Ask
from promptrl.prompts.building import make_slot_space
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

FloatArray = npt.NDArray[np.float64]


class Answers(Protocol):
    """What every prompt of a world scores."""

    def objectives(self, asks: Sequence[Ask]) -> FloatArray:
        """The objective of each pair of prompt and row, shape (len(asks),)."""

    def fresh_score(self, prompt: Prompt) -> float:
        """The mean objective of a prompt on the fresh rows."""

    def overall_score(self, prompt: Prompt) -> float:
        """Its mean objective on all rows that there are, or expected on any: with as little noise as can be had."""


@dataclass(frozen=True, slots=True)
class World:
    """One seed of one kind of world.

    Attributes:
        kind: Its name on the command line.
        seed: What was drawn from it: the landscape, or how the rows of a table are split.
        space: Its prompts.
        train: Rows for the search.
        validation: Rows for the finals.
        answers: What every prompt scores.
        oracle_score: Fresh score of the prompt that is best on the oracle rows; the mean where several tie there.

    Raises:
        ValueError: The oracle is no better than the baseline: nothing can be gained.
    """

    kind: str
    seed: int
    space: EditSpace
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    answers: Answers
    oracle_score: float

    def __post_init__(self) -> None:
        if self.oracle_score <= self.baseline_score:
            raise ValueError(f"{self.kind} seed {self.seed}: the oracle {self.oracle_score:.3f} gains nothing")

    @property
    def baseline_score(self) -> float:
        """Fresh score of the baseline."""
        return self.truth(self.space.baseline)

    def evaluator(self, max_calls: int, validation: int = 0) -> TableEvaluator:
        """A fresh start with so many calls, of which some are kept for the finals."""
        return TableEvaluator(self.answers.objectives, max_calls, validation)

    def truth(self, prompt: Prompt) -> float:
        """What a prompt is worth: its mean objective on the fresh rows."""
        return self.answers.fresh_score(prompt)

    def share(self, prompt: Prompt) -> float:
        """Share of the achievable gain; above 1 where the oracle's choice is not the best on the fresh rows."""
        baseline = self.baseline_score
        return (self.truth(prompt) - baseline) / (self.oracle_score - baseline)


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What an arm came to.

    Attributes:
        winner: The prompt it would ship.
        calls: Calls it spent in all.
        refused: Calls it asked for beyond the budget, which nobody answered.
        seconds: Processor time of its own computing.
    """

    winner: Prompt
    calls: int
    refused: int
    seconds: float


Arm = Callable[[World, int, int], ArmResult]


def baseline_first(means: FloatArray) -> list[int]:
    """The order of prompts that nobody came with: the one at the lower quartile is the baseline, the rest follow."""
    ranked = np.argsort(means, kind="stable")
    baseline = int(ranked[(len(ranked) - 1) // 4])
    return [baseline, *(i for i in range(len(means)) if i != baseline)]


def make_list_space(texts: Sequence[str]) -> tuple[EditSpace, list[Prompt]]:
    """A space of one slot with these options, and the prompt of each; the first is the baseline."""
    space = make_slot_space({"instruction": texts}, "{question}")
    return space, [space.apply(space.baseline, i) for i in range(len(texts))]


def make_rows(names: Sequence[str]) -> tuple[Example, ...]:
    """Rows that differ in their id only."""
    return tuple(Example(id=name, fields={"question": name}, reference="", raw={}) for name in names)
