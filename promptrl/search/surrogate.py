"""A posterior over the objective of every prompt: Bayesian regression on what prompts hold.

The log odds of the objective of prompt p on row r (with the identity link the objective itself) are taken as
``intercept + Σ effects + Σ pair effects + Σ triple effects + misfit of p + difficulty of r + noise``, all terms but the
intercept normal around 0; triples are met by random features (``parities.py``). Rows are integrated out exactly (Schur
complement of their diagonal block); the misfit of a prompt with n answers widens the noise of each of them to
``noise + n × misfit``, which gives the prompt's mean its right weight. Variances are chosen by marginal likelihood
(MacKay 1992) whenever the answers have grown by ``TUNE_AGAIN``. A fit goes over all answers; who asks in batches that
grow with them pays no more per answer. No verdict rests on it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.sparse import csr_matrix
from scipy.special import expit

from promptrl.search.answers import Answers, Bools, Evidence, Floats, Indices
from promptrl.search.likeness import prior_correlation
from promptrl.search.pairs import choose_pairs
from promptrl.search.parities import PARITIES, Parities

Link = Literal["logit", "identity"]

INTERCEPT_VARIANCE = 9.0
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
class Variances:
    """Prior variances, on the linear scale in units of the noise variance.

    Attributes:
        effects: Of the value of a random prompt by its single features.
        pairs: The same by its pairs of features.
        triples: The same by three options together.
        rows: Of row difficulty.
        misfit: Of what features can't explain of a prompt.
    """

    effects: float
    pairs: float
    triples: float
    rows: float
    misfit: float


TYPICAL: dict[Link, Variances] = {
    "logit": Variances(effects=3.0, pairs=1.5, triples=0.5, rows=1.0, misfit=0.2),
    "identity": Variances(effects=0.6, pairs=0.4, triples=0.1, rows=0.3, misfit=0.05),
}
"""Median of the log-normal prior on each variance, and where it starts."""
TYPICAL_SD = 1.0
"""Its spread, on the log scale: few answers can't say that nothing matters."""
STEPS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Multiples of the typical value that are tried."""


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


@dataclass(slots=True)
class _Working:
    """The answers as a linear model sees them: weighted sums of what prompts hold, in all and by row."""

    xx: Floats
    xy: Floats
    row_x: Floats
    row_y: Floats
    row_weight: Floats
    yy: float
    log_weight: float


class Surrogate:
    """Learns what prompts are worth from answers.

    Args:
        texts: What each feature brings in.
        kinds: Kind of each feature.
        slot_of: Slot number of option features, -1 for others: features of one slot exclude each other.
        n_rows: Rows that prompts can be asked on.
        with_pairs: Whether pairs of features have effects of their own.
        with_triples: Whether three options together have.
        with_rows: Whether rows differ in difficulty.
        link: What is linear: the objective itself, or its log odds.
        seed: Of the parities, and of the choice of pairs in large spaces.
    """

    def __init__(
        self,
        texts: Sequence[str],
        kinds: Sequence[str],
        slot_of: Indices,
        n_rows: int,
        *,
        with_pairs: bool = True,
        with_triples: bool = True,
        with_rows: bool = True,
        link: Link = "logit",
        seed: int = 0,
    ) -> None:
        self.n_features = len(texts)
        self.n_rows = n_rows
        self._rng = np.random.default_rng(seed)
        self.parities = Parities(slot_of, self._rng, PARITIES if with_triples else 0)
        typical = TYPICAL[link]
        self.variances = replace(
            typical,
            pairs=typical.pairs if with_pairs else 0.0,
            triples=typical.triples if len(self.parities) else 0.0,
            rows=typical.rows if with_rows else 0.0,
        )
        self.noise = 1.0 if link == "logit" else PRIOR_NOISE
        self._typical = {name: value for name, value in asdict(self.variances).items() if value > 0}
        self._kinds = tuple(kinds)
        self._slot_of = slot_of
        self._with_pairs = with_pairs
        self._link = link
        self._precision = np.linalg.inv(prior_correlation(texts, kinds))
        self._groups = max(1, len(set(slot_of[slot_of >= 0])) + int(np.sum(slot_of < 0) ** 0.5))
        self._answers = Answers(self.n_features)
        self._tune_at = FIRST_TUNING
        self.pairs: Indices = np.zeros((0, 2), dtype=np.intp)
        self._mean = np.zeros(self._n_lasting)
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
        return self._n_lasting + len(self.pairs)

    @property
    def _n_lasting(self) -> int:
        """Columns that stay whichever pairs are active; they come first."""
        return 1 + self.n_features + len(self.parities)

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
            self._tune(evidence, design)
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

    def draw(self, n: int, rng: np.random.Generator, boldness: float = 1.0) -> Draws:
        """Truths from the posterior (for exploration as in Thompson 1933); misfit is left out.

        Args:
            n: How many.
            rng: Draws them.
            boldness: What their distance from the mean is multiplied by.
        """
        noise = solve_triangular(self._root, rng.standard_normal((self.n_columns, n)), lower=True, trans="T")
        return self._as_draws(self._mean[:, None] + boldness * np.sqrt(self.noise) * noise)

    def believed(self) -> Draws:
        """The posterior mean as the only draw."""
        return self._as_draws(self._mean[:, None])

    def _as_draws(self, weights: Floats) -> Draws:
        intercept, effects, parities, pairs = np.split(weights.T, [1, 1 + self.n_features, self._n_lasting], axis=1)
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
        lasting, pairs = np.split(self._mean, [self._n_lasting])
        known = {(int(i), int(j)): float(w) for (i, j), w in zip(self.pairs, pairs, strict=True)}
        strength = np.abs(lasting[1 : 1 + self.n_features])
        self.pairs = choose_pairs(strength, self._kinds, self._slot_of, self._rng)
        kept = [known.get((int(i), int(j)), 0.0) for i, j in self.pairs]
        self._mean = np.concatenate([lasting, kept])

    def _linearise(self, evidence: Evidence, design: Floats) -> _Working:
        """The answers as weighted observations of a linear value (iteratively reweighted least squares)."""
        prompt, row, y = evidence.prompt, evidence.row, evidence.objective
        weight = np.ones(len(y))
        if self._link == "logit":
            value = np.clip(self._values(evidence, design), -STEEPEST, STEEPEST)
            p = expit(value)
            weight = p * (1 - p)
            y = value + (evidence.scaled - p) / weight
        self._weight = evidence.by_prompt(weight)
        self._observed = y, weight
        shared = weight / (1 + self.variances.misfit * self._weight[prompt])
        placed = csr_matrix((shared, (row, prompt)), shape=(self.n_rows, len(design)))
        return _Working(
            xx=design.T @ (design * evidence.by_prompt(shared)[:, None]),
            xy=design.T @ evidence.by_prompt(shared * y),
            row_x=np.asarray(placed @ design),
            row_y=evidence.by_row(shared * y, self.n_rows),
            row_weight=evidence.by_row(shared, self.n_rows),
            yy=float(shared @ np.square(y)),
            log_weight=float(np.log(shared).sum()),
        )

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
        self._add_prior(precision)
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
        self._solve(self._linearise(evidence, design))
        self._settle(evidence, design)

    def _log_posterior(self, evidence: Evidence, design: Floats, precision: Floats) -> float:
        """Of the present weights (prior precision given), row difficulties and misfits, up to a constant."""
        value = self._values(evidence, design)
        squares = float(self._mean @ precision @ self._mean)
        for variance, parts in ((self.variances.rows, self._difficulty), (self.variances.misfit, self._misfit)):
            if variance > 0:
                squares += float(np.square(parts).sum()) / variance
        return float(evidence.scaled @ value - np.logaddexp(0.0, value).sum() - 0.5 * squares)

    def _settle(self, evidence: Evidence, design: Floats) -> None:
        """Each prompt's own misfit, given everything else."""
        y, weight = self._observed
        residual = y - (design @ self._mean)[evidence.prompt] - self._difficulty[evidence.row]
        total = evidence.by_prompt(weight * residual)
        self._misfit = self.variances.misfit * total / (1 + self.variances.misfit * self._weight)

    def _solve(self, s: _Working) -> float:
        """Posterior under the present variances; returns the log marginal likelihood, up to a constant."""
        v = self.variances
        xx, xy, yy, rows_log = s.xx.copy(), s.xy, s.yy, 0.0
        seen = np.flatnonzero(s.row_weight > 0)
        if v.rows > 0 and len(seen):
            total = 1 / v.rows + s.row_weight[seen]
            xx -= s.row_x[seen].T @ (s.row_x[seen] / total[:, None])
            xy = xy - s.row_x[seen].T @ (s.row_y[seen] / total)
            yy -= float(np.square(s.row_y[seen]) @ (1 / total))
            rows_log = float(np.log(total * v.rows).sum())
        prior_log = self._add_prior(xx)
        self._root = cholesky(xx, lower=True, overwrite_a=True, check_finite=False)
        self._mean = cho_solve((self._root, True), xy, check_finite=False)
        residual = max(0.0, yy - float(xy @ self._mean))
        n = self.n_answers + PRIOR_WEIGHT
        if self._link == "identity":
            self.noise = (residual + PRIOR_WEIGHT * PRIOR_NOISE) / n
        self._difficulty = np.zeros(self.n_rows)
        if v.rows > 0 and len(seen):
            self._difficulty[seen] = (s.row_y[seen] - s.row_x[seen] @ self._mean) / total
        root_log = 2 * float(np.log(np.diag(self._root)).sum())
        fit = n * np.log(self.noise) if self._link == "identity" else residual
        return float(0.5 * (prior_log - root_log - rows_log + s.log_weight - fit))

    def _add_prior(self, xx: Floats) -> float:
        """Add the prior's precision to a matrix in place; returns the log of its determinant, up to a constant."""
        v, first = self.variances, 1 + self.n_features
        per_effect = v.effects / self._groups
        xx[0, 0] += 1 / INTERCEPT_VARIANCE
        xx[1:first, 1:first] += self._precision / per_effect
        log = -self.n_features * np.log(per_effect)
        shares = (
            (first, len(self.parities), v.triples / max(1, len(self.parities))),
            (self._n_lasting, len(self.pairs), v.pairs / (self._groups * max(1, self._groups - 1) / 2)),
        )
        for start, count, variance in shares:
            if count:
                at = np.arange(start, start + count)
                xx[at, at] += 1 / variance
                log -= count * np.log(variance)
        return float(log)

    def _tune(self, evidence: Evidence, design: Floats) -> None:
        """Take the variances with the highest posterior probability, one after the other, twice round."""
        working = self._linearise(evidence, design)
        best = self._probability(working)
        for _, name in product(range(2), self._typical):
            kept, chosen = self.variances, self.variances
            for step in STEPS:
                self.variances = replace(kept, **{name: step * self._typical[name]})
                found = self._probability(self._linearise(evidence, design) if name == "misfit" else working)
                if found > best:
                    best, chosen = found, self.variances
            self.variances = chosen
            if name == "misfit" and chosen != kept:
                working = self._linearise(evidence, design)

    def _probability(self, working: _Working) -> float:
        """Log posterior of the present variances, up to a constant; the working model is held fixed."""
        surprises = [np.log(getattr(self.variances, name) / typical) for name, typical in self._typical.items()]
        mean, difficulty = self._mean, self._difficulty
        value = self._solve(working) - 0.5 * float(np.square(surprises).sum()) / TYPICAL_SD**2
        self._mean, self._difficulty = mean, difficulty
        return value
