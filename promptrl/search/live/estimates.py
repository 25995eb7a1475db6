"""What this run's answers say about prompts so far: an additive model, shrunken, updated after every batch.

The objective of prompt p on row r is taken as ``intercept + Σ effects of the edits p holds + misfit of p +
difficulty of r + noise``, every term but the intercept normal around 0 with a variance learned from the data
(empirical Bayes by expectation-maximisation, Dempster et al. 1977; rows are removed by backfitting). So an edit's
effect is a shrunken running mean over all prompts that hold it, corrected for which rows were easy, and a prompt
that was asked is pulled from the model's prediction towards its own answers. It fills the observation's effect
columns and ranks the candidates; no verdict rests on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from promptrl.search.surrogate.data import Floats

PRIOR_SD = {"effect": 0.10, "misfit": 0.05, "row": 0.25, "noise": 0.35}
PRIOR_WEIGHT = 10.0
INTERCEPT_SD = 2.0
BACKFITS = 2


@dataclass(frozen=True, slots=True)
class Draw:
    """One imagined truth from the posterior: what a prompt would be worth if it held.

    Attributes:
        weights: Effects, shape (n_features + 1,), the intercept last.
        seed: Names the misfits of this truth; None = no misfit is imagined (the posterior mean).
    """

    weights: Floats
    seed: int | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A prompt that was asked and its posterior.

    Attributes:
        index: Its position in the order of first answers.
        mean: Expected objective over all rows.
        sd: Posterior standard deviation.
        answers: Rows it was asked on.
    """

    index: int
    mean: float
    sd: float
    answers: int


