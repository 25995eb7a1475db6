"""What a program can do with promptrl is what the commands do, with functions of its own."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import promptrl
from promptrl import config as configs
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

    monkeypatch.setattr("sys.path", list(sys.path))

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
    """The command line names what is missing, a program what is another; the function itself may be mended."""
    asked: list[str] = []
    is_mended = False

    async def model(messages: list[dict[str, str]], params: dict[str, Any]) -> promptrl.Completion:
        asked.append(messages[-1]["content"])
        if len(asked) > 60 and not is_mended:
            raise RuntimeError("the model is gone")
        return promptrl.Completion(toy_model.answer(messages, params))

    with pytest.raises(promptrl.TargetError, match="model raised RuntimeError: the model is gone"):
        promptrl.train(config, target=model)
    told = command("resume", "latest", "--runs-dir", tmp_path / "runs")
    assert told.exit_code == 2
    assert "model was handed to promptrl.train by a program" in " ".join(told.stderr.split())
    others: dict[str, dict[str, Any]] = {
        "target: got answer:": {"target": toy_model.answer},
        "metrics.exact: got exact:": {"target": model, "metrics": exact},
    }
    for words, other in others.items():
        with pytest.raises(promptrl.ConfigError, match=f"^{words}.* began with "):
            promptrl.resume("latest", **other)
    is_mended = True
    resumed = promptrl.resume("latest", target=model)
    assert resumed.id == "toy-0001"
    assert resumed.result["status"] == "done"
    assert promptrl.evaluate(resumed, target=toy_model.answer).difference is not None
    with pytest.raises(promptrl.ConfigError, match=r"metrics\.exact: is given, but the run has no .*exact_match"):
        promptrl.evaluate(resumed, target=model, metrics=exact)


def test_a_run_that_a_config_names_whole_goes_on_with_nothing_given(config: dict[str, Any], tmp_path: Path) -> None:
    """Answers of another model would be told as those of its own."""
    (tmp_path / "lost_model.py").write_text("def answer(messages, params): raise ValueError('gone')")
    with pytest.raises(promptrl.TargetError, match="gone"):
        promptrl.train(tmp_path / "toy.yaml", overrides=[*SETTINGS, "target.function=lost_model:answer"])
    with pytest.raises(promptrl.ConfigError, match=r"^target: got answer:\w+, but run toy-0001 began with none"):
        promptrl.resume("latest", target=toy_model.answer)


EXACT = {"name": "exact", "weight": 2}


class Uncounted:
    """A metric that asks models, and can't say how often."""

    name = "uncounted"

    def __init__(self, calls_per_answer: int | None) -> None:
        self.calls_per_answer = calls_per_answer

    def open(self, context: promptrl.MetricContext) -> Any:
        """Never called."""


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"target": 3}, "target"),
        ({"metrics": [3]}, "metrics.0"),
        ({"metrics": [exact, exact]}, "metrics.1"),
        ({"metrics": lambda completion: 1.0}, "metrics.0"),
        ({"target": lambda messages: "7"}, "target"),
        ({"metrics": Uncounted(None)}, "metrics.0.calls_per_answer"),
        ({"metrics": Uncounted(-1)}, "metrics.0.calls_per_answer"),
        ({"metrics": exact, "config": {"reward": {"metrics": [{"name": "exakt"}]}}}, "reward.metrics.0.type"),
        ({"metrics": exact, "config": {"reward": {"metrics": [EXACT, EXACT]}}}, "reward.metrics.1.name"),
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


@pytest.mark.parametrize(
    ("function", "wrong", "told"),
    [
        ("train", {"config": None}, "config: got NoneType, expected a path or a mapping"),
        ("train", {"config": 3}, "config: got int"),
        ("train", {"config": b"toy.yaml"}, "config: got bytes"),
        ("train", {"observe": None}, "observe: got None"),
        ("train", {"observe": 3}, "observe: got 3"),
        ("train", {"observe": [3]}, "observe: got"),
        ("train", {"overrides": [3]}, "overrides: got"),
        ("train", {"overrides": "seed=3"}, "overrides: got 'seed=3', expected a list of key.path=value"),
        ("train", {"overrides": None}, "overrides: got None"),
        ("train", {"runs_dir": 3}, "runs_dir: got int, expected a path"),
        ("resume", {"run": None}, "run: got NoneType"),
        ("resume", {"run": "latest", "observe": 3}, "observe: got 3"),
        ("resume", {"run": "latest", "runs_dir": 3}, "runs_dir: got int"),
        ("evaluate", {"subject": "latest", "split": "tset"}, 'split: got "tset".*did you mean test'),
        ("evaluate", {"subject": 3}, "run: got int"),
        ("load_config", {"config": ["a"]}, "config: got list"),
    ],
)
def test_a_wrong_argument_is_told_by_its_name(
    config: dict[str, Any], function: str, wrong: dict[str, Any], told: str
) -> None:
    """Nothing is made then, not even a run folder."""
    arguments = {"config": config, **wrong} if function == "train" else wrong
    with pytest.raises(promptrl.UsageError, match=told):
        getattr(promptrl, function)(**arguments)
    assert not Path("runs").exists()


def test_what_is_handed_over_beside_a_file_needs_no_yaml(config: dict[str, Any], tmp_path: Path) -> None:
    """The file's own values, an emoji among them, stay what they are, and a wrong one is told with its line."""
    from promptrl.experiment.given import given

    own = given(toy_model.answer, [exact])
    text = toy_model.CONFIG.replace(
        "{type: exact_match}", '{type: regex, pattern: "\\\\d 😀"}, {name: exact, weight: 2}'
    )
    file = tmp_path / "toy.yaml"
    file.write_text(text, encoding="utf-8")
    metrics = configs.load_config(file, fill=own.named_in).config.reward.metrics
    assert [(metric.name, metric.weight) for metric in metrics] == [("regex", 1), ("exact", 2)]
    assert metrics[0].definition.pattern == r"\d 😀"  # type: ignore[attr-defined]  # a block made from the definition
    file.write_text(text.replace("weight: 2", "weight: -2"), encoding="utf-8")
    with pytest.raises(promptrl.ConfigError, match=r"toy.yaml:12: reward\.metrics\.1\.weight: got -2"):
        promptrl.train(file, target=toy_model.answer, metrics=exact)


def test_the_space_grows_as_the_program_says(config: dict[str, Any]) -> None:
    """What ``grow`` adds is searched and may win."""
    task = {**config["prompt"]["slots"], "format": ["", "Reply in words."]}
    told: list[int] = []

    def grow(request: promptrl.GrowthRequest) -> promptrl.Growth | None:
        told.append(request.calls_used)
        return promptrl.Growth({"format": ("Reply with digits only.",)}) if len(told) == 1 else None

    run = promptrl.train({**config, "prompt": {**config["prompt"], "slots": task}}, grow=grow)
    assert len(told) > 1
    assert "Reply with digits only." in run.winner.text


def test_a_listed_metric_has_its_weight(config: dict[str, Any]) -> None:
    """One that is not listed weighs 1; others stay as they are."""
    from promptrl.experiment.given import given

    def brief(example: promptrl.Example, completion: promptrl.Completion) -> bool:
        return len(completion.text) < 9

    listed = {"metrics": [{"name": "exact", "weight": 3}, {"type": "f1"}]}
    changed, issues = given(None, [exact, brief]).named_in({**config, "reward": listed})
    assert issues == []
    loaded = promptrl.load_config({**config, **changed})
    weights = {metric.name: metric.weight for metric in loaded.config.reward.metrics}
    assert weights == {"exact": 3, "f1": 1, "brief": 1}
