"""What the surrogate holds for likely before any answer: independent normal weights, alike where wordings are alike.

Weights stand in the order of the surrogate's columns: intercept, single effects, parities, active pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from promptrl.search.surrogate.data import Floats
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.similarity import prior_correlation, wording_similarity
from promptrl.search.surrogate.variances import Variances

INTERCEPT_VARIANCE = 9.0


@dataclass(frozen=True, slots=True)
class _Correlation:
    """Of the features' effects, under one share of wording.

    Attributes:
        matrix: Shape (n, n).
        precision: Its inverse.
        log_determinant: Of the inverse.
    """

    matrix: Floats
    precision: Floats
    log_determinant: float


class Prior:
    """Of the weights, for any variances.

    Args:
        table: The features.
        parity_shares: What part of the variance of triples each parity stands for, shape (n_parities,).
    """

    def __init__(self, table: FeatureTable, parity_shares: Floats) -> None:
        self._table = table
        self._wording = wording_similarity(table)
        self._known: dict[float, _Correlation] = {}
        slot_of = table.slot_of
        self._groups = max(1, len(set(slot_of[slot_of >= 0])) + int(np.sum(slot_of < 0) ** 0.5))
        self._parity_weights = parity_shares * len(parity_shares)
        self._ends = np.cumsum([1, len(table), len(parity_shares)])

    @property
    def n_lasting(self) -> int:
        """Columns that stay whichever pairs are active; they come first."""
        return int(self._ends[-1])

    def split(self, columns: Floats) -> list[Floats]:
        """Intercept, effects, parities and pairs of an array with one column for each, shape (k, n_columns)."""
        return np.split(columns, self._ends, axis=1)

    def add_to(self, precision: Floats, variances: Variances) -> float:
        """Add the prior's precision to a matrix in place; returns the log of its determinant, up to a constant."""
        first, last, lasting = (int(end) for end in self._ends)
        effect, parity, pair = self._shares(variances)
        precision[0, 0] += 1 / INTERCEPT_VARIANCE
        alike = self._correlation(variances.wording_share)
        precision[first:last, first:last] += alike.precision / effect
        log = alike.log_determinant - (last - first) * np.log(effect)
        for start, end, variance, weights in (
            (last, lasting, parity, self._parity_weights),
            (lasting, len(precision), pair, 1.0),
        ):
            if end > start:
                at = np.arange(start, end)
                precision[at, at] += 1 / (variance * weights)
                log -= len(at) * np.log(variance)
        return float(log)

    def covariances(self, design: Floats) -> Callable[[Variances], Floats]:
        """Covariance of the values of prompts, shape (k, k), given their columns, shape (k, n_columns)."""
        intercept, effects, parities, pairs = self.split(design)
        by_intercept = INTERCEPT_VARIANCE * intercept @ intercept.T
        triples = (parities * self._parity_weights) @ parities.T
        by_pairs = pairs @ pairs.T

        @cache
        def by_effects(wording_share: float) -> Floats:
            return np.asarray(effects @ self._correlation(wording_share).matrix @ effects.T)

        def covariance(variances: Variances) -> Floats:
            alike = (by_effects(variances.wording_share), triples, by_pairs)
            shares = zip(self._shares(variances), alike, strict=True)
            return np.asarray(by_intercept + sum(share * part for share, part in shares))

        return covariance

    def _correlation(self, wording_share: float) -> "_Correlation":
        if wording_share not in self._known:
            matrix = prior_correlation(self._table, self._wording, wording_share)
            precision = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
            self._known[wording_share] = _Correlation(matrix, precision, float(np.linalg.slogdet(precision)[1]))
        return self._known[wording_share]

    def _shares(self, variances: Variances) -> tuple[float, float, float]:
        """Variance of one feature's effect, of one parity's (in the mean) and of one pair's."""
        groups, n_parities = self._groups, len(self._parity_weights)
        parity, pair = variances.triples / max(1, n_parities), variances.pairs / max(1, groups * (groups - 1) / 2)
        return variances.effects / groups, parity, pair
