"""What the vectorised environments of prompt edits share: Stable-Baselines3 sees episodes that move in step."""

from abc import abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from promptrl.search.observation import LIMIT, N_FEATURES
from promptrl.search.surrogate.data import Bools, Indices


def spaces_of(n_actions: int) -> tuple[gym.spaces.Box, gym.spaces.Discrete]:
    """Observations and actions of one environment with so many actions, "stop" included."""
    box = gym.spaces.Box(-LIMIT, LIMIT, (n_actions * N_FEATURES,), np.float32)
    return box, gym.spaces.Discrete(n_actions)


class EditVecEnv(VecEnv):
    """Environments that share their rules: they answer ``action_masks`` and can't be changed one by one.

    Args:
        n_envs: Episodes side by side.
        n_actions: Edits and "stop".
    """

    def __init__(self, n_envs: int, n_actions: int) -> None:
        self.render_mode = None
        self._actions: Indices = np.zeros(n_envs, dtype=np.intp)
        super().__init__(n_envs, *spaces_of(n_actions))

    @abstractmethod
    def action_masks(self) -> Bools:
        """Valid actions, shape (n_envs, n_actions)."""

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions, one per environment."""
        self._actions = np.asarray(actions, dtype=np.intp)

    def close(self) -> None:
        """Nothing to free."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The same value for every environment asked about."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Not possible: environments share their rules."""
        raise AttributeError(f"{attr_name}: environments of prompt edits can't be changed from outside")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Only ``action_masks``, for MaskablePPO."""
        if method_name != "action_masks":
            raise AttributeError(f"{method_name}: environments of prompt edits answer action_masks only")
        masks = self.action_masks()
        return [masks[i] for i in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """False for each: no wrapper stands between this and its episodes."""
        return [False for _ in self._get_indices(indices)]
