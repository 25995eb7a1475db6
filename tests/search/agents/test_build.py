"""Agents are built with our defaults, log as SB3 does, and their weights survive saving."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sb3_contrib import QRDQN, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from promptrl.search.agents.build import build_agent, carry_over, make_logger, one_torch_thread
from promptrl.search.agents.policy_file import read_policy, save_policy
from promptrl.search.algorithms import AGENTS, ALGORITHMS
from promptrl.search.events import Figures
from promptrl.search.live.env import PromptVecEnv
from tests.search.landscape import make_rows, make_space, table_evaluator

CLASSES: dict[str, type[BaseAlgorithm]] = {
    "maskable_ppo": MaskablePPO,
    "ppo": PPO,
    "a2c": A2C,
    "dqn": DQN,
    "qrdqn": QRDQN,
}


def make_env(options: Sequence[int] = (3, 3, 2)) -> PromptVecEnv:
    """Four environments."""
    return PromptVecEnv(make_space(options), table_evaluator(), make_rows(8), n_envs=4)


def trained(name: str, emit: Callable[[Figures], None] | None = None, **options: Any) -> BaseAlgorithm:
    """An agent after a few steps."""
    agent = build_agent(name, make_env(), **options)
    agent.set_logger(make_logger(emit))
    with one_torch_thread():
        agent.learn(200, log_interval=1)
    return agent


@pytest.mark.parametrize("name", AGENTS)
def test_defaults_reach_sb3_and_given_params_go_over_them(name: str) -> None:
    """SB3's own names carry the values."""
    agent: Any = build_agent(name, make_env(), params={"gamma": 0.5})
    kind: type[Any] = type(agent)
    assert kind is CLASSES[name]
    assert agent.gamma == 0.5
    assert agent.learning_rate == ALGORITHMS[name].hyperparameters.defaults["learning_rate"]
    assert str(agent.device) == "cpu"


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("encoder", ["deepsets", "transformer"])
def test_the_network_is_as_the_params_say(name: str, encoder: Any) -> None:
    """Width, first weight of the prior, the optimiser; and it trains."""
    network: dict[str, Any] = {"hidden": 8, "prior": 0.5}
    if name != "qrdqn":
        network["optimizer_kwargs"] = {"weight_decay": 0.25}
    agent = build_agent(name, make_env(), policy=encoder, params={"policy_kwargs": network})
    shapes = {tuple(tensor.shape) for key, tensor in agent.policy.state_dict().items() if "embed.0.bias" in key}
    assert shapes == {(8,)}
    priors = {float(each.max()) for key, each in agent.policy.state_dict().items() if key.endswith("prior.weight")}
    assert priors == {0.5}
    assert agent.policy.optimizer.param_groups[0]["weight_decay"] == (0 if name == "qrdqn" else 0.25)
    with one_torch_thread():
        agent.learn(64)


def test_a_linear_schedule_follows_the_search_and_is_saved_without_it(tmp_path: Path) -> None:
    """While it searches what is left of the calls counts; an agent that is loaded counts its own steps."""
    left = 0.25
    params = {"learning_rate": "lin_1e-3", "clip_range": "lin_0.2"}
    agent: Any = build_agent("ppo", make_env(), params=params, remaining=lambda: left)
    assert agent.lr_schedule(0.9) == pytest.approx(0.25e-3)
    with one_torch_thread():
        agent.learn(64)
    assert agent.policy.optimizer.param_groups[0]["lr"] == pytest.approx(0.25e-3)
    agent.save(tmp_path / "agent.zip")
    loaded: Any = PPO.load(tmp_path / "agent.zip", device="cpu")
    assert [loaded.lr_schedule(0.9), loaded.clip_range(0.5)] == pytest.approx([0.9e-3, 0.1])


def test_batch_size_always_divides_the_rollout() -> None:
    """A minibatch cut short would make SB3 warn; the largest divisor below the wanted size is taken."""
    agent: Any = build_agent("ppo", make_env(), params={"n_steps": 9, "batch_size": 16})
    assert (agent.n_steps * 4) % agent.batch_size == 0
    assert agent.batch_size == 12


