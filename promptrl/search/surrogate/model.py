"""A posterior over the objective of every prompt: Bayesian regression on what prompts hold.

The log odds of the objective of prompt p on row r (with the identity link the objective itself) are taken as
``intercept + Σ effects + Σ pair effects + Σ triple effects + misfit of p + difficulty of r + noise``, all terms but the
intercept normal around 0; triples are taken in by random features (``triples.py``), and ``regression.py`` solves it.
Variances are chosen by marginal likelihood (MacKay 1992) whenever the answers have grown by ``TUNE_AGAIN``. A fit goes
over all answers; who asks in batches that grow with them pays no more per answer. No verdict rests on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit

from promptrl.search.surrogate.data import Answers, Bools, Floats, Indices
from promptrl.search.surrogate.extension import extend_state
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.pairs import choose_pairs
from promptrl.search.surrogate.prior import Prior
from promptrl.search.surrogate.regression import Regression, Weights
from promptrl.search.surrogate.state import DEFAULT_RULES, SurrogateRules, SurrogateState, generator, with_rows
from promptrl.search.surrogate.triples import PARITIES, RandomParityFeatures
from promptrl.search.surrogate.variances import TYPICAL, Variances, most_probable
from promptrl.stats.knowledge_gradient import JointNormal

FIRST_TUNING = 24
TUNE_AGAIN = 1.7
STEEPEST_ANSWER = 3.0
"""Log odds beyond which a further answer is taken to tell no less."""
STEEP = 0.1
"""An edit is not taken for worthless where nearly all is right or wrong: so far from both ends its worth is told."""
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()


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


class Surrogate:
    """Learns what prompts are worth from answers.

    Args:
        table: The features of a prompt.
        row_ids: Of the rows that prompts can be asked on, by their numbers.
        rng: Draws parities and, in large spaces, pairs; of numpy's default kind.
        rules: What prompts are taken to be made of.
    """

    def __init__(
        self,
        table: FeatureTable,
        row_ids: Sequence[str],
        *,
        rng: np.random.Generator,
        rules: SurrogateRules = DEFAULT_RULES,
    ) -> None:
        self.n_features = len(table)
        self.row_ids = tuple(row_ids)
        self._rng = rng
        self._table = table
        self._rules = rules
        self.parities = RandomParityFeatures.draw(table.slot_of, rng, PARITIES if rules.with_triples else 0)
        self.variances = self._typical
        self._prior = Prior(table, self.parities.shares)
        self._answers = Answers(self.n_features)
        self._tune_at = FIRST_TUNING
        self.pairs: Indices = np.zeros((0, 2), dtype=np.intp)
        weights = self._choose_pairs(Weights.zero(self._prior.n_lasting, len(self.row_ids)))
        self._fit = self._regression().converge(weights, self.variances)

    @classmethod
    def from_state(cls, state: SurrogateState, row_ids: Sequence[str] | None = None) -> "Surrogate":
        """The surrogate that gave the state, to the last bit of what it says and will learn.

        Args:
            state: What it had learned.
            row_ids: Of the rows that prompts are asked on from now on, by their numbers, where another split was
                learned from (the same up to rounding); None = the state's own.
        """
        if row_ids is not None:
            state = with_rows(state, row_ids)
        restored = cls(state.table, state.row_ids, rng=np.random.default_rng(0), rules=state.rules)
        restored._take(state)
        return restored

    def state(self) -> SurrogateState:
        """All that it has learned."""
        return SurrogateState(
            table=self._table,
            row_ids=self.row_ids,
            rules=self._rules,
            variances=self.variances,
            noise=self.noise,
            answers=self._answers.listed(),
            n_fitted=self._fit.n_answers,
            tune_at=self._tune_at,
            parities=self.parities,
            pairs=self.pairs,
            weights=self._fit.weights,
            linearized_at=self._fit.linearized_at,
            rng=self._rng.bit_generator.state,
        )

    def extended(self, table: FeatureTable, places: Indices, held: Bools) -> "Surrogate":
        """The same of prompts that can hold more: everything learned stays, new features start at their prior.

        Args:
            table: All features, the present ones among them.
            places: Number there of each present feature, shape (n_features,).
            held: Which of the new features every prompt asked so far holds, shape (len(table),).
        """
        extended = Surrogate.from_state(extend_state(self.state(), table, places, held))
        if len(table) > self.n_features:
            extended._fit = extended._regression().converge(extended._fit.weights, extended.variances)
        return extended

    @property
    def noise(self) -> float:
        """Variance of the noise, on the linear scale."""
        return self._fit.noise

    @property
    def n_answers(self) -> int:
        """How many answers the posterior has been given, repeats of a question included."""
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
        weights, is_due = self._fit.weights, self.n_answers >= self._tune_at
        if is_due:
            self._tune_at = int(TUNE_AGAIN * self.n_answers)
            weights = self._choose_pairs(weights)
        regression = self._regression()
        self._fit = regression.converge(weights, self.variances)
        if is_due:
            log_evidence = regression.log_evidence(self._fit.weights)
            self.variances = most_probable(self.variances, self._typical, log_evidence)
            self._fit = regression.converge(self._fit.weights, self.variances)

    @property
    def _typical(self) -> Variances:
        """Medians of the prior on variances."""
        rules, typical = self._rules, TYPICAL[self._rules.link]
        return replace(
            typical,
            pairs=typical.pairs if rules.with_pairs else 0.0,
            triples=typical.triples if len(self.parities) else 0.0,
            rows=typical.rows if rules.with_rows else 0.0,
        )

    def _take(self, state: SurrogateState) -> None:
        """Know what a state of the same features and rules knows."""
        self._rng = generator(state.rng)
        self.parities, self.pairs, self.variances = state.parities, state.pairs, state.variances
        self._prior = Prior(state.table, state.parities.shares)
        self._tune_at = state.tune_at
        self._answers.extend(state.answers, end=state.n_fitted)
        fit = self._regression().step(state.linearized_at, state.variances)
        self._fit = replace(fit, weights=state.weights, noise=state.noise)
        self._answers.extend(state.answers, start=state.n_fitted)

    def mean(self, features: Bools, prompt_ids: Sequence[str] | None = None) -> Floats:
        """The expected objective alone, as in ``moments``."""
        return self.moments(features, prompt_ids)[0]

    def moments(self, features: Bools, prompt_ids: Sequence[str] | None = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the objective over rows, each of shape (k,) (MacKay 1992, eq. 10).

        Args:
            features: Shape (k, n_features).
            prompt_ids: When given, prompts with answers are pulled towards them.
        """
        value, pull, misfit = self._latent(features, prompt_ids)
        spread = np.sqrt(self.noise * (self._explained(features) * (1 - pull) ** 2 + misfit))
        if self._rules.link == "identity":
            return value, np.asarray(spread)
        flatter = np.sqrt(1 + np.pi / 8 * self.variances.rows)
        scores = expit((value[:, None] + spread[:, None] * NODES) / flatter)
        mean = scores @ NODE_WEIGHTS
        sd = np.sqrt(np.maximum(0.0, np.square(scores) @ NODE_WEIGHTS - np.square(mean)))
        span = self._fit.high - self._fit.low
        return self._fit.low + span * mean, span * sd

    def joint(self, features: Bools, prompt_ids: Sequence[str]) -> JointNormal:
        """What is believed of prompts together, on the linear scale; arguments as for ``moments``.

        A further answer of one is taken to be on a row that nothing is known of.
        """
        value, pull, misfit = self._latent(features, prompt_ids)
        half = solve_triangular(self._fit.root, self._design(features).T, lower=True) * (1 - pull)
        covariance = self.noise * (half.T @ half + np.diag(misfit))
        certainty = np.ones(len(value))
        if self._rules.link == "logit":
            chance = expit(np.clip(value, -STEEPEST_ANSWER, STEEPEST_ANSWER))
            certainty = chance * (1 - chance)
        return JointNormal(value, covariance, self.noise * (1 / certainty + self.variances.rows))

    def covariance(self) -> Floats:
        """Posterior covariance of the single effects, shape (n_features, n_features)."""
        identity = np.eye(self.n_columns)[:, 1 : 1 + self.n_features]
        half = solve_triangular(self._fit.root, identity, lower=True)
        return np.asarray(self.noise * half.T @ half)

    def draw(self, n: int, rng: np.random.Generator, exploration_scale: float = 1.0) -> Draws:
        """Truths from the posterior (for exploration as in Thompson 1933); misfit is left out.

        Args:
            n: How many.
            rng: Draws them.
            exploration_scale: What their distance from the mean is multiplied by.
        """
        noise = solve_triangular(self._fit.root, rng.standard_normal((self.n_columns, n)), lower=True, trans="T")
        return self._as_draws(self._fit.weights.columns[:, None] + exploration_scale * np.sqrt(self.noise) * noise)

    def difference(self, features: Bools, prompt_ids: Sequence[str]) -> tuple[float, float]:
        """Mean and standard deviation of what the first of two prompts has above the second, in the objective.

        Args:
            features: Shape (2, n_features).
            prompt_ids: Of both.
        """
        mean, slope = self.moments(features, prompt_ids)[0], np.array([1.0, -1.0])
        if self._rules.link == "logit":
            span = self._fit.high - self._fit.low
            share = (mean - self._fit.low) / span
            slope *= span * share * (1 - share) / np.sqrt(1 + np.pi / 8 * self.variances.rows)
        covariance = self.joint(features, prompt_ids).covariance
        return float(mean[0] - mean[1]), float(np.sqrt(slope @ covariance @ slope))

    def contrasts(self, first: Bools, second: Bools) -> tuple[Floats, Floats]:
        """What each of some prompts has above another by what they hold, about, in the objective.

        What is known of a prompt beyond what it holds is left out, so that edits can be told apart by their worth.

        Args:
            first: Shape (k, n_features).
            second: Likewise.

        Returns:
            Means of shape (k,), their covariance (k, k).
        """
        difference = self._design(first) - self._design(second)
        half = solve_triangular(self._fit.root, difference.T, lower=True)
        linear = np.asarray(difference @ self._fit.weights.columns)
        slope = np.ones(len(first))
        if self._rules.link == "logit":
            flattest = (self._fit.high - self._fit.low) * STEEP * (1 - STEEP)
            secant = (self.mean(first) - self.mean(second)) / np.where(linear, linear, 1.0)
            slope = np.maximum(secant, flattest / np.sqrt(1 + np.pi / 8 * self.variances.rows))
        covariance = self.noise * (half.T @ half) * np.outer(slope, slope)
        return slope * linear, np.asarray(covariance)

    def posterior_mean(self) -> Draws:
        """The posterior mean as the only draw."""
        return self._as_draws(self._fit.weights.columns[:, None])

    def _as_draws(self, weights: Floats) -> Draws:
        intercept, effects, parities, pairs = self._prior.split(weights.T)
        nothing = np.zeros_like(intercept)
        return Draws(np.hstack([effects, nothing]), pairs.copy(), parities.copy(), intercept[:, 0].copy())

    def _latent(self, features: Bools, prompt_ids: Sequence[str] | None) -> tuple[Floats, Floats, Floats]:
        """Expected value, how far answers pull it, and the variance of misfit that is left; on the linear scale."""
        value = self._design(features) @ self._fit.weights.columns
        numbers = self._answers.numbers(prompt_ids or ())
        pull = np.zeros(len(features))
        asked = np.flatnonzero((numbers >= 0) & (numbers < len(self._fit.answered)))
        weight = self.variances.misfit * self._fit.answered[numbers[asked]]
        pull[asked] = weight / (1 + weight)
        value[asked] += self._fit.weights.misfit[numbers[asked]]
        return value, pull, self.variances.misfit * (1 - pull)

    def _explained(self, features: Bools) -> Floats:
        """Variance of the value without misfit, in units of the noise, shape (k,)."""
        half = solve_triangular(self._fit.root, self._design(features).T, lower=True)
        return np.asarray(np.square(half).sum(axis=0))

    def _design(self, features: Bools) -> Floats:
        pairs = features[:, self.pairs[:, 0]] & features[:, self.pairs[:, 1]]
        parities = self.parities.values(features)
        return np.hstack([np.ones((len(features), 1)), features, parities, pairs]).astype(np.float64)

    def _choose_pairs(self, weights: Weights) -> Weights:
        """Choose the active pairs by the present effects; what is known of pairs that stay is kept."""
        if not self._rules.with_pairs:
            return weights
        lasting, pairs = np.split(weights.columns, [self._prior.n_lasting])
        known = {(int(i), int(j)): float(w) for (i, j), w in zip(self.pairs, pairs, strict=True)}
        strength = np.abs(lasting[1 : 1 + self.n_features])
        self.pairs = choose_pairs(strength, self._table, self._rng)
        kept = [known.get((int(i), int(j)), 0.0) for i, j in self.pairs]
        return replace(weights, columns=np.concatenate([lasting, kept]))

    def _regression(self) -> Regression:
        """Every answer taken in, and what it is explained by."""
        evidence = self._answers.evidence()
        return Regression(evidence, self._design(evidence.features), self._prior, self._rules.link, len(self.row_ids))
