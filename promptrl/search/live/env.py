"""The Gymnasium environment of prompt edits and its vectorised twin for Stable-Baselines3."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from promptrl.evaluation.interface import Evaluate
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.agents.vec_env import EditVecEnv, spaces_of
from promptrl.search.live.episodes import Episodes
from promptrl.tasks.dataset import Example

Observation = NDArray[np.float32]


class PromptEnv(gym.Env[Any, Any]):
    """Edit a prompt step by step; every step is scored by the model.

    Action space:
        ``Discrete(n_actions)``: the index of an edit; the last action stops. An edit that does not change the
        present prompt does nothing (``action_masks`` says which do).

    Observation space:
        ``Box(-10, 10, (n_actions * N_FEATURES,), float32)``: one row of features per action, flattened;
        ``promptrl.search.observation.FEATURES`` lists the columns with meaning and range.

    Rewards:
        ``reward_scale`` times the change of the mean objective on this episode's rows; their sum telescopes to
        ``reward_scale`` × (last − first). An invalid edit earns −``no_op_penalty`` (default 0), outside that sum.

    Starting state:
        The baseline prompt and ``rows_per_prompt`` train rows drawn at random.

    Episode end:
        Terminated by *stop*, truncated after ``max_edits`` steps.

    ``reset(seed=...)`` also forgets what earlier answers taught the observation, so that equal seeds and actions
    give equal episodes; a plain ``reset()`` keeps it.

    Args:
        space: The edits.
        evaluator: Answers.
        rows: Train examples.
        **rules: As in ``Episodes``: ``rows_per_prompt``, ``max_edits``, ``reward_scale``, ``no_op_penalty``,
            ``is_exploring``, ``estimates``, ``seed``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, space: EditSpace, evaluator: Evaluate, rows: Sequence[Example], **rules: Any) -> None:
        self.episodes = Episodes(space, evaluator, rows, n_envs=1, **rules)
        self.observation_space, self.action_space = spaces_of(space.n_actions)

    @property
    def prompt(self) -> Prompt:
        """The prompt that the episode has come to."""
        return self.episodes.episodes[0].prompt

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Go back to the baseline with new rows; costs no call."""
        super().reset(seed=seed)
        if seed is None:
            self.episodes.start(0)
        else:
            self.episodes.forget()
            self.episodes.reseed(seed)
        return self.episodes.observe(0), {"prompt_id": self.prompt.prompt_id}

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Apply one edit and score the result on this episode's rows.

        Raises:
            BudgetExhaustedError: The calls left can't score the new prompt.
        """
        result = self.episodes.step([int(action)])[0]
        return self.episodes.observe(0), result.reward, result.terminated, result.truncated, result.info

    def action_masks(self) -> NDArray[np.bool_]:
        """Valid actions, shape (n_actions,)."""
        return self.episodes.mask(0)


class PromptVecEnv(EditVecEnv):
    """``PromptEnv`` many times over: one batch of concurrent calls scores a step of all of them.

    Args:
        space: The edits.
        evaluator: Answers.
        rows: Train examples.
        n_envs: Environments side by side.
        **rules: As for ``PromptEnv``.
    """

    def __init__(
        self, space: EditSpace, evaluator: Evaluate, rows: Sequence[Example], *, n_envs: int, **rules: Any
    ) -> None:
        self.episodes = Episodes(space, evaluator, rows, n_envs=n_envs, **rules)
        super().__init__(n_envs, space.n_actions)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Restart every random stream from a seed; None does nothing."""
        if seed is not None:
            self.episodes.reseed(seed)
        return [seed] * self.num_envs

    def reset(self) -> VecEnvObs:
        """Start every episode; float32, shape (n_envs, n_actions * N_FEATURES)."""
        for i in range(self.num_envs):
            self.episodes.start(i)
        return np.stack([self.episodes.observe(i) for i in range(self.num_envs)])

    def step_wait(self) -> VecEnvStepReturn:
        """Score the actions in one batch; ended episodes restart, their last observation is in their info.

        Raises:
            BudgetExhaustedError: The calls left can't score this step.
        """
        results = self.episodes.step(self._actions.tolist())
        infos: list[dict[str, Any]] = []
        for i, result in enumerate(results):
            info = {**result.info, "TimeLimit.truncated": result.truncated and not result.terminated}
            if result.terminated or result.truncated:
                info["terminal_observation"] = self.episodes.observe(i)
                self.episodes.start(i)
            infos.append(info)
        observations = np.stack([self.episodes.observe(i) for i in range(self.num_envs)])
        rewards = np.array([result.reward for result in results], dtype=np.float32)
        dones = np.array([result.terminated or result.truncated for result in results])
        return observations, rewards, dones, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Valid actions, shape (n_envs, n_actions)."""
        return np.stack([self.episodes.mask(i) for i in range(self.num_envs)])
