"""Builds SB3 agents, the only place that does; keeps and restores their weights as plain tensors."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sb3_contrib import QRDQN, MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from promptrl.search.agents.policy import (
    IMAGINED_Q_PRIOR,
    EditActorCriticPolicy,
    EditDQNPolicy,
    EditMaskablePolicy,
    EditQRDQNPolicy,
    Encoder,
)
from promptrl.search.agents.schedule import LinearSchedule, Remaining
from promptrl.search.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from promptrl.search.events import Figures
from promptrl.search.hyperparameters import linear_from
from promptrl.search.result import Decision

_CLASSES: Mapping[str, tuple[type[BaseAlgorithm], type[Any]]] = {
    "maskable_ppo": (MaskablePPO, EditMaskablePolicy),
    "ppo": (PPO, EditActorCriticPolicy),
    "a2c": (A2C, EditActorCriticPolicy),
    "dqn": (DQN, EditDQNPolicy),
    "qrdqn": (QRDQN, EditQRDQNPolicy),
}


@dataclass(frozen=True, slots=True)
class AgentChoice:
    """Which agent searches, wherever it works.

    Attributes:
        algorithm: Which SB3 algorithm.
        policy: How the network lets edits see each other.
        params: SB3's hyperparameters by their own names, over our defaults.
        max_edits: Longest episode; None = one more than there are slots.
    """

    algorithm: str = DEFAULT_ALGORITHM
    policy: Encoder = "deepsets"
    params: Mapping[str, Any] = field(default_factory=dict)
    max_edits: int | None = None


def build_agent(
    name: str,
    env: VecEnv,
    *,
    policy: Encoder = "deepsets",
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    is_imagined: bool = False,
    remaining: Remaining | None = None,
) -> BaseAlgorithm:
    """An SB3 agent with the shared-weight policy, on the CPU unless told otherwise.

    Args:
        name: The algorithm.
        env: Prompt environments.
        policy: How edits see each other.
        params: SB3's hyperparameters by their own names, over the algorithm's own defaults.
        seed: Of SB3, torch and numpy.
        is_imagined: Whether steps are free, so that the defaults for many of them hold.
        remaining: What linear schedules go by; None: SB3's own count of steps.

    Returns:
        A model ready for ``learn``.
    """
    algorithm, policy_class = _CLASSES[name]
    known = ALGORITHMS[name].hyperparameters
    given = {"device": "cpu", **(params or {})}
    network: dict[str, Any] = {"encoder": policy}
    if is_imagined and ALGORITHMS[name].is_value_based:
        network["prior"] = IMAGINED_Q_PRIOR
    network |= given.pop("policy_kwargs", {})
    settings = {**(known.imagined_defaults if is_imagined else known.defaults), **given}
    for param, value in settings.items():
        if isinstance(value, str) and param != "device":
            settings[param] = LinearSchedule(linear_from(value), remaining)
    if "n_epochs" in settings:
        settings["batch_size"] = _fitting_batch_size(settings["batch_size"], settings["n_steps"] * env.num_envs)
    model = algorithm(policy_class, env, policy_kwargs=network, seed=seed, verbose=0, **settings)
    model.set_logger(make_logger())
    return model


def choose_action(model: BaseAlgorithm, observation: np.ndarray[Any, Any]) -> Decision:
    """The agent's best action, and how probable its policy holds each.

    Args:
        model: The agent.
        observation: Of one environment, flat.
    """
    action = int(model.predict(observation, deterministic=True)[0])
    if not isinstance(model.policy, ActorCriticPolicy | MaskableActorCriticPolicy):
        return Decision(action)
    with torch.no_grad():
        distribution: Any = model.policy.get_distribution(model.policy.obs_to_tensor(observation)[0]).distribution
    return Decision(action, tuple(distribution.probs[0].tolist()))


def carry_over(smaller: BaseAlgorithm, larger: BaseAlgorithm) -> None:
    """Give the agent of a larger space what one of the same kind has learned: weights, optimiser, how far it is.

    Observations that an agent keeps to learn from again (DQN, QR-DQN) don't fit any more and are left behind.
    """
    larger.policy.load_state_dict(smaller.policy.state_dict())
    larger.policy.optimizer.load_state_dict(smaller.policy.optimizer.state_dict())
    larger.num_timesteps = smaller.num_timesteps


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Train these small networks on one thread: more are many times slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fitting_batch_size(wanted: int, rollout: int) -> int:
    """The largest size up to the wanted one that divides a rollout, so that no minibatch is cut short."""
    return max((size for size in range(2, wanted + 1) if rollout % size == 0), default=rollout)


def make_logger(emit: Callable[[Figures], None] | None = None) -> Logger:
    """An SB3 logger that writes no files and prints nothing.

    Args:
        emit: Told what SB3 dumps, one event each time; None = nobody is.
    """
    return Logger(folder=None, output_formats=[_FiguresWriter(emit)] if emit else [])


class _FiguresWriter(KVWriter):
    """Forwards each dump of an SB3 logger as one event."""

    def __init__(self, emit: Callable[[Figures], None]) -> None:
        self._emit = emit

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Emit the numbers among the values; all that SB3's algorithms log are."""
        values = {key: value.item() if isinstance(value, np.generic) else value for key, value in key_values.items()}
        self._emit(Figures(step, {key: value for key, value in values.items() if isinstance(value, int | float)}))

    def close(self) -> None:
        """Nothing to close."""
