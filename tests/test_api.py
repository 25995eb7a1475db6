"""What a program can do with promptrl is what the commands do, with functions of its own."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import promptrl
from tests.commandline import promptrl as command
from tests.servers import toy_model
from tests.servers.toy_model import CONFIG, write_experiment

SETTINGS = ("budget.max_calls=300",)


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report pages, which take most of a small run's time."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The toy experiment as data, its rows in the working directory."""
    import yaml

    write_experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    data: dict[str, Any] = yaml.safe_load(CONFIG)
    return data | {"budget": {"max_calls": 300}}


def exact(example: promptrl.Example, completion: promptrl.Completion) -> promptrl.Score:
    """As the metric exact_match of the toy experiment."""
    return promptrl.Score(float(completion.text == example.reference), "another answer")


def comparable(run: promptrl.TrainedRun) -> dict[str, Any]:
    """A result without what differs between two runs of one seed."""
    left_out = ("run_id", "wall_s", "engine", "cost_usd")
    result = {key: value for key, value in run.result.items() if key not in left_out}
    result["calls"] = {key: n for key, n in result["calls"].items() if key not in ("paid", "cached")}
    return result


def test_importing_it_loads_nothing_heavy() -> None:
    """Names are imported when they are used; all that are offered are there."""
    code = (
        "import sys, promptrl\n"
        "heavy = {'torch', 'stable_baselines3', 'openai', 'transformers', 'scipy', 'pydantic', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "for name in promptrl.__all__: getattr(promptrl, name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(AttributeError, match="trian"):
        _ = promptrl.trian


def test_a_function_is_a_target_like_one_named_in_a_config(config: dict[str, Any], tmp_path: Path) -> None:
    """File or dict, name or function, metric or function: the same run; also inside a running event loop."""
    named = promptrl.train(tmp_path / "toy.yaml", overrides=SETTINGS, runs_dir="named")
    del config["reward"]
    own = {**config, "target": {"params": {"temperature": 0, "max_tokens": 8}}}

    async def in_a_notebook() -> promptrl.TrainedRun:
        return promptrl.train(own, target=toy_model.answer, metrics=exact, runs_dir="given")

    given = asyncio.run(in_a_notebook())
    assert comparable(given) == comparable(named)
    assert given.verdict == "improved"
    assert given.improvement is not None
    assert given.improvement.low > 0
    assert given.winner.test is not None
    assert given.winner.messages[-1] == {"role": "user", "content": "{question}"}


def test_a_run_of_a_function_goes_on_with_the_function_only(config: dict[str, Any], tmp_path: Path) -> None:
    """The command line names what is missing; the program that has it resumes the run."""
    asked: list[str] = []

    async def failing(messages: list[dict[str, str]], params: dict[str, Any]) -> promptrl.Completion:
        asked.append(messages[-1]["content"])
        if len(asked) > 60:
            raise RuntimeError("the model is gone")
        return promptrl.Completion(toy_model.answer(messages, params))

    with pytest.raises(promptrl.TargetError, match="the model is gone"):
        promptrl.train(config, target=failing)
    told = command("resume", "latest", "--runs-dir", tmp_path / "runs")
    assert told.exit_code == 2
    assert "failing was handed to promptrl.train by a program" in " ".join(told.stderr.split())
    resumed = promptrl.resume("latest", target=toy_model.answer)
    assert resumed.id == "toy-0001"
    assert resumed.result["status"] == "done"
    assert promptrl.evaluate(resumed, target=toy_model.answer).difference is not None


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"target": 3}, "target"),
        ({"metrics": [3]}, "metrics.0"),
        ({"metrics": [exact, exact]}, "metrics.1"),
        ({"config": {"budgt": {}}}, "budgt"),
        ({"config": {"dataset": {"path": "gone.csv", "input": "question", "reference": "sum"}}}, "dataset.path"),
    ],
)
def test_bad_use_is_told_by_key_before_any_call(config: dict[str, Any], wrong: dict[str, Any], key: str) -> None:
    """As our own errors."""

    def never(messages: list[dict[str, str]], params: dict[str, Any]) -> str:
        raise AssertionError("asked")

    arguments: dict[str, Any] = {"target": never} | {name: value for name, value in wrong.items() if name != "config"}
    with pytest.raises(promptrl.ConfigError) as caught:
        promptrl.train({**config, **wrong.get("config", {})}, **arguments)
    assert [problem.key for problem in caught.value.problems] == [key]
    assert not Path("runs").exists()


def test_a_listed_metric_has_its_weight(config: dict[str, Any]) -> None:
    """One that is not listed weighs 1; others stay as they are."""
    from promptrl.experiment.given import given

    def brief(example: promptrl.Example, completion: promptrl.Completion) -> bool:
        return len(completion.text) < 9

    listed = {"metrics": [{"name": "exact", "weight": 3}, {"type": "f1"}]}
    block = given(None, [exact, brief]).named_in({**config, "reward": listed})["reward"]
    loaded = promptrl.load_config({**config, "reward": block})
    weights = {metric.name: metric.weight for metric in loaded.config.reward.metrics}
    assert weights == {"exact": 3, "f1": 1, "brief": 1}
