"""Wrong hyperparameters are all found before anything runs, each with its key, value and what was expected."""

import inspect
import subprocess
import sys
from typing import Any

import pytest
from sb3_contrib import QRDQN, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from promptrl.config.messages import place_at
from promptrl.search.algorithms import AGENTS, ALGORITHMS, BASELINES, check_params
from promptrl.search.hyperparameters import MAX_BUFFER_SIZE
from promptrl.search.searches import load_search

CLASSES: dict[str, type[BaseAlgorithm]] = {
    "maskable_ppo": MaskablePPO,
    "ppo": PPO,
    "a2c": A2C,
    "dqn": DQN,
    "qrdqn": QRDQN,
}


@pytest.mark.parametrize("name", AGENTS)
def test_every_hyperparameter_exists_in_sb3(name: str) -> None:
    """The table speaks SB3's own names."""
    assert ALGORITHMS[name].hyperparameters.known.keys() <= inspect.signature(CLASSES[name]).parameters.keys()


@pytest.mark.parametrize("name", AGENTS)
def test_defaults_pass_their_own_check(name: str) -> None:
    """Ours are in range and small: no rollout eats a budget."""
    defaults = ALGORITHMS[name].hyperparameters.defaults
    assert check_params(name, defaults) == []
    assert (defaults.get("n_steps") or 1) <= 32
    assert (defaults.get("buffer_size") or 0) <= MAX_BUFFER_SIZE


@pytest.mark.parametrize(
    ("name", "params", "key", "words"),
    [
        ("ppo", {"gamma": 1.5}, "gamma", "got 1.5, expected a number, 0 to 1"),
        ("ppo", {"gamma": "0.9"}, "gamma", "got '0.9'"),
        ("ppo", {"gamma": True}, "gamma", "got True"),
        ("ppo", {"gamma": float("nan")}, "gamma", "got nan"),
        ("a2c", {"ent_coef": float("inf")}, "ent_coef", "got inf"),
        ("ppo", {"learning_rate": 0}, "learning_rate", "above 0, at most 1"),
        ("ppo", {"learning_rate": "linear"}, "learning_rate", "a number"),
        ("ppo", {"n_epochs": 2.5}, "n_epochs", "a whole number, at least 1"),
        ("ppo", {"gamma": None}, "gamma", "got None"),
        ("maskable_ppo", {"target_kl": -1}, "target_kl", "or null"),
        ("a2c", {"use_rms_prop": 1}, "use_rms_prop", "true or false"),
        ("dqn", {"buffer_size": 1_000_000}, "buffer_size", "1 to 20000"),
        ("dqn", {"gradient_steps": -2}, "gradient_steps", "at least -1"),
        ("a2c", {"clip_range": 0.2}, "clip_range", "a2c has no such parameter"),
        ("ppo", {"learning_rate": "lin_2"}, "learning_rate", "or such a number after lin_"),
        ("ppo", {"learning_rate": "lin_"}, "learning_rate", "got 'lin_'"),
        ("ppo", {"gamma": "lin_0.9"}, "gamma", "got 'lin_0.9'"),
        ("ppo", {"device": "gpu"}, "device", "expected cpu, cuda, cuda:N, mps or auto"),
        ("ppo", {"device": None}, "device", "got None"),
        ("ppo", {"policy_kwargs": [64]}, "policy_kwargs", "expected a mapping"),
        ("ppo", {"policy_kwargs": {"hidden": 30}}, "policy_kwargs.hidden", "a multiple of 4"),
        ("ppo", {"policy_kwargs": {"prior": -1}}, "policy_kwargs.prior", "at least 0"),
        ("ppo", {"policy_kwargs": {"net_arch": [64]}}, "policy_kwargs.net_arch", "means nothing here"),
        ("dqn", {"policy_kwargs": {"n_quantiles": 9}}, "policy_kwargs.n_quantiles", "dqn has no such parameter"),
        ("ppo", {"policy_kwargs": {"optimizer_kwargs": 1}}, "policy_kwargs.optimizer_kwargs", "expected a mapping"),
        (
            "ppo",
            {"policy_kwargs": {"optimizer_kwargs": {"eps": 0}}},
            "policy_kwargs.optimizer_kwargs.eps",
            "got 0, expected a number, above 0",
        ),
        (
            "a2c",
            {"use_rms_prop": True, "policy_kwargs": {"optimizer_kwargs": {"eps": 1e-5}}},
            "policy_kwargs.optimizer_kwargs",
            "a2c sets its optimizer itself",
        ),
    ],
)
def test_wrong_value_is_named_with_what_was_expected(name: str, params: Any, key: str, words: str) -> None:
    """One problem, at its key, in words a person can act on."""
    (problem,) = check_params(name, params)
    assert problem.key == f"algorithm.params.{key}"
    assert words in problem.message


def test_unknown_name_gets_the_nearest_right_one() -> None:
    """A typo is answered with what was meant."""
    (problem,) = check_params("ppo", {"learning_rat": 1e-3})
    assert "learning_rate" in problem.hint


def test_all_problems_are_reported_at_once() -> None:
    """Not only the first."""
    problems = check_params("dqn", {"gamma": 2, "tau": 0, "n_epochs": 4})
    assert [problem.key for problem in problems] == [f"algorithm.params.{key}" for key in ("gamma", "tau", "n_epochs")]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ppo", {"target_kl": None, "gamma": 1}),
        ("dqn", {"gradient_steps": -1}),
        ("ppo", {"learning_rate": "lin_3e-4", "clip_range": "lin_0.2", "clip_range_vf": "lin_0.5"}),
        ("a2c", {"device": "cuda:1"}),
        ("qrdqn", {"policy_kwargs": {"hidden": 64, "n_quantiles": 9}}),
        ("dqn", {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.01}}}),
    ],
)
def test_right_values_pass(name: str, params: Any) -> None:
    """Null where SB3 takes it, whole numbers for floats, -1 gradient steps."""
    assert check_params(name, params) == []


def test_check_needs_neither_torch_nor_sb3() -> None:
    """``validate`` stays quick."""
    code = "import sys, promptrl.search.algorithms; sys.exit('torch' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_a_file_of_its_name(name: str) -> None:
    """With a function that searches, and nothing to train."""
    algorithm = ALGORITHMS[name]
    assert load_search(name).__module__ == f"promptrl.search.baselines.{name}"
    assert not algorithm.is_agent
    assert not algorithm.hyperparameters.known


def test_every_algorithm_can_be_named_in_a_config() -> None:
    """The config's choices and the definitions are the same."""
    place = place_at(("algorithm",), {})
    assert place is not None
    assert set(place.variants) == set(ALGORITHMS) == {*AGENTS, *BASELINES}
