"""A posterior over the objective of every prompt: Bayesian regression on what prompts hold.

The log odds of the objective of prompt p on row r (with the identity link the objective itself) are taken as
``intercept + Σ effects + Σ pair effects + Σ triple effects + misfit of p + difficulty of r + noise``, all terms but the
intercept normal around 0; triples are met by random features (``triples.py``). Rows are integrated out exactly (Schur
complement of their diagonal block); the misfit of a prompt with n answers widens the noise of each of them to
``noise + n × misfit``, which gives the prompt's mean its right weight. Variances are chosen by marginal likelihood
(MacKay 1992) whenever the answers have grown by ``TUNE_AGAIN``. A fit goes over all answers; who asks in batches that
grow with them pays no more per answer. No verdict rests on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.special import expit

from promptrl.search.surrogate.data import Answers, Bools, Evidence, Floats, Indices
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.pairs import choose_pairs
from promptrl.search.surrogate.prior import Prior
from promptrl.search.surrogate.triples import PARITIES, RandomParityFeatures
from promptrl.search.surrogate.variances import TYPICAL, Link, Variances, most_probable
from promptrl.search.surrogate.working_model import Working

PRIOR_NOISE = 0.15
PRIOR_WEIGHT = 4.0
"""With the identity link the noise variance starts from ``PRIOR_NOISE`` as if so many residuals had been seen."""
FIRST_TUNING = 24
TUNE_AGAIN = 1.7
NEWTON_STEPS = 10
HALVINGS = 6
SETTLED = 0.1
"""Newton's steps end when no prompt's log odds move by more."""
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
STEEPEST = 5.0
"""Log odds beyond which an answer is taken for no more certain."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Imagined truths.

    Attributes:
        effects: Shape (n_draws, n_features + 1); the last column is 0 (no feature).
        pairs: Effects of the active pairs, shape (n_draws, n_pairs).
        parities: Effects of the parities, shape (n_draws, n_parities).
        intercept: Shape (n_draws,).
    """

    effects: Floats
    pairs: Floats
    parities: Floats
    intercept: Floats


@dataclass(frozen=True, slots=True)
class _Posterior:
    """What the answers say about weights (one per column) and rows.

    Attributes:
        root: Cholesky factor of the weights' precision, in units of the noise.
        mean: Of the weights.
        difficulty: Mean of each row's difficulty.
        noise: Variance of the noise.
        log_evidence: Log marginal likelihood, up to a constant.
    """

    root: Floats
    mean: Floats
    difficulty: Floats
    noise: float
    log_evidence: float


class _InColumns(NamedTuple):
    """A working model summed up by the surrogate's columns: for any variances but that of misfit the same."""

    working: Working
    xx: Floats
    xy: Floats
    row_x: Floats


