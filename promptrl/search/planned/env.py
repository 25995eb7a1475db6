"""The door through which an SB3 agent trains on imagined episodes (``imagined.py``)."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from promptrl.search.observation import LIMIT, N_FEATURES
from promptrl.search.planned.imagined import EpisodeBatch, Imagination, Starts
from promptrl.search.surrogate.data import Bools, Indices


class ImaginedVecEnv(VecEnv):
    """The imagination as SB3 trains in it: an ended episode restarts under another draw.

    Observations, actions and the end of an episode are those of ``PromptEnv``; a reward is the change of the draw's
    value divided by the spread of its effects. An invalid edit does nothing.

    Args:
        imagination: Holds posterior already.
        starts: Where episodes begin.
        n_envs: Episodes side by side.
    """

    def __init__(self, imagination: Imagination, starts: Starts, n_envs: int) -> None:
        self.imagination = imagination
        self.starts = starts
        self.render_mode = None
        self._rng = np.random.default_rng(0)  # SB3 seeds environments anew, by `seed`
        n_actions = imagination.moves.space.n_actions
        box = gym.spaces.Box(-LIMIT, LIMIT, (n_actions * N_FEATURES,), np.float32)
        self._actions: Indices = np.zeros(n_envs, dtype=np.intp)
        super().__init__(n_envs, box, gym.spaces.Discrete(n_actions))

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

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions, one per environment."""
        self._actions = np.asarray(actions, dtype=np.intp)

    def step_wait(self) -> VecEnvStepReturn:
        """Carry them out; ended episodes restart, their last observation is in their info."""
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

    def close(self) -> None:
        """Nothing to free."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The same value for every environment asked about."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Not possible: environments share their rules."""
        raise AttributeError(f"{attr_name}: imagined environments can't be changed from outside")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Only ``action_masks``, for MaskablePPO."""
        if method_name != "action_masks":
            raise AttributeError(f"{method_name}: imagined environments answer action_masks only")
        return [self._view.valid[i] for i in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """None is."""
        return [False for _ in self._get_indices(indices)]

    def _begin(self, n: int) -> EpisodeBatch:
        return self.imagination.begin(self.starts.draw(n, self._rng), self._draws(n))

    def _draws(self, n: int) -> Indices:
        return self._rng.integers(len(self.imagination.posterior.draws.intercept), size=n)
