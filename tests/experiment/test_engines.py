"""What a target needs is there before the first of several runs starts."""

from pathlib import Path

import pytest

from tests.commandline import promptrl
from tests.servers.toy_model import CONFIG, write_experiment

FUNCTION = '{type: python, function: "tests.servers.toy_model:answer", params: {temperature: 0, max_tokens: 8}}'


def write_second(folder: Path, target: str = FUNCTION, metric: str = "{type: exact_match}") -> Path:
    """A second config beside the first one's data."""
    assert FUNCTION in CONFIG
    path = folder / "second.yaml"
    path.write_text(CONFIG.replace(FUNCTION, target).replace("{type: exact_match}", metric).replace("toy\n", "two\n"))
    return path


@pytest.mark.parametrize(
    ("target", "metric", "told"),
    [
        ("{type: openai, model: m, api_key_env: PROMPTRL_TEST_UNSET}", "{type: exact_match}", "target.api_key_env"),
        ("{type: openai, model: m, headers: {X-Team: PROMPTRL_TEST_UNSET}}", "{type: exact_match}", "X-Team"),
        ('{type: python, function: "no_such_module:answer"}', "{type: exact_match}", "target.function"),
        ("{type: local}", '{type: python, function: "no_such_module:grade"}', "reward.metrics"),
        ("{type: replay, path: broken.jsonl}", "{type: exact_match}", "broken.jsonl:1"),
    ],
)
def test_no_config_is_trained_when_another_can_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, metric: str, told: str
) -> None:
    """Nobody pays for the first run to hear of the second; validating needs neither secrets nor the user's code."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    (tmp_path / "broken.jsonl").write_text("no answer\n")
    first, second = write_experiment(tmp_path), write_second(tmp_path, target, metric)
    assert promptrl("validate", second).exit_code == 0
    done = promptrl("train", first, second, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 2
    assert told in done.stderr.replace("\n", "")
    assert not (tmp_path / "runs").exists()


def test_each_config_is_trained_with_the_functions_beside_it(tmp_path: Path) -> None:
    """Two folders with a module of the same name: the second target is not the first one's."""
    for folder, reply in (("a", "return toy_model.answer(messages, params)"), ("b", "return 'no idea'")):
        (tmp_path / folder).mkdir()
        config = CONFIG.replace("tests.servers.toy_model:answer", "twice_named:answer").replace("toy\n", f"{folder}\n")
        write_experiment(tmp_path / folder, config)
        source = f"from tests.servers import toy_model\ndef answer(messages, params):\n    {reply}\n"
        (tmp_path / folder / "twice_named.py").write_text(source)
    configs = (tmp_path / "a/toy.yaml", tmp_path / "b/toy.yaml")
    done = promptrl("train", *configs, "-s", "budget.max_calls=150", "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    answers = {run: (tmp_path / f"runs/{run}-0001/outcomes.jsonl").read_text().splitlines() for run in ("a", "b")}
    assert not any("no idea" in line for line in answers["a"])
    assert all("no idea" in line for line in answers["b"])
