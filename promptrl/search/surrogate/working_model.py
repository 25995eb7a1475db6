"""Answers as weighted observations of a linear value, summed over the answers of each prompt and of each row."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import csr_matrix

from promptrl.search.surrogate.data import Evidence, Floats, Indices


@dataclass(frozen=True, slots=True)
class Working:
    """The linear model that a Newton step solves (iteratively reweighted least squares).

    Attributes:
        weight: Sum of weights by prompt, shape (n_prompts,).
        pull: Sum of weights times observed values by prompt, shape (n_prompts,).
        placed: Weight of each prompt on each row that has answers, shape (n_seen, n_prompts).
        rows: Which rows these are, shape (n_seen,).
        row_weight: Sum of weights by row, shape (n_seen,).
        row_pull: Sum of weights times observed values by row, shape (n_seen,).
        squares: Sum of weights times squared observed values.
        log_weight: Sum of the logs of the weights.
    """

    weight: Floats
    pull: Floats
    placed: csr_matrix
    rows: Indices
    row_weight: Floats
    row_pull: Floats
    squares: float
    log_weight: float

    @classmethod
    def observe(cls, evidence: Evidence, values: Floats, weight: Floats, n_rows: int) -> "Working":
        """Sum up observed values and their weights, one of each per answer."""
        by_row = evidence.by_row(weight, n_rows)
        rows = np.flatnonzero(by_row > 0)
        placed = csr_matrix((weight, (evidence.row, evidence.prompt)), shape=(n_rows, len(evidence.features)))
        return cls(
            weight=evidence.by_prompt(weight),
            pull=evidence.by_prompt(weight * values),
            placed=placed[rows],
            rows=rows,
            row_weight=by_row[rows],
            row_pull=evidence.by_row(weight * values, n_rows)[rows],
            squares=float(weight @ np.square(values)),
            log_weight=float(np.log(weight).sum()),
        )

    def without_rows(self, variance: float) -> tuple[Floats, float, float]:
        """With difficulties of that variance integrated out.

        Returns:
            What is left of each row's variance given everything else, shape (n_seen,); the squares left; what the log
            determinant gains.
        """
        left = variance / (1 + variance * self.row_weight)
        squares = self.squares - float(np.square(self.row_pull) @ left)
        return left, squares, float(np.log1p(variance * self.row_weight).sum())

    def deviation(self, covariance: Floats, row_variance: float) -> tuple[float, float]:
        """Squares that a prior leaves unexplained, and the log determinant of the covariance over that of the noise.

        Both are of the whole normal distribution of the values, but computed among prompts (Woodbury's identity and the
        determinant's, Rasmussen & Williams 2006, A.9 and A.10): quick where these are fewer than the things they hold.

        Args:
            covariance: Prior covariance of the prompts' values, shape (n_prompts, n_prompts).
            row_variance: Prior variance of row difficulty.
        """
        spread, squares, log_rows = self.without_rows(row_variance)
        precision = np.diag(self.weight) - (self.placed.T @ self.placed.multiply(spread[:, None])).toarray()
        pull = self.pull - self.placed.T @ (spread * self.row_pull)
        factors = lu_factor(np.eye(len(pull)) + precision @ covariance, check_finite=False)
        explained = float(pull @ covariance @ lu_solve(factors, pull, check_finite=False))
        log_prompts = float(np.log(np.abs(np.diag(factors[0]))).sum())
        return max(0.0, squares - explained), log_prompts + log_rows