class Surrogate:
    """Learns what prompts are worth from answers.

    Args:
        table: The features of a prompt.
        n_rows: Rows that prompts can be asked on.
        rng: Draws parities and, in large spaces, pairs.
        with_pairs: Whether pairs of features have effects of their own.
        with_triples: Whether three options together have, where there are three slots.
        with_rows: Whether rows differ in difficulty.
        link: What is linear: the objective itself, or its log odds.
    """

    def __init__(
        self,
        table: FeatureTable,
        n_rows: int,
        *,
        rng: np.random.Generator,
        with_pairs: bool = True,
        with_triples: bool = True,
        with_rows: bool = True,
        link: Link = "logit",
    ) -> None:
        self.n_features = len(table)
        self.n_rows = n_rows
        self._rng = rng
        self.parities = RandomParityFeatures(table.slot_of, rng, PARITIES if with_triples else 0)
        typical = TYPICAL[link]
        self.variances = replace(
            typical,
            pairs=typical.pairs if with_pairs else 0.0,
            triples=typical.triples if len(self.parities) else 0.0,
            rows=typical.rows if with_rows else 0.0,
        )
        self.noise = 1.0 if link == "logit" else PRIOR_NOISE
        self._typical = self.variances
        self._table = table
        self._with_pairs = with_pairs
        self._link = link
        self._prior = Prior(table, len(self.parities))
        self._answers = Answers(self.n_features)
        self._tune_at = FIRST_TUNING
        self.pairs: Indices = np.zeros((0, 2), dtype=np.intp)
        self._mean = np.zeros(self._prior.n_lasting)
        self._misfit = self._weight = np.zeros(0)
        self._difficulty = np.zeros(n_rows)
        self._choose_pairs()
        self.fit()

    @property
    def n_answers(self) -> int:
        """Answers taken in."""
        return len(self._answers)

    @property
    def n_columns(self) -> int:
        """Intercept, features, parities, active pairs."""
        return self._prior.n_lasting + len(self.pairs)

    def add(self, prompt_id: str, features: Bools, row: int, objective: float) -> None:
        """Take in an answer to a new question; ``fit`` makes it count.

        Args:
            prompt_id: Of the prompt.
            features: What it holds, shape (n_features,).
            row: Index of the example.
            objective: Its objective there.
        """
        self._answers.add(prompt_id, features, row, objective)

    def fit(self) -> None:
        """Update the posterior to every answer taken in."""
        is_due = self.n_answers >= self._tune_at
        if is_due:
            self._tune_at = int(TUNE_AGAIN * self.n_answers)
            self._choose_pairs()
        evidence = self._answers.evidence()
        self._low, self._high = evidence.low, evidence.high
        design = self._design(evidence.features)
        self._converge(evidence, design)
        if is_due:
            self.variances = most_probable(self.variances, self._typical, self._log_evidence(evidence, design))
            self._converge(evidence, design)

    def mean(self, features: Bools, prompt_ids: Sequence[str] | None = None) -> Floats:
        """The expected objective alone, as in ``moments``."""
        return self.moments(features, prompt_ids)[0]

    def sd(self, features: Bools, prompt_ids: Sequence[str] | None = None) -> Floats:
        """The standard deviation alone, as in ``moments``."""
        return self.moments(features, prompt_ids)[1]

    def moments(self, features: Bools, prompt_ids: Sequence[str] | None = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the objective over rows, each of shape (k,) (MacKay 1992, eq. 10).

        Args:
            features: Shape (k, n_features).
            prompt_ids: When given, prompts with answers are pulled towards them.
        """
        value, pull, misfit = self._latent(features, prompt_ids)
        spread = np.sqrt(self.noise * (self._explained(features) * (1 - pull) ** 2 + misfit))
        if self._link == "identity":
            return value, np.asarray(spread)
        flatter = np.sqrt(1 + np.pi / 8 * self.variances.rows)
        scores = expit((value[:, None] + spread[:, None] * NODES) / flatter)
        mean = scores @ NODE_WEIGHTS
        sd = np.sqrt(np.maximum(0.0, np.square(scores) @ NODE_WEIGHTS - np.square(mean)))
        span = self._high - self._low
        return self._low + span * mean, span * sd

    def covariance(self) -> Floats:
        """Posterior covariance of the single effects, shape (n_features, n_features)."""
        identity = np.eye(self.n_columns)[:, 1 : 1 + self.n_features]
        half = solve_triangular(self._root, identity, lower=True)
        return np.asarray(self.noise * half.T @ half)

    def draw(self, n: int, rng: np.random.Generator, exploration_scale: float = 1.0) -> Draws:
        """Truths from the posterior (for exploration as in Thompson 1933); misfit is left out.

        Args:
            n: How many.
            rng: Draws them.
            exploration_scale: What their distance from the mean is multiplied by.
        """
        noise = solve_triangular(self._root, rng.standard_normal((self.n_columns, n)), lower=True, trans="T")
        return self._as_draws(self._mean[:, None] + exploration_scale * np.sqrt(self.noise) * noise)

    def posterior_mean(self) -> Draws:
        """The posterior mean as the only draw."""
        return self._as_draws(self._mean[:, None])

    def _as_draws(self, weights: Floats) -> Draws:
        intercept, effects, parities, pairs = self._prior.split(weights.T)
        nothing = np.zeros_like(intercept)
        return Draws(np.hstack([effects, nothing]), pairs.copy(), parities.copy(), intercept[:, 0].copy())

    def _latent(self, features: Bools, prompt_ids: Sequence[str] | None) -> tuple[Floats, Floats, Floats]:
        """Expected value, how far answers pull it, and the variance of misfit that is left; on the linear scale."""
        value = self._design(features) @ self._mean
        numbers = self._answers.numbers(prompt_ids or ())
        pull = np.zeros(len(features))
        asked = np.flatnonzero((numbers >= 0) & (numbers < len(self._weight)))
        weight = self.variances.misfit * self._weight[numbers[asked]]
        pull[asked] = weight / (1 + weight)
        value[asked] += self._misfit[numbers[asked]]
        return value, pull, self.variances.misfit * (1 - pull)

    def _explained(self, features: Bools) -> Floats:
        """Variance of the value without misfit, in units of the noise, shape (k,)."""
        half = solve_triangular(self._root, self._design(features).T, lower=True)
        return np.asarray(np.square(half).sum(axis=0))

    def _design(self, features: Bools) -> Floats:
        pairs = features[:, self.pairs[:, 0]] & features[:, self.pairs[:, 1]]
        parities = self.parities.values(features)
        return np.hstack([np.ones((len(features), 1)), features, parities, pairs]).astype(np.float64)

    def _choose_pairs(self) -> None:
        """Choose the active pairs by the present effects; what is known of pairs that stay is kept."""
        if not self._with_pairs:
            return
        lasting, pairs = np.split(self._mean, [self._prior.n_lasting])
        known = {(int(i), int(j)): float(w) for (i, j), w in zip(self.pairs, pairs, strict=True)}
        strength = np.abs(lasting[1 : 1 + self.n_features])
        self.pairs = choose_pairs(strength, self._table.slot_of, self._table.crowd, self._rng)
        kept = [known.get((int(i), int(j)), 0.0) for i, j in self.pairs]
        self._mean = np.concatenate([lasting, kept])

    def _observe(self, evidence: Evidence, design: Floats) -> tuple[Floats, Floats]:
        """The answers as observations of a linear value, at the present weights: values and their weights."""
        if self._link == "identity":
            return evidence.objective, np.ones(len(evidence.objective))
        value = np.clip(self._values(evidence, design), -STEEPEST, STEEPEST)
        p = expit(value)
        weight = p * (1 - p)
        return value + (evidence.scaled - p) / weight, weight

    def _working(self, evidence: Evidence, values: Floats, weight: Floats, misfit: float) -> Working:
        """The same summed up, when prompts have a misfit of that variance."""
        shared = weight / (1 + misfit * evidence.by_prompt(weight)[evidence.prompt])
        return Working.observe(evidence, values, shared, self.n_rows)

    def _values(self, evidence: Evidence, design: Floats) -> Floats:
        """What the present weights, difficulties and misfits make of each answer, on the linear scale."""
        value = (design @ self._mean + self._misfit)[evidence.prompt] + self._difficulty[evidence.row]
        return np.asarray(value)

    def _converge(self, evidence: Evidence, design: Floats) -> None:
        """Find the most probable weights under the present variances, by Newton's method with steps halved at need."""
        self._misfit = np.pad(self._misfit, (0, len(design) - len(self._misfit)))
        if self._link == "identity":
            self._step(evidence, design)
            return
        precision = np.zeros((self.n_columns, self.n_columns))
        self._prior.add_to(precision, self.variances)
        reached = self._log_posterior(evidence, design, precision)
        for _ in range(NEWTON_STEPS):
            before, beaten = (self._mean, self._difficulty, self._misfit), reached
            self._step(evidence, design)
            for _ in range(HALVINGS):
                reached = self._log_posterior(evidence, design, precision)
                if reached >= beaten:
                    break
                now = (self._mean, self._difficulty, self._misfit)
                self._mean, self._difficulty, self._misfit = ((a + b) / 2 for a, b in zip(before, now, strict=True))
            else:
                reached = self._log_posterior(evidence, design, precision)
            if np.max(np.abs(design @ (self._mean - before[0])), initial=0.0) < SETTLED:
                break

    def _step(self, evidence: Evidence, design: Floats) -> None:
        """One step of Newton's method: weights, difficulties, then misfits."""
        values, weight = self._observe(evidence, design)
        working = self._working(evidence, values, weight, self.variances.misfit)
        found = self._solve(_in_columns(working, design), self.variances)
        self._root, self._mean, self._difficulty, self.noise = found.root, found.mean, found.difficulty, found.noise
        residual = values - (design @ self._mean)[evidence.prompt] - self._difficulty[evidence.row]
        self._weight = evidence.by_prompt(weight)
        total = evidence.by_prompt(weight * residual)
        self._misfit = self.variances.misfit * total / (1 + self.variances.misfit * self._weight)

    def _log_posterior(self, evidence: Evidence, design: Floats, precision: Floats) -> float:
        """Of the present weights (prior precision given), row difficulties and misfits, up to a constant."""
        value = self._values(evidence, design)
        squares = float(self._mean @ precision @ self._mean)
        for variance, parts in ((self.variances.rows, self._difficulty), (self.variances.misfit, self._misfit)):
            if variance > 0:
                squares += float(np.square(parts).sum()) / variance
        return float(evidence.scaled @ value - np.logaddexp(0.0, value).sum() - 0.5 * squares)

    def _solve(self, sums: _InColumns, variances: Variances) -> _Posterior:
        """The posterior under variances."""
        working, row_x = sums.working, sums.row_x
        spread, squares, log_determinant = working.without_rows(variances.rows)
        xx = sums.xx - row_x.T @ (row_x * spread[:, None])
        xy = sums.xy - row_x.T @ (spread * working.row_pull)
        log_determinant -= self._prior.add_to(xx, variances)
        root = cholesky(xx, lower=True, overwrite_a=True, check_finite=False)
        log_determinant += 2 * float(np.log(np.diag(root)).sum())
        mean = cho_solve((root, True), xy, check_finite=False)
        difficulty = np.zeros(self.n_rows)
        difficulty[working.rows] = spread * (working.row_pull - row_x @ mean)
        fit, noise = self._fit_and_noise(max(0.0, squares - float(xy @ mean)))
        return _Posterior(root, mean, difficulty, noise, 0.5 * (working.log_weight - log_determinant - fit))

    def _fit_and_noise(self, residual: float) -> tuple[float, float]:
        """What the log evidence loses by a sum of squares left unexplained, twice; and the variance of the noise."""
        if self._link == "logit":
            return residual, 1.0
        n = self.n_answers + PRIOR_WEIGHT
        noise = (residual + PRIOR_WEIGHT * PRIOR_NOISE) / n
        return float(n * np.log(noise)), noise

    def _log_evidence(self, evidence: Evidence, design: Floats) -> Callable[[Variances], float]:
        """How probable the answers are under variances, up to a constant; the working model is held fixed."""
        values, weight = self._observe(evidence, design)
        covariances = self._prior.covariances(design) if len(design) < self.n_columns else None

        @cache
        def working_under(misfit: float) -> Working:
            return self._working(evidence, values, weight, misfit)

        @cache
        def in_columns_under(misfit: float) -> _InColumns:
            return _in_columns(working_under(misfit), design)

        def log_evidence(variances: Variances) -> float:
            if covariances is None:
                return self._solve(in_columns_under(variances.misfit), variances).log_evidence
            working = working_under(variances.misfit)
            covariance = covariances(variances)
            residual, log_determinant = working.deviation(covariance, variances.rows)
            return 0.5 * (working.log_weight - log_determinant - self._fit_and_noise(residual)[0])

        return log_evidence


def _in_columns(working: Working, design: Floats) -> _InColumns:
    xx = design.T @ (design * working.weight[:, None])
    return _InColumns(working, xx, design.T @ working.pull, working.placed @ design)
