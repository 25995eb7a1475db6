"""Every answer that a search has, and what the prompts that were asked hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

OUTLIERS = 0.02
"""Share of the answers at either end that may lie beyond what counts as 0 or 1: a cost without limit has outliers."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All answers of one moment as arrays.

    Attributes:
        features: What each prompt holds, shape (n_prompts, n_features).
        prompt: Number of the prompt of each answer, shape (n,).
        row: Its row, shape (n,).
        objective: Its objective, shape (n,).
        low: What counts as 0: 0, or below it where more than a few objectives are.
        high: Likewise what counts as 1.
        scaled: The objectives within [0, 1], shape (n,).
    """

    features: Bools
    prompt: Indices
    row: Indices
    objective: Floats
    low: float
    high: float
    scaled: Floats

    def by_prompt(self, values: Floats) -> Floats:
        """Sum over the answers of each prompt, shape (n_prompts,)."""
        return np.asarray(np.bincount(self.prompt, values, len(self.features)), dtype=np.float64)

    def by_row(self, values: Floats, n_rows: int) -> Floats:
        """Sum over the answers on each row, shape (n_rows,)."""
        return np.asarray(np.bincount(self.row, values, n_rows), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class AnswerList:
    """Answers in the order in which they came.

    Attributes:
        prompt_ids: Of the prompts, in order of their first answers.
        features: What each prompt holds, shape (n_prompts, n_features).
        prompt: Number of the prompt of each answer, shape (n,).
        row: Its row, shape (n,).
        objective: Its objective, shape (n,).
    """

    prompt_ids: tuple[str, ...]
    features: Bools
    prompt: Indices
    row: Indices
    objective: Floats


class Answers:
    """Takes in answers one by one.

    Args:
        n_features: Features of a prompt.
    """

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._numbers: dict[str, int] = {}
        self._features: list[Bools] = []
        self._prompt: list[int] = []
        self._row: list[int] = []
        self._objective: list[float] = []

    def __len__(self) -> int:
        return len(self._objective)

    def add(self, prompt_id: str, features: Bools, row: int, objective: float) -> None:
        """Take in one answer: which prompt, what it holds (shape (n_features,)), the row's number, the objective."""
        number = self._numbers.setdefault(prompt_id, len(self._numbers))
        if number == len(self._features):
            self._features.append(features)
        self._prompt.append(number)
        self._row.append(row)
        self._objective.append(objective)

    def extend(self, others: AnswerList, start: int = 0, end: int | None = None) -> None:
        """Take in those of a list, or some of them."""
        for at in range(len(others.objective))[start:end]:
            number = int(others.prompt[at])
            features, row = others.features[number], int(others.row[at])
            self.add(others.prompt_ids[number], features, row, float(others.objective[at]))

    def listed(self) -> AnswerList:
        """All answers, in the order in which they came."""
        return AnswerList(
            prompt_ids=tuple(self._numbers),
            features=np.array(self._features, dtype=np.bool_).reshape(-1, self._n_features),
            prompt=np.array(self._prompt, dtype=np.intp),
            row=np.array(self._row, dtype=np.intp),
            objective=np.array(self._objective, dtype=np.float64),
        )

    def numbers(self, prompt_ids: Sequence[str]) -> Indices:
        """The number of each prompt in order of its first answer, -1 without any, shape (k,)."""
        return np.array([self._numbers.get(prompt_id, -1) for prompt_id in prompt_ids], dtype=np.intp)

    def evidence(self) -> Evidence:
        """All of them as arrays."""
        listed = self.listed()
        objective = listed.objective
        most = np.quantile(objective, [OUTLIERS, 1 - OUTLIERS]) if len(objective) else np.array([0.0, 1.0])
        low, high = min(0.0, float(most[0])), max(1.0, float(most[1]))
        return Evidence(
            features=listed.features,
            prompt=listed.prompt,
            row=listed.row,
            objective=objective,
            low=low,
            high=high,
            scaled=np.clip((objective - low) / (high - low), 0.0, 1.0),
        )
