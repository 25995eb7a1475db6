"""What an episode is: where it starts, which rows it is scored on, what a step earns and when it ends.

``PromptEnv`` and ``PromptVecEnv`` (env.py) are two doors to this one set of rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptrl.evaluation.interface import Evaluate
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.context import evaluate_batch
from promptrl.search.live.estimates import Draw, Estimates
from promptrl.search.live.featurizer import Featurizer
from promptrl.search.observation import REWARD_SCALE, edit_slots
from promptrl.tasks.dataset import Example


@dataclass(slots=True)
class Episode:
    """One episode, from a prompt on, edit by edit.

    Attributes:
        prompt: The present one.
        rows: The examples that all its prompts are scored on.
        objectives: Last known objective per row, NaN while there is none, shape (len(rows),).
        draw: What it takes for true while it explores.
        steps: Edits made, invalid ones included.
        is_scored: Whether the present prompt was asked on the rows.
    """

    prompt: Prompt
    rows: tuple[Example, ...]
    objectives: NDArray[np.float64]
    draw: Draw
    steps: int = 0
    is_scored: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """What one step gave.

    Attributes:
        reward: ``reward_scale`` times the change of the mean objective on the episode's rows.
        terminated: The agent stopped.
        truncated: ``max_edits`` steps are used.
        info: ``prompt_id`` now, and ``is_no_op`` if the edit was invalid.
    """

    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any] = field(default_factory=dict)


class Episodes:
    """Several episodes side by side; one batch of questions scores a step of all of them.

    Args:
        space: The edits.
        evaluator: Answers; its "search" share pays.
        rows: Train examples.
        n_envs: Episodes side by side.
        rows_per_prompt: Examples drawn for each episode; all its prompts share them, so differences are paired.
        max_edits: Steps after which an episode is cut; None = one more than there are slots.
        reward_scale: Reward per unit of the objective.
        no_op_penalty: Taken off the reward of an invalid edit; outside the telescoping sum.
        is_exploring: Whether each episode follows its own posterior draw, or all follow the posterior mean.
        estimates: Posterior to go on from; None = a clean sheet.
        seed: Of rows and draws.
    """

    def __init__(
        self,
        space: EditSpace,
        evaluator: Evaluate,
        rows: Sequence[Example],
        *,
        n_envs: int = 1,
        rows_per_prompt: int = 1,
        max_edits: int | None = None,
        reward_scale: float = REWARD_SCALE,
        no_op_penalty: float = 0.0,
        is_exploring: bool = True,
        estimates: Estimates | None = None,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.evaluator = evaluator
        self.rows = tuple(rows)
        self.rows_per_prompt = min(rows_per_prompt, len(self.rows))
        self.max_edits = max_edits or len(edit_slots(space)) + 1
        self.reward_scale = reward_scale
        self.no_op_penalty = no_op_penalty
        self.is_exploring = is_exploring
        self.estimates = estimates or Estimates(space.stop)
        self.featurizer = Featurizer(space, self.estimates)
        self.prompts: dict[str, Prompt] = {}
        self._used_before = evaluator.calls_used("search")
        self.n_envs = n_envs
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start all episodes anew with fresh random streams; what was learned stays."""
        self._streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(self.n_envs)]
        self.episodes = [self._new(i) for i in range(self.n_envs)]

    def forget(self) -> None:
        """Drop what this run's answers said (a Gymnasium reset with a seed must repeat itself)."""
        self.estimates = Estimates(self.space.stop)
        self.featurizer = Featurizer(self.space, self.estimates)

    def start(self, i: int) -> None:
        """Begin episode ``i`` anew; costs no call: the start is scored along with the first edit."""
        self.episodes[i] = self._new(i)

    def observe(self, i: int) -> NDArray[np.float32]:
        """Observation of episode ``i``, see ``observation.FEATURES``."""
        episode = self.episodes[i]
        return self.featurizer.observe(
            episode.prompt,
            episode.draw,
            step_share=episode.steps / self.max_edits,
            budget_share=self.share_left,
        )

    @property
    def calls_used(self) -> int:
        """Calls that the search has spent since these episodes began."""
        return self.evaluator.calls_used("search") - self._used_before

    @property
    def share_left(self) -> float:
        """The part of the search's calls that is left, as far as one can say now, in [0, 1]."""
        left = max(0, self.evaluator.calls_left("search"))
        return left / max(1, left + self.calls_used)

    def mask(self, i: int) -> NDArray[np.bool_]:
        """Valid actions of episode ``i``, shape (n_actions,)."""
        return self.featurizer.mask(self.episodes[i].prompt)

    def step(self, actions: Sequence[int]) -> list[Transition]:
        """Take one action in every episode.

        Args:
            actions: One per episode, in [0, n_actions).

        Returns:
            One transition per episode; none is restarted.

        Raises:
            BudgetExhaustedError: The calls left can't score this step; no episode moved.
        """
        masks = [self.mask(i) for i in range(self.n_envs)]
        moves = {
            i: self.space.apply(self.episodes[i].prompt, action)
            for i, action in enumerate(actions)
            if action != self.space.stop and masks[i][action]
        }
        changes = self._score(moves)
        transitions = []
        for i, action in enumerate(actions):
            episode = self.episodes[i]
            is_stop = action == self.space.stop
            is_no_op = i not in moves and not is_stop
            episode.steps += not is_stop
            reward = self.reward_scale * changes.get(i, 0.0) - self.no_op_penalty * is_no_op
            info: dict[str, Any] = {"prompt_id": episode.prompt.prompt_id, "is_no_op": is_no_op}
            is_cut = not is_stop and episode.steps >= self.max_edits
            transitions.append(Transition(reward, is_stop, is_cut, info))
        return transitions

    def learn_answers(self, asks: Sequence[tuple[Prompt, Example]]) -> list[float]:
        """Ask in one batch and take the answers into the estimates.

        Returns:
            The objective per ask, NaN where the answer is missing.

        Raises:
            BudgetExhaustedError: A limit was hit; what was answered before it counts.
        """
        batch = evaluate_batch(self.evaluator, asks)
        for at, outcome in batch.outcomes.items():
            if outcome is not None:
                prompt, example = asks[at]
                self.prompts.setdefault(prompt.prompt_id, prompt)
                self.estimates.add(prompt.prompt_id, self.space.holds(prompt), example.id, outcome.objective)
        self.estimates.fit()
        if batch.cut_short:
            raise batch.cut_short
        return [np.nan if outcome is None else outcome.objective for outcome in batch.outcomes.values()]

    def _new(self, i: int) -> Episode:
        rng = self._streams[i]
        chosen = rng.choice(len(self.rows), self.rows_per_prompt, replace=False)
        draw = self.estimates.draw(rng) if self.is_exploring else self.estimates.posterior_mean()
        rows = tuple(self.rows[r] for r in chosen)
        return Episode(self.space.baseline, rows, np.full(len(rows), np.nan), draw)

    def _score(self, moves: dict[int, Prompt]) -> dict[int, float]:
        """Score the moved episodes in one batch, move them, and return the change of each mean objective.

        A row without an answer counts as unchanged until it has one, so that the changes still add up to
        last minus first.
        """
        starts = [i for i in moves if not self.episodes[i].is_scored]
        wanted = [(i, self.episodes[i].prompt) for i in starts] + list(moves.items())
        asks = [(prompt, row) for i, prompt in wanted for row in self.episodes[i].rows]
        answers = iter(self.learn_answers(asks)) if asks else iter(())
        changes: dict[int, float] = {}
        for i, prompt in wanted:
            episode = self.episodes[i]
            new = np.array([next(answers) for _ in episode.rows])
            changes[i] = float(np.nan_to_num(new - episode.objectives).mean())
            episode.objectives = np.where(np.isnan(new), episode.objectives, new)
            episode.prompt, episode.is_scored = prompt, True
        return changes