@pytest.mark.parametrize("name", AGENTS)
def test_what_sb3_logs_is_told_in_plain_numbers(name: str) -> None:
    """Each dump is one event with SB3's own names, its step that of the environments."""
    events: list[Figures] = []
    trained(name, emit=events.append)
    assert len(events) > 1
    assert all(event.step == event.values["time/total_timesteps"] for event in events)
    assert any(key.startswith("train/") for event in events for key in event.values)
    assert {type(value) for event in events for value in event.values.values()} <= {int, float}


LOAD_WITH_SB3 = """
import sys, numpy
from sb3_contrib import QRDQN, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
folder = sys.argv[1]
observations = numpy.load(folder + "/observations.npy")
for name, algorithm in (("maskable_ppo", MaskablePPO), ("ppo", PPO), ("a2c", A2C), ("dqn", DQN), ("qrdqn", QRDQN)):
    for encoder in ("deepsets", "transformer"):
        model = algorithm.load(f"{folder}/{name}-{encoder}.zip", device="cpu")
        print(model.predict(observations, deterministic=True)[0].tolist())
"""


def test_policy_zip_loads_with_plain_sb3_in_another_process(tmp_path: Path) -> None:
    """``model.save`` writes what ``PPO.load`` and the like read, with the same behaviour."""
    observations = np.asarray(make_env().reset())
    np.save(tmp_path / "observations.npy", observations)
    expected = []
    for name in AGENTS:
        for encoder in ("deepsets", "transformer"):
            agent = trained(name, policy=encoder)
            agent.save(tmp_path / f"{name}-{encoder}.zip")
            expected.append(agent.predict(observations, deterministic=True)[0].tolist())
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD_WITH_SB3, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert [json.loads(line) for line in loaded.stdout.splitlines()] == expected


@pytest.mark.parametrize("name", AGENTS)
def test_saved_policy_restores_into_another_space(name: str, tmp_path: Path) -> None:
    """Tensors alone carry the policy, also to a space with other edits."""
    agent = trained(name)
    save_policy(agent, tmp_path / "policy.safetensors")
    other = build_agent(name, make_env((5, 4, 4, 2)), seed=5)
    before = weights(other)
    other.policy.load_state_dict(read_policy(tmp_path / "policy.safetensors"))
    assert not all(np.array_equal(a, b) for a, b in zip(before, weights(other), strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(weights(agent), weights(other), strict=True))


@pytest.mark.parametrize("name", AGENTS)
def test_training_changes_the_policy_and_same_seed_repeats_it(name: str) -> None:
    """Learning moves weights; one seed gives one result."""
    first, second, untrained = trained(name, seed=3), trained(name, seed=3), build_agent(name, make_env(), seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights(first), weights(untrained), strict=True))


def weights(agent: BaseAlgorithm) -> list[npt.NDArray[Any]]:
    """Every weight of the policy, by name."""
    return [tensor.numpy().copy() for _, tensor in sorted(agent.policy.state_dict().items())]


@pytest.mark.parametrize("name", AGENTS)
def test_what_an_agent_learned_is_carried_over_to_a_larger_space(name: str) -> None:
    """Weights, the optimiser's moments and the steps so far; it learns on from there."""
    small, large = trained(name), build_agent(name, make_env((4, 3, 3)), seed=1)
    carry_over(small, large)
    weights, moved = small.policy.state_dict(), large.policy.state_dict()
    assert all((moved[key] == value).all() for key, value in weights.items())
    first, second = (agent.policy.optimizer.state_dict()["state"] for agent in (small, large))
    assert first
    assert all(torch.equal(second[at][key], value) for at, moments in first.items() for key, value in moments.items())
    assert large.num_timesteps == small.num_timesteps
    with one_torch_thread():
        large.learn(64, reset_num_timesteps=False)
    assert large.num_timesteps > small.num_timesteps
    assert any((large.policy.state_dict()[key] != value).any() for key, value in weights.items())
