"""Policies as files: they say their format, and one of another format is refused before anything is asked."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from stable_baselines3.common.base_class import BaseAlgorithm

from promptrl.errors import ConfigError
from promptrl.search.agents.build import build_agent
from promptrl.search.agents.policy_file import read_policy, save_policy
from promptrl.search.live.env import PromptVecEnv
from promptrl.search.observation import FORMAT
from promptrl.search.planned.search import BUILTIN_POLICY, PlannedSettings, search_planned
from tests.search.landscape import make_context, make_rows, make_space, table_evaluator


def make_agent() -> BaseAlgorithm:
    """An untrained one."""
    return build_agent("ppo", PromptVecEnv(make_space(), table_evaluator(), make_rows(4), n_envs=2))


def test_a_policy_says_its_format_twice(tmp_path: Path) -> None:
    """In the weights themselves, and in the card beside them, after which comes what else is said."""
    agent = make_agent()
    save_policy(agent, tmp_path / "policy.safetensors", {"seed": 3})
    with safe_open(tmp_path / "policy.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": str(FORMAT)}
    assert json.loads((tmp_path / "policy.json").read_text()) == {"format": FORMAT, "seed": 3}
    weights = read_policy(tmp_path / "policy.safetensors")
    assert all(torch.equal(weights[name], tensor) for name, tensor in agent.policy.state_dict().items())


@pytest.mark.parametrize(("metadata", "told"), [(None, 1), ({"format": "1"}, 1), ({"format": "99"}, 99)])
def test_a_policy_of_another_format_is_refused(tmp_path: Path, metadata: dict[str, str] | None, told: int) -> None:
    """The message names the file, both formats, and what to do; no call was made."""
    path = tmp_path / "old.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(ConfigError) as caught:
        read_policy(path)
    (problem,) = caught.value.problems
    assert problem.message == f"{path}: a policy of format {told}, but this version of promptrl reads format {FORMAT}"
    assert (problem.key, problem.hint) == ("warm_start", "train it anew with this version, or set warm_start to none")
    evaluator = table_evaluator(search=50)
    with pytest.raises(ConfigError):
        search_planned(make_context(evaluator), PlannedSettings(weights=path))
    assert evaluator.calls_left("search") == 50


@pytest.mark.parametrize("content", [None, b"", b"no tensors"])
def test_what_is_no_policy_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or holds something else."""
    path = tmp_path / "policy.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="can't be read as a policy"):
        read_policy(path)


def test_the_builtin_policy_is_of_the_present_format() -> None:
    """So is its card."""
    assert read_policy(BUILTIN_POLICY)
    assert json.loads(BUILTIN_POLICY.with_suffix(".json").read_text())["format"] == FORMAT
