"""The search that a config asks for is the one that runs, and what its agent learned is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from gymnasium.spaces import Discrete
from safetensors.numpy import load_file
from sb3_contrib import MaskablePPO

from promptrl.experiment.build import rebuild_components
from promptrl.runs.folder import Run
from promptrl.runs.runs_folder import RunsFolder
from promptrl.search.planned.search import BUILTIN_POLICY
from tests.commandline import changing, promptrl
from tests.servers.toy_model import write_experiment


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report pages, which take most of a small run's time."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)


def trained(folder: Path, *overrides: str) -> Run:
    """The run of a toy experiment with some keys changed."""
    config = write_experiment(folder)
    options = changing("budget.max_calls=300", *overrides)
    done = promptrl("train", config, "--runs-dir", folder / "runs", *options)
    assert done.exit_code == 0, done.stderr
    return RunsFolder(folder / "runs").all()[0]


def kept_policy(run: Run) -> dict[str, Any]:
    """The weights in its checkpoints."""
    return load_file(run.path / "checkpoints/policy.safetensors")


def is_builtin(weights: dict[str, Any]) -> bool:
    """Whether they are those that ship with the package."""
    return all((weights[name] == value).all() for name, value in load_file(BUILTIN_POLICY).items())


def test_a_policy_that_does_not_practise_stays_as_it_was(tmp_path: Path) -> None:
    """The built-in weights come out as they went in; some of the answers were drawn uniformly."""
    run = trained(tmp_path, "algorithm.imagined_steps=0", "warm_start=builtin")
    assert is_builtin(kept_policy(run))
    assert 0 < sum(outcome.uniform for outcome in run.outcomes()) < len(run.outcomes())
    assert "surrogate/noise" in (run.path / "progress.csv").read_text()


def test_actions_json_says_what_each_action_of_the_agent_does(tmp_path: Path) -> None:
    """The number that the agent chooses leads to the prompt that its edit makes; the last one stops."""
    run = trained(tmp_path, "algorithm.params={learning_rate: lin_1e-3, policy_kwargs: {hidden: 8}}", "warm_start=none")
    *edits, last = json.loads((run.path / "actions.json").read_text())["actions"]
    space = rebuild_components(run).space
    assert [edit["action"] for edit in edits] == list(range(space.n_edits))
    for edit in edits:
        made = space.apply(space.baseline, edit["action"])
        assert made == space.baseline or made.slot(edit["slot"]) == edit["text"]
    assert (last["action"], last["kind"]) == (space.stop, "stop")
    agent = MaskablePPO.load(run.path / "policy.zip", device="cpu")
    assert agent.action_space == Discrete(len(edits) + 1)
    assert kept_policy(run)["mlp_extractor.embed.0.bias"].shape == (8,)


@pytest.mark.parametrize("override", ["warm_start=none", "warm_start=builtin"])
def test_practice_changes_the_policy(tmp_path: Path, override: str) -> None:
    """By default an agent practises, wherever it starts."""
    assert not is_builtin(kept_policy(trained(tmp_path, override)))


def test_planning_none_learns_on_the_target(tmp_path: Path) -> None:
    """SB3's own figures of real episodes are logged, and no answer was drawn uniformly."""
    run = trained(tmp_path, "algorithm.planning=none")
    assert "rollout/ep_rew_mean" in (run.path / "progress.csv").read_text()
    assert not any(outcome.uniform for outcome in run.outcomes())


def test_tensorboard_events_lie_in_the_run_when_wanted(tmp_path: Path) -> None:
    """Beside progress.csv, from the same figures."""
    run = trained(tmp_path, "algorithm.imagined_steps=0", "trackers=[tensorboard]")
    assert list(run.path.glob("events.out.tfevents*"))
    assert (run.path / "progress.csv").is_file()


def test_a_baseline_leaves_no_policy(tmp_path: Path) -> None:
    """There is no agent to keep."""
    run = trained(tmp_path, "algorithm={name: thompson, rows_per_prompt: 4}")
    assert not (run.path / "policy.zip").exists()
    assert not (run.path / "actions.json").exists()
    assert run.outcomes()
