"""A policy gradient on the live model whose action is a whole prompt: a bandit with a softmax for every choice."""

from collections.abc import Sequence

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import BaselineSettings
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.context import SearchContext
from promptrl.search.result import SearchResult
from promptrl.search.surrogate.data import Floats
from promptrl.search.trials import Trials

BATCH = 4
STEP = 22.0
"""Divided by the root of the calls, used and left, as in Exp3 (Auer et al. 2002); large, as rewards are shrunken means,
which a first answer moves by a fifth."""
FLOOR = 0.1
CRITIC_RATE = 0.5
REFINE_SHARE = 0.2
MAX_IDLE = 20

Action = tuple[int, ...]


class Policy:
    """Independent softmax distributions, one over the values of each variable, uniform at first.

    Args:
        variables: What a prompt is made of.
        rng: Draws the actions.
    """

    def __init__(self, variables: Variables, rng: np.random.Generator) -> None:
        self._variables = variables
        self._rng = rng
        self._logits = [np.zeros(len(variable.actions)) for variable in variables.all]

    @property
    def chances(self) -> list[Floats]:
        """The distribution of each variable; ``FLOOR`` of it is uniform, so that no value is given up for good."""
        return [(1 - FLOOR) * _softmax(logits) + FLOOR / len(logits) for logits in self._logits]

    def draw(self) -> Action:
        """A value for every variable."""
        return tuple(int(self._rng.choice(len(chances), p=chances)) for chances in self.chances)

    def prompt(self, action: Action) -> Prompt:
        """What an action makes of the baseline."""
        names = (variable.name for variable in self._variables.all)
        return self._variables.prompt(dict(zip(names, action, strict=True)))

    def reinforce(self, actions: Sequence[Action], advantages: Floats, step: float) -> None:
        """One step towards what earned more than expected, summed over actions (as REINFORCE does, Williams 1992).

        Args:
            actions: What was drawn.
            advantages: Of each, in the same order.
            step: How far the logits follow the gradient.
        """
        for logits, chances, values in zip(self._logits, self.chances, zip(*actions, strict=True), strict=True):
            for value, advantage in zip(values, advantages, strict=True):
                logits[value] += step * advantage
                logits -= step * advantage * chances


def search(context: SearchContext, settings: BaselineSettings) -> SearchResult:
    """Draw prompts from a policy, ask each on a row or so, and make the better ones more likely.

    The reward of a prompt is its shrunken mean over all its answers, corrected for its rows, so that a prompt drawn
    again counts for more; the critic is a running mean of the rewards.

    Args:
        context: What to search.
        settings: Its ``rows_per_prompt`` are the rows for each prompt drawn.
    """
    trials, rng = Trials(context), np.random.default_rng(context.seed)
    population = Population(trials, rng)
    policy = Policy(Variables(trials.space), rng)
    population.ask_each([trials.space.baseline], settings.rows_per_prompt)
    critic: float | None = None
    idle = 0
    while not trials.is_over and trials.has_left(REFINE_SHARE) and idle < MAX_IDLE:
        actions = [policy.draw() for _ in range(BATCH)]
        prompts = [policy.prompt(action) for action in actions]
        idle = 0 if population.ask_each(list(dict.fromkeys(prompts)), settings.rows_per_prompt) else idle + 1
        rewards = np.array([population.mean(prompt) for prompt in prompts])
        known = np.flatnonzero(~np.isnan(rewards))
        if len(known):
            mean = float(rewards[known].mean())
            critic = mean if critic is None else critic
            step = STEP / max(1, trials.calls_allowed) ** 0.5  # tokens and dollars may pay for fewer than it began with
            policy.reinforce([actions[i] for i in known], rewards[known] - critic, step)
            critic += CRITIC_RATE * (mean - critic)
    population.refine(settings.rows_per_prompt)
    return trials.result(population.ranking())


def _softmax(logits: Floats) -> Floats:
    chances = np.exp(logits - logits.max())
    return np.asarray(chances / chances.sum(), dtype=np.float64)
