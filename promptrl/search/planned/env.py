"""The door through which an SB3 agent trains on imagined episodes (``imagined.py``)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from promptrl.search.agents.vec_env import EditVecEnv
from promptrl.search.planned.imagined import EpisodeBatch, Imagination, Starts
from promptrl.search.surrogate.data import Bools, Indices


class ImaginedVecEnv(EditVecEnv):
    """The imagination as SB3 trains in it: an ended episode restarts under another draw.

    Observations, actions and the end of an episode are those of ``PromptEnv``; a reward is the change of the draw's
    value divided by the spread of its effects. An invalid edit does nothing.

    Args:
        imagination: Imagines them.
        starts: Where episodes begin.
        n_envs: Episodes side by side.
    """

    def __init__(self, imagination: Imagination, starts: Starts, n_envs: int) -> None:
        self.imagination = imagination
        self.starts = starts
        self._rng = np.random.default_rng(0)  # SB3 seeds environments anew, by `seed`
        super().__init__(n_envs, imagination.moves.space.n_actions)
        self._episodes = self._begin(n_envs)
        self._view = imagination.observe(self._episodes)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Restart the random stream from a seed; None does nothing."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        return [seed] * self.num_envs

    def reset(self) -> VecEnvObs:
        """Start every episode under the present posterior."""
        self._episodes = self._begin(self.num_envs)
        self._view = self.imagination.observe(self._episodes)
        return self._view.observation

    def resume(self) -> NDArray[np.float32]:
        """Go on where every episode is, under draws from a posterior that has changed."""
        self._episodes.draws = self._draws(self.num_envs)
        self._episodes.scales = self.imagination.scales[self._episodes.draws]
        self._view = self.imagination.observe(self._episodes)
        return self._view.observation

    def step_wait(self) -> VecEnvStepReturn:
        """Carry the actions out; ended episodes restart, their last observation is in their info."""
        change, terminated, truncated = self.imagination.act(self._episodes, self._view, self._actions)
        rewards = (change / self._episodes.scales).astype(np.float32)
        dones = terminated | truncated
        ended = np.flatnonzero(dones)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if len(ended):
            last = self.imagination.observe(self._episodes.take(ended)).observation
            for at, i in enumerate(ended):
                infos[i] = {"terminal_observation": last[at], "TimeLimit.truncated": bool(truncated[i])}
            self._episodes.replace(ended, self._begin(len(ended)))
        self._view = self.imagination.observe(self._episodes)
        return self._view.observation, rewards, dones, infos

    def action_masks(self) -> Bools:
        """Valid actions, shape (n_envs, n_actions)."""
        return self._view.valid

    def _begin(self, n: int) -> EpisodeBatch:
        return self.imagination.begin(self.starts.draw(n, self._rng), self._draws(n))

    def _draws(self, n: int) -> Indices:
        return self._rng.integers(len(self.imagination.posterior.draws.intercept), size=n)
