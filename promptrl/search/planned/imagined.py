"""Episodes in the surrogate: many prompts edited side by side, each under its own draw from the posterior.

Everything is an array over episodes; no prompt is rendered and no call is made. Effects and rewards are divided by the
spread of the draw's effects at the baseline, so that they look alike whatever the task.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.prompt import Prompt
from promptrl.search.observation import Observations, Prospects, edit_slots, spread
from promptrl.search.surrogate.data import Bools, Floats, Indices
from promptrl.search.surrogate.features import Moves, States
from promptrl.search.surrogate.model import Draws, Surrogate
from promptrl.search.surrogate.triples import RandomParityFeatures

Choose = Callable[[NDArray[np.float32]], Indices]
"""Actions, shape (n,), for observations, shape (n, n_actions * N_FEATURES)."""


@dataclass(frozen=True, slots=True)
class RolloutResult:
    """Where an imagined episode came to.

    Attributes:
        start: Where it began.
        edits: Those that lead to the best prompt on its way.
        value: What its draw says that one is worth.
        draw: Number of the draw.
    """

    start: Prompt
    edits: tuple[int, ...]
    value: float
    draw: int


@dataclass(slots=True)
class _View:
    """What the present states look like: valid actions and, per action, what it takes out and what it changes."""

    valid: Bools
    cleared: Indices
    any_change: NDArray[np.int8]
    change: Floats
    observation: NDArray[np.float32]


class _Pairs:
    """The active pairs in both directions, sorted by their first feature, for sums and maxima per feature."""

    def __init__(self, pairs: Indices, n_features: int) -> None:
        first = np.concatenate([pairs[:, 0], pairs[:, 1]])
        order = np.argsort(first, kind="stable")
        self.other = np.concatenate([pairs[:, 1], pairs[:, 0]])[order]
        self.number = np.concatenate([np.arange(len(pairs)), np.arange(len(pairs))])[order]
        self.features, self.starts = np.unique(first[order], return_index=True)
        self.n_features = n_features

    def total(self, values: Floats) -> Floats:
        """Sum per first feature, shape (n, n_features + 1)."""
        out = np.zeros((len(values), self.n_features + 1))
        if len(self.features):
            out[:, self.features] = np.add.reduceat(values, self.starts, axis=1)
        return out

    def highest(self, values: Floats) -> Floats:
        """Maximum per first feature and 0, shape (n, n_features + 1)."""
        out = np.zeros((len(values), self.n_features + 1))
        if len(self.features):
            out[:, self.features] = np.maximum(0.0, np.maximum.reduceat(values, self.starts, axis=1))
        return out


@dataclass(frozen=True, slots=True)
class Posterior:
    """What episodes imagine with: the posterior at one moment.

    Attributes:
        draws: One truth per row.
        mean: The posterior mean as a single draw.
        variance: Covariance of the single effects with a zero border, shape (n_features + 1, n_features + 1).
        pairs: The active pairs.
        parities: How three options act together.
        asked: Sorted hashes of the prompts with answers.
        answers: How many each has.
        budget_left: Share of the search's calls not yet spent.
    """

    draws: Draws
    mean: Draws
    variance: Floats
    pairs: _Pairs
    parities: RandomParityFeatures
    asked: NDArray[np.uint64]
    answers: NDArray[np.int64]
    budget_left: float


class Imagination:
    """Episodes under the posterior of one moment.

    Args:
        moves: The edits as arrays.
        surrogate: Believed at first, its mean alone.
        rng: Draws the hashes of prompts.
        max_edits: Longest episode; None = one more than there are slots.
        kinds: Kinds that observations show instead of the edits' own.
    """

    def __init__(
        self,
        moves: Moves,
        surrogate: Surrogate,
        rng: np.random.Generator,
        max_edits: int | None = None,
        kinds: Sequence[str] | None = None,
    ) -> None:
        self.moves = moves
        space = moves.space
        self.max_edits = max_edits or len(edit_slots(space)) + 1
        keys = rng.integers(2**63, size=moves.n_features + 1, dtype=np.uint64)
        keys[-1] = 0
        self._keys = keys
        self._counts: dict[int, int] = {}
        self._observations = Observations(space, kinds)
        self._setter = np.full(moves.n_features + 1, space.stop, dtype=np.intp)
        for a in range(space.n_edits - 1, -1, -1):
            if moves.sets[a] < moves.n_features:
                self._setter[moves.sets[a]] = a
        self._baseline = moves.features(space.baseline)
        self._believe(surrogate, surrogate.posterior_mean(), budget_left=1.0)

    def count_answer(self, features: Bools) -> None:
        """Remember that a prompt has one more answer."""
        key = int(self._hash(np.append(features, False)[None])[0])
        self._counts[key] = self._counts.get(key, 0) + 1

    def update_posterior(
        self,
        surrogate: Surrogate,
        n_draws: int,
        rng: np.random.Generator,
        budget_left: float,
        exploration_scale: float = 1.0,
    ) -> None:
        """Take the surrogate's present posterior, and new draws from it."""
        self._believe(surrogate, surrogate.draw(n_draws, rng, exploration_scale), budget_left)

    def _believe(self, surrogate: Surrogate, draws: Draws, budget_left: float) -> None:
        n, n_draws = self.moves.n_features, len(draws.intercept)
        variance = np.zeros((n + 1, n + 1))
        variance[:n, :n] = surrogate.covariance()
        asked = np.array(sorted(self._counts), dtype=np.uint64)
        answers = np.array([self._counts[int(key)] for key in asked], dtype=np.int64)
        pairs = _Pairs(surrogate.pairs, n)
        mean = surrogate.posterior_mean()
        self.posterior = Posterior(draws, mean, variance, pairs, surrogate.parities, asked, answers, budget_left)
        at_baseline = self.begin(np.repeat(self._baseline[None], n_draws, axis=0), np.arange(n_draws), scaled=False)
        effects = self.observe(at_baseline, is_bare=True)
        self.scales = spread(effects.change, effects.valid)
        self._baseline_mean = float(self._value(mean, at_baseline.states.held[:1], np.zeros(1, dtype=np.intp))[0])

    def begin(self, features: Bools, draws: Indices, *, scaled: bool = True) -> "EpisodeBatch":
        """Start episodes at prompts, given their features, each under a draw, given by number."""
        scale = self.scales[draws] if scaled else np.ones(len(draws))
        return EpisodeBatch(self.moves.states(features), draws, scale, np.zeros(len(draws), dtype=np.int64))

    def value(self, episodes: "EpisodeBatch") -> Floats:
        """What the draws say the present prompts are worth, shape (n,)."""
        return self._value(self.posterior.draws, episodes.states.held, episodes.draws)

    def observe(self, episodes: "EpisodeBatch", *, is_bare: bool = False) -> _View:
        """See what every action would change; ``is_bare`` leaves the observation empty."""
        moves, states, draws = self.moves, episodes.states, self.posterior.draws
        valid, cleared, any_change = moves.valid(states), moves.cleared(states), moves.any_change(states)
        change = self._changes(draws, episodes.draws, states, cleared, any_change)
        change[~valid] = 0
        view = _View(valid, cleared, any_change, change, np.zeros((0, 0), dtype=np.float32))
        if not is_bare:
            view.observation = self._observe(episodes, view)
        return view

    def act(self, episodes: "EpisodeBatch", view: _View, actions: Indices) -> tuple[Floats, Bools, Bools]:
        """Take one action per episode, in place.

        Returns:
            Change of the draw's value, terminated, truncated; each of shape (n,).
        """
        everyone = np.arange(len(actions))
        is_stop = actions == self.moves.space.stop
        takes = np.flatnonzero(view.valid[everyone, actions] & ~is_stop)
        taken = actions[takes]
        self.moves.apply(episodes.states, takes, taken, view.cleared[takes, taken], view.any_change[takes, taken])
        episodes.steps += ~is_stop
        return view.change[everyone, actions], is_stop, ~is_stop & (episodes.steps >= self.max_edits)

    def roll_out(self, choose: Choose | None, starts: Sequence[Prompt], draws: Indices) -> list[RolloutResult]:
        """Follow a policy from each start until it stops.

        Args:
            choose: The policy; None = the edit with the largest gain under the draw, while there is one.
            starts: One prompt per episode.
            draws: Number of the draw of each.

        Returns:
            One result per episode, in order.
        """
        episodes = self.begin(np.stack([self.moves.features(prompt) for prompt in starts]), draws)
        value = self.value(episodes)
        best = value.copy()
        routes: list[list[int]] = [[] for _ in starts]
        kept = [0] * len(starts)
        going = np.arange(len(starts))
        for _ in range(self.max_edits):
            view = self.observe(episodes, is_bare=choose is None)
            actions = self._greedy(view) if choose is None else choose(view.observation)
            change, stopped, _ = self.act(episodes, view, actions)
            value[going] += change
            left = np.flatnonzero(~stopped)
            episodes, going = episodes.take(left), going[left]
            for i, action in zip(going, actions[left], strict=True):
                routes[i].append(int(action))
                if value[i] > best[i] + 1e-12:
                    best[i], kept[i] = value[i], len(routes[i])
            if not len(going):
                break
        return [
            RolloutResult(start, tuple(routes[i][: kept[i]]), float(best[i]), int(draws[i]))
            for i, start in enumerate(starts)
        ]

    def _greedy(self, view: _View) -> Indices:
        gain = np.where(view.valid, view.change, -np.inf)
        gain[:, self.moves.space.stop] = 0.0
        return np.asarray(gain.argmax(axis=1))

    def _value(self, draws: Draws, held: Bools, numbers: Indices) -> Floats:
        value = draws.intercept[numbers] + (draws.effects[numbers] * held).sum(axis=1)
        value += self._parity_terms(draws, held, numbers).sum(axis=1)
        pairs = self.posterior.pairs
        both = draws.pairs[numbers][:, pairs.number] * held[:, pairs.other]
        return np.asarray(value + 0.5 * (pairs.total(both) * held).sum(axis=1))

    def _changes(
        self, draws: Draws, numbers: Indices, states: States, cleared: Indices, any_change: NDArray[np.int8]
    ) -> Floats:
        """Change of a draw's value by every action, shape (n, n_actions)."""
        pairs = self.posterior.pairs
        weights = draws.pairs[numbers][:, pairs.number]
        marginal = draws.effects[numbers] + pairs.total(weights * states.held[:, pairs.other])
        change = marginal[:, self.moves.sets] - np.take_along_axis(marginal, cleared, axis=1)
        change += any_change * marginal[:, self.moves.any_of]
        terms = self._parity_terms(draws, states.held, numbers)
        change += self.posterior.parities.changes(terms, states.option)[:, self.moves.sets]
        return np.asarray(change)

    def _parity_terms(self, draws: Draws, held: Bools, numbers: Indices) -> Floats:
        return np.asarray(draws.parities[numbers] * self.posterior.parities.values(held))

    def _observe(self, episodes: "EpisodeBatch", view: _View) -> NDArray[np.float32]:
        posterior, moves, states = self.posterior, self.moves, episodes.states
        zero = np.zeros(len(states.held), dtype=np.intp)
        prospects = Prospects(
            is_valid=view.valid,
            is_held=moves.is_held(states),
            effect=self._changes(posterior.mean, zero, states, view.cleared, view.any_change),
            effect_sd=self._effect_sd(view.cleared),
            effect_draw=view.change,
            lookahead=self._lookahead(episodes, view),
            answers=self._answers(states.held, view),
            tokens=moves.tokens[moves.sets][None, :] - moves.tokens[view.cleared],
            gain=self._value(posterior.mean, states.held, zero) - self._baseline_mean,
            scale=episodes.scales,
            step=episodes.steps / self.max_edits,
            budget_left=posterior.budget_left,
        )
        return self._observations.fill(prospects)

    def _effect_sd(self, cleared: Indices) -> Floats:
        """Standard deviation of the change of single effects by each action, shape (n, n_actions)."""
        variance, on = self.posterior.variance, np.broadcast_to(self.moves.sets, cleared.shape)
        square = np.diag(variance)[on] + np.diag(variance)[cleared] - 2 * variance[on, cleared]
        return np.sqrt(np.maximum(0.0, square))

    def _lookahead(self, episodes: "EpisodeBatch", view: _View) -> Floats:
        """Change by an action and the best feature that can be set after it, shape (n, n_actions).

        What the first takes out is left in the second's account; triples that both complete are left out.
        """
        pairs = self.posterior.pairs
        setting = np.where(view.valid, view.change, -np.inf)[:, self._setter]
        setting[:, -1] = -np.inf
        weights = self.posterior.draws.pairs[episodes.draws][:, pairs.number]
        follow = pairs.highest(weights + setting[:, pairs.other])
        return np.asarray(view.change + follow[:, self.moves.sets])

    def _answers(self, held: Bools, view: _View) -> NDArray[np.int64]:
        """How many answers each neighbour has, shape (n, n_actions)."""
        posterior, keys = self.posterior, self._keys
        if not len(posterior.asked):
            return np.zeros(view.valid.shape, dtype=np.int64)
        with np.errstate(over="ignore"):
            codes = self._hash(held)[:, None] + keys[self.moves.sets][None, :] - keys[view.cleared]
            key = keys[self.moves.any_of]
            codes = codes + np.where(view.any_change > 0, key, 0) - np.where(view.any_change < 0, key, 0)
        at = np.minimum(np.searchsorted(posterior.asked, codes), len(posterior.asked) - 1)
        return np.where(posterior.asked[at] == codes, posterior.answers[at], 0)

    def _hash(self, held: Bools) -> NDArray[np.uint64]:
        """Equal for equal prompts (Zobrist hashing with sums), shape (n,)."""
        with np.errstate(over="ignore"):
            return np.asarray((held * self._keys).sum(axis=1, dtype=np.uint64))


