"""Finds the most probable weights of a generalized linear model, and how probable answers are under variances.

Rows are integrated out exactly (Schur complement of their diagonal block); the misfit of a prompt with n answers widens
the noise of each of them to ``noise + n × misfit``, which gives the prompt's mean its right weight.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.special import expit

from promptrl.search.surrogate.data import Evidence, Floats
from promptrl.search.surrogate.prior import Prior
from promptrl.search.surrogate.variances import Link, Variances
from promptrl.search.surrogate.working_model import Working

PRIOR_NOISE = 0.15
PRIOR_WEIGHT = 4.0
"""With the identity link the noise variance starts from ``PRIOR_NOISE`` as if so many residuals had been seen."""
NEWTON_STEPS = 10
HALVINGS = 6
SETTLED = 0.1
"""Newton's steps end when no prompt's log odds move by more."""
STEEPEST = 5.0
"""Log odds beyond which an answer is taken for no more certain."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One value for everything that the answers are made of.

    Attributes:
        columns: Of intercept, features, parities and active pairs, shape (n_columns,).
        difficulty: Of each row, shape (n_rows,).
        misfit: Of each prompt with answers, shape (n_prompts,).
    """

    columns: Floats
    difficulty: Floats
    misfit: Floats

    @classmethod
    def zero(cls, n_columns: int, n_rows: int) -> "Weights":
        """Before any answer."""
        return cls(np.zeros(n_columns), np.zeros(n_rows), np.zeros(0))

    def padded(self, n_prompts: int) -> "Weights":
        """With no misfit yet of prompts that are new."""
        return replace(self, misfit=np.pad(self.misfit, (0, n_prompts - len(self.misfit))))

    def halfway(self, other: "Weights") -> "Weights":
        """The middle between the two."""
        return Weights(
            (self.columns + other.columns) / 2,
            (self.difficulty + other.difficulty) / 2,
            (self.misfit + other.misfit) / 2,
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """What answers say about weights.

    Attributes:
        weights: The most probable ones.
        linearized_at: Those that the last step started from: all else here follows from them.
        root: Cholesky factor of the precision of the columns' weights, in units of the noise.
        answered: Sum of the weights of each prompt's answers, shape (n_prompts,).
        noise: Variance of the noise.
        n_answers: How many answers it goes over.
        low: The objective that counts as 0.
        high: That which counts as 1.
    """

    weights: Weights
    linearized_at: Weights
    root: Floats
    answered: Floats
    noise: float
    n_answers: int
    low: float
    high: float


class _Posterior(NamedTuple):
    """Of the columns' weights (Cholesky factor of their precision, mean) and of the rows' mean difficulty."""

    root: Floats
    mean: Floats
    difficulty: Floats
    noise: float
    log_evidence: float


class _InColumns(NamedTuple):
    """A working model summed up by columns: for any variances but that of misfit the same."""

    working: Working
    xx: Floats
    xy: Floats
    row_x: Floats


@dataclass(frozen=True, slots=True)
class Regression:
    """All answers of one moment, and what they are explained by.

    Attributes:
        evidence: The answers.
        design: The columns of each prompt with answers, shape (n_prompts, n_columns).
        prior: Of the columns' weights.
        link: What is linear.
        n_rows: Rows that prompts can be asked on.
    """

    evidence: Evidence
    design: Floats
    prior: Prior
    link: Link
    n_rows: int

    def converge(self, weights: Weights, variances: Variances) -> Fit:
        """The most probable weights under variances, by Newton's method with steps halved at need.

        Args:
            weights: Where to begin.
            variances: Of the prior.
        """
        weights = weights.padded(len(self.design))
        if self.link == "identity":
            return self.step(weights, variances)
        n_columns = self.design.shape[1]
        precision = np.zeros((n_columns, n_columns))
        self.prior.add_to(precision, variances)
        reached = self._log_posterior(weights, variances, precision)
        for _ in range(NEWTON_STEPS):
            fit, beaten = self.step(weights, variances), reached
            found = fit.weights
            reached = self._log_posterior(found, variances, precision)
            for _ in range(HALVINGS):
                if reached >= beaten:
                    break
                found = weights.halfway(found)
                reached = self._log_posterior(found, variances, precision)
            moved = np.max(np.abs(self.design @ (found.columns - weights.columns)), initial=0.0)
            weights = found
            if moved < SETTLED:
                break
        return replace(fit, weights=weights)

    def step(self, weights: Weights, variances: Variances) -> Fit:
        """One step of Newton's method: columns' weights, difficulties, then misfits."""
        evidence = self.evidence
        values, weight = self._observe(weights)
        working = self._working(values, weight, variances.misfit)
        found = self._solve(self._in_columns(working), variances)
        residual = values - (self.design @ found.mean)[evidence.prompt] - found.difficulty[evidence.row]
        answered = evidence.by_prompt(weight)
        total = evidence.by_prompt(weight * residual)
        misfit = variances.misfit * total / (1 + variances.misfit * answered)
        return Fit(
            weights=Weights(found.mean, found.difficulty, misfit),
            linearized_at=weights,
            root=found.root,
            answered=answered,
            noise=found.noise,
            n_answers=len(evidence.objective),
            low=evidence.low,
            high=evidence.high,
        )

    def log_evidence(self, weights: Weights) -> Callable[[Variances], float]:
        """How probable the answers are under variances, up to a constant.

        Args:
            weights: Where the model is made linear, whatever the variances.
        """
        values, weight = self._observe(weights)
        is_wide = len(self.design) < self.design.shape[1]
        covariances = self.prior.covariances(self.design) if is_wide else None

        @cache
        def working_under(misfit: float) -> Working:
            return self._working(values, weight, misfit)

        @cache
        def in_columns_under(misfit: float) -> _InColumns:
            return self._in_columns(working_under(misfit))

        def log_evidence(variances: Variances) -> float:
            if covariances is None:
                return self._solve(in_columns_under(variances.misfit), variances).log_evidence
            working = working_under(variances.misfit)
            residual, log_determinant = working.deviation(covariances(variances), variances.rows)
            return 0.5 * (working.log_weight - log_determinant - self._fit_and_noise(residual)[0])

        return log_evidence

    def _observe(self, weights: Weights) -> tuple[Floats, Floats]:
        """The answers as observations of a linear value, at the given weights: values and their weights."""
        evidence = self.evidence
        if self.link == "identity":
            return evidence.objective, np.ones(len(evidence.objective))
        value = np.clip(self._values(weights), -STEEPEST, STEEPEST)
        p = expit(value)
        weight = p * (1 - p)
        return value + (evidence.scaled - p) / weight, weight

    def _working(self, values: Floats, weight: Floats, misfit: float) -> Working:
        """The same summed up, when prompts have a misfit of that variance."""
        evidence = self.evidence
        shared = weight / (1 + misfit * evidence.by_prompt(weight)[evidence.prompt])
        return Working.observe(evidence, values, shared, self.n_rows)

    def _in_columns(self, working: Working) -> _InColumns:
        design = self.design
        xx = design.T @ (design * working.weight[:, None])
        return _InColumns(working, xx, design.T @ working.pull, working.placed @ design)

    def _values(self, weights: Weights) -> Floats:
        """What weights make of each answer, on the linear scale."""
        by_prompt = self.design @ weights.columns + weights.misfit
        return np.asarray(by_prompt[self.evidence.prompt] + weights.difficulty[self.evidence.row])

    def _log_posterior(self, weights: Weights, variances: Variances, precision: Floats) -> float:
        """Of weights (prior precision of the columns' given), up to a constant."""
        value = self._values(weights)
        squares = float(weights.columns @ precision @ weights.columns)
        for variance, parts in ((variances.rows, weights.difficulty), (variances.misfit, weights.misfit)):
            if variance > 0:
                squares += float(np.square(parts).sum()) / variance
        return float(self.evidence.scaled @ value - np.logaddexp(0.0, value).sum() - 0.5 * squares)

    def _solve(self, sums: _InColumns, variances: Variances) -> _Posterior:
        """The posterior under variances."""
        working, row_x = sums.working, sums.row_x
        spread, squares, log_determinant = working.without_rows(variances.rows)
        xx = sums.xx - row_x.T @ (row_x * spread[:, None])
        xy = sums.xy - row_x.T @ (spread * working.row_pull)
        log_determinant -= self.prior.add_to(xx, variances)
        root = cholesky(xx, lower=True, overwrite_a=True, check_finite=False)
        log_determinant += 2 * float(np.log(np.diag(root)).sum())
        mean = cho_solve((root, True), xy, check_finite=False)
        difficulty = np.zeros(self.n_rows)
        difficulty[working.rows] = spread * (working.row_pull - row_x @ mean)
        fit, noise = self._fit_and_noise(max(0.0, squares - float(xy @ mean)))
        return _Posterior(root, mean, difficulty, noise, 0.5 * (working.log_weight - log_determinant - fit))

    def _fit_and_noise(self, residual: float) -> tuple[float, float]:
        """What the log evidence loses by a sum of squares left unexplained, twice; and the variance of the noise."""
        if self.link == "logit":
            return residual, 1.0
        n = len(self.evidence.objective) + PRIOR_WEIGHT
        noise = (residual + PRIOR_WEIGHT * PRIOR_NOISE) / n
        return float(n * np.log(noise)), noise