class Estimates:
    """Collects answers and holds the posterior over effects and prompts.

    Args:
        n_features: How many edits a prompt may hold (columns of the design).
    """

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features
        self._index: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        self._asked: set[tuple[int, int]] = set()
        self._design: list[NDArray[np.bool_]] = []
        self._answers: list[tuple[int, int, float]] = []
        self._variance = {name: sd**2 for name, sd in PRIOR_SD.items()}
        self._difficulty = np.zeros(0)
        self._clear_fit()

    def __len__(self) -> int:
        """Prompts that the posterior has answers of."""
        return len(self._counts)

    def add(self, prompt_id: str, holds: NDArray[np.bool_], row_id: str, objective: float) -> None:
        """Take in one answer; a pair seen before adds no evidence. ``fit`` makes it count.

        Args:
            prompt_id: 12 hex digits.
            holds: Which edits the prompt holds, shape (n_features,).
            row_id: The example.
            objective: Its objective.
        """
        p = self._index.setdefault(prompt_id, len(self._index))
        r = self._rows.setdefault(row_id, len(self._rows))
        if (p, r) in self._asked:
            return
        if p == len(self._design):
            self._design.append(holds)
        self._asked.add((p, r))
        self._answers.append((p, r, objective))

    def has(self, prompt_id: str, row_id: str) -> bool:
        """Whether this pair was answered."""
        return (self._index.get(prompt_id, -1), self._rows.get(row_id, -1)) in self._asked

    def fit(self) -> None:
        """Update the posterior to every answer taken in."""
        if not self._answers:
            return
        table = np.asarray(self._answers)
        p, r, y = table[:, 0].astype(np.intp), table[:, 1].astype(np.intp), table[:, 2]
        design = _with_intercept(np.stack(self._design))
        n_p, n_r = np.bincount(p), np.bincount(r, minlength=len(self._rows))
        difficulty = np.concatenate([self._difficulty, np.zeros(len(self._rows) - len(self._difficulty))])
        for _ in range(BACKFITS):
            means = np.bincount(p, y - difficulty[r]) / n_p
            self._fit_effects(design, means, n_p)
            residual = y - self._value[p]
            difficulty = np.bincount(r, residual) / (n_r + self._variance["noise"] / self._variance["row"])
        self._difficulty = difficulty
        self._update_variances(residual - difficulty[r], p, n_r)

    def expected(self, design: Floats, known: NDArray[np.intp]) -> Floats:
        """Posterior mean of prompts, shape (k,).

        Args:
            design: What each holds and a 1, shape (k, n_features + 1).
            known: Where ``find`` saw them, shape (k,); -1 = never asked.
        """
        value: Floats = design @ self._weights
        return np.where(known >= 0, self._value[known], value) if len(self) else value

    def imagined(self, draw: Draw, design: Floats, known: NDArray[np.intp], keys: NDArray[np.uint64]) -> Floats:
        """Value of prompts under a draw, shape (k,).

        Args:
            draw: The truth imagined.
            design: As in ``expected``.
            known: As in ``expected``.
            keys: The prompts' ids as numbers (``prompt_keys``), shape (k,).
        """
        if draw.seed is None:
            return self.expected(design, known)
        value: Floats = design @ draw.weights
        noise = _normal(keys, draw.seed)
        misfit: Floats = np.sqrt(self._variance["misfit"]) * noise
        if len(self):
            pulled = self._pull[known] * (self._mean[known] - value) + np.sqrt(self._spread[known]) * noise
            misfit = np.where(known >= 0, pulled, misfit)
        return value + misfit

    def effect_sd(self, change: Floats, known: NDArray[np.intp], known_now: int) -> Floats:
        """Standard deviation of the difference between prompts and the present one, shape (k,).

        Args:
            change: Their design minus that of the present prompt, shape (k, n_features + 1).
            known: As in ``expected``.
            known_now: The same for the present prompt.
        """
        variance = np.square(change @ self._half).sum(axis=1)
        unknown = self._variance["misfit"]
        variance = variance + (np.where(known >= 0, self._spread[known], unknown) if len(self) else unknown)
        if known_now >= 0:
            unknown = self._spread[known_now]
        return np.where(np.any(change != 0, axis=1), np.sqrt(variance + unknown), 0.0)

    def answers(self, known: NDArray[np.intp]) -> NDArray[np.intp]:
        """How many rows each prompt was asked on, 0 where ``known`` is -1."""
        return np.where(known >= 0, self._counts[known], 0) if len(self) else np.zeros(len(known), dtype=np.intp)

    def find(self, prompt_ids: Sequence[str]) -> NDArray[np.intp]:
        """Positions in the order of first answers, -1 for prompts that the fit does not know."""
        found = (self._index.get(prompt_id, -1) for prompt_id in prompt_ids)
        return np.fromiter((i if i < len(self) else -1 for i in found), dtype=np.intp, count=len(prompt_ids))

    def draw(self, rng: np.random.Generator) -> Draw:
        """One truth from the posterior (for exploration as in Thompson 1933)."""
        noise = self._half @ rng.standard_normal(self.n_features + 1)
        return Draw(self._weights + noise, int(rng.integers(2**63)))

    def posterior_mean(self) -> Draw:
        """The posterior mean as a draw."""
        return Draw(self._weights, None)

    def ranking(self) -> list[Ranked]:
        """Every prompt asked, the best posterior mean first."""
        order = np.argsort(-self._value, kind="stable")
        sd = np.sqrt(self._spread + np.square(self._known_design @ self._half).sum(axis=1) * (1 - self._pull) ** 2)
        return [Ranked(int(i), float(self._value[i]), float(sd[i]), int(self._counts[i])) for i in order]

    def _clear_fit(self) -> None:
        prior = np.append(np.full(self.n_features, self._variance["effect"]), INTERCEPT_SD**2)
        self._weights = np.zeros(self.n_features + 1)
        self._half = np.diag(np.sqrt(prior))
        self._known_design = np.zeros((0, self.n_features + 1))
        self._counts = np.zeros(0, dtype=np.intp)
        self._value = self._mean = self._pull = self._spread = np.zeros(0)

    def _fit_effects(self, design: Floats, means: Floats, n_p: NDArray[np.intp]) -> None:
        """Ridge regression of prompt means on what the prompts hold; then each prompt's own misfit."""
        misfit, noise = self._variance["misfit"], self._variance["noise"]
        weight = 1 / (misfit + noise / n_p)
        precision = design.T @ (design * weight[:, None])
        precision[np.diag_indices_from(precision)] += 1 / np.append(
            np.full(self.n_features, self._variance["effect"]), INTERCEPT_SD**2
        )
        root = np.linalg.cholesky(precision)
        self._half = solve_triangular(root, np.eye(len(root)), lower=True).T
        self._weights = self._half @ (self._half.T @ (design.T @ (weight * means)))
        additive = design @ self._weights
        self._pull = misfit * weight
        self._spread = misfit * (1 - self._pull)
        self._value = additive + self._pull * (means - additive)
        self._mean, self._counts, self._known_design = means, n_p, design

    def _update_variances(self, error: Floats, p: NDArray[np.intp], n_r: NDArray[np.intp]) -> None:
        """One step of expectation-maximisation, steadied by ``PRIOR_WEIGHT`` imagined observations per variance."""
        noise, row = self._variance["noise"], self._variance["row"]
        held = self._known_design[:, :-1].any(axis=0)
        effect_square = np.square(self._weights[:-1]) + np.square(self._half[:-1]).sum(axis=1)
        misfit_square = np.square(self._value - self._known_design @ self._weights) + self._spread
        row_square = np.square(self._difficulty) + 1 / (1 / row + n_r / noise)
        noise_square = np.square(error) + self._spread[p]
        for name, square in (
            ("effect", effect_square[held]),
            ("misfit", misfit_square),
            ("row", row_square),
            ("noise", noise_square),
        ):
            prior = PRIOR_WEIGHT * PRIOR_SD[name] ** 2
            self._variance[name] = float((prior + square.sum()) / (PRIOR_WEIGHT + len(square)))


def prompt_keys(prompt_ids: Sequence[str]) -> NDArray[np.uint64]:
    """Prompt ids as numbers, for ``Estimates.imagined``."""
    return np.array([int(prompt_id, 16) for prompt_id in prompt_ids], dtype=np.uint64)


def _with_intercept(holds: NDArray[np.bool_]) -> Floats:
    return np.hstack([holds, np.ones((len(holds), 1))]).astype(np.float64)


def _normal(keys: NDArray[np.uint64], seed: int) -> Floats:
    """The same standard normal for the same key and seed, without memory (SplitMix64, then Box and Muller)."""
    uniform = [(_splitmix(keys ^ np.uint64(seed), lane) >> np.uint64(11)) * 2.0**-53 for lane in (1, 2)]
    normal: Floats = np.sqrt(-2 * np.log1p(-uniform[0])) * np.cos(2 * np.pi * uniform[1])
    return normal


def _splitmix(keys: NDArray[np.uint64], lane: int) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = keys * np.uint64(0x9E3779B97F4A7C15) + np.uint64((lane * 0xD1B54A32D192ED03) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