@dataclass(slots=True)
class EpisodeBatch:
    """Imagined episodes side by side.

    Attributes:
        states: The present prompts.
        draws: Number of each one's draw.
        scales: What its effects are divided by.
        steps: Edits made.
    """

    states: States
    draws: Indices
    scales: Floats
    steps: NDArray[np.int64]

    def take(self, rows: Indices) -> "EpisodeBatch":
        """Copies of some of them."""
        states = States(self.states.held[rows], self.states.option[rows])
        return EpisodeBatch(states, self.draws[rows], self.scales[rows], self.steps[rows])

    def replace(self, rows: Indices, other: "EpisodeBatch") -> None:
        """Put other episodes into the given rows."""
        self.states.held[rows], self.states.option[rows] = other.states.held, other.states.option
        self.draws[rows], self.scales[rows], self.steps[rows] = other.draws, other.scales, other.steps


@dataclass(slots=True)
class Starts:
    """Prompts that imagined episodes begin at, as features, shape (k, n_features)."""

    baseline: Bools
    others: Bools = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))

    def draw(self, n: int, rng: np.random.Generator) -> Bools:
        """Half at the baseline, half at one of the others."""
        starts = np.repeat(self.baseline[None], n, axis=0)
        if len(self.others):
            elsewhere = np.flatnonzero(rng.random(n) < 0.5)
            starts[elsewhere] = self.others[rng.integers(len(self.others), size=len(elsewhere))]
        return starts
