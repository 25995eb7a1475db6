"""Worlds to search in: a space of prompts, rows to score them on, and the answer of every prompt on every row.

A world stands in for a model. It answers without asking anyone, counts the calls that a search spends as the real
evaluator does, and knows what a prompt is worth on rows that no search sees.

Four sets of rows never meet: *train* (the search), *validation* (the finals), *fresh* (what a prompt is worth) and
*oracle* (the best prompt of the space is chosen there, so that it owes nothing to the rows that it is scored on).
The share of the achievable gain is (fresh score − baseline's) / (oracle's − baseline's).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Protocol

import numpy as np
import numpy.typing as npt

from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.outcome import Ask, AskKey, Outcome
from promptrl.llm.base import Completion, Purpose
from promptrl.llm.engine.budget import Budget
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.tasks.dataset import Example

FloatArray = npt.NDArray[np.float64]

_NO_COMPLETION = Completion(text="")


class Answers(Protocol):
    """What every prompt of a world scores."""

    def objectives(self, asks: Sequence[Ask]) -> FloatArray:
        """The objective of each pair of prompt and row, shape (len(asks),)."""

    def fresh_score(self, prompt: Prompt) -> float:
        """The mean objective of a prompt on the fresh rows."""

    def overall_score(self, prompt: Prompt) -> float:
        """Its mean objective on all rows that there are, or expected on any: with as little noise as can be had."""


class WorldEvaluator:
    """Answers from a world and counts calls: what a search sees instead of ``promptrl.evaluation.evaluator.Evaluator``.

    Attributes:
        seconds: Processor time spent on answering, which is not the search's own.
        refused: Calls that were asked for beyond the budget.

    Args:
        answers: Of the world.
        max_calls: Of all purposes together.
        validation: Those of them that are kept for the finals.
    """

    def __init__(self, answers: Answers, max_calls: int, validation: int = 0) -> None:
        self.seconds = 0.0
        self.refused = 0
        self._answers = answers
        self._budget = Budget(max_calls=max_calls)
        if validation:
            self._budget.reserve_share("validation", validation)
        self._outcomes: dict[AskKey, Outcome] = {}

    @property
    def calls(self) -> int:
        """Calls spent, for all purposes."""
        return self._budget.spent.total

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome so far, in the order in which they were first asked."""
        return tuple(self._outcomes.values())

    def calls_left(self, purpose: Purpose) -> int:
        """Calls that may still be spent on a purpose."""
        return self._budget.calls_left(purpose)

    def would_cost(self, asks: Sequence[Ask], repeat: int = 0) -> int:
        """Calls that ``evaluate`` would spend on these pairs."""
        return len({key for key in self._keys(asks, repeat) if key not in self._outcomes})

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """One outcome per pair; pairs answered before are free.

        Raises:
            BudgetExhaustedError: The share can't pay for all new pairs; none was asked.
        """
        began = process_time()
        keys = self._keys(asks, repeat)
        new = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in self._outcomes}
        left = self.calls_left(purpose)
        if len(new) > left:
            self.refused += len(new) - left
            self._budget.exhaust("calls", f"{len(new)} calls needed for {purpose}, {left} left")
        if new:
            self._budget.take_calls(purpose, len(new))
            objectives = self._answers.objectives(list(new.values()))
            for key, objective in zip(new, objectives, strict=True):
                self._outcomes[key] = _outcome(key, purpose, float(objective))
        self.seconds += process_time() - began
        return [self._outcomes[key] for key in keys]

    def score(self, asks: Sequence[Ask]) -> list[float]:
        """The objectives of the first pairs that the calls left pay for, then none: for optimisers of others.

        Raises:
            BudgetExhaustedError: Not all of them; those that could be paid were asked.
        """
        paid: list[Ask] = []
        for ask in asks:
            if self.would_cost([*paid, ask]) > self.calls_left("search"):
                break
            paid.append(ask)
        outcomes = self.evaluate(paid)
        if len(paid) < len(asks):
            self.refused += len(asks) - len(paid)
            raise BudgetExhaustedError(f"{len(asks)} calls asked for, {len(paid)} left")
        return [outcome.objective for outcome in outcomes if outcome is not None]

    @staticmethod
    def _keys(asks: Sequence[Ask], repeat: int) -> list[AskKey]:
        ids: dict[int, str] = {}
        for prompt, _ in asks:
            if id(prompt) not in ids:
                ids[id(prompt)] = prompt.prompt_id
        return [(ids[id(prompt)], row.id, repeat) for prompt, row in asks]


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

    def evaluator(self, max_calls: int, validation: int = 0) -> WorldEvaluator:
        """A fresh start with so many calls, of which some are kept for the finals."""
        return WorldEvaluator(self.answers, max_calls, validation)

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


def make_rows(names: Sequence[str]) -> tuple[Example, ...]:
    """Rows that differ in their id only."""
    return tuple(Example(id=name, fields={"question": name}, reference="", raw={}) for name in names)


def _outcome(key: AskKey, purpose: Purpose, objective: float) -> Outcome:
    prompt_id, row_id, repeat = key
    scores = {"objective": objective}
    return Outcome(prompt_id, row_id, repeat, purpose, _NO_COMPLETION, scores, objective, objective)
