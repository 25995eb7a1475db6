"""``train``, against a model with known rules: its result, its run folder, its exit codes."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.commandline import only_result, promptrl
from tests.servers.toy_model import CONFIG, write_experiment


def test_train_finds_the_better_prompt_and_proves_it(trained: Path) -> None:
    """The winner adds, replies in digits, and is neither pirate nor chatty; the verdict is held out."""
    result = only_result(trained)
    assert result["verdict"] == "improved"
    assert result["winner"]["test"]["score"] == 1.0
    assert result["baseline"]["test"]["score"] == 0.0
    assert result["improvement"]["test"]["low"] > 0.5
    assert "Add the numbers. Reply with digits only." in result["winner"]["text"]


def test_result_json_has_every_promised_key(trained: Path) -> None:
    """Scripts rely on the keys of DESIGN.md, section 8."""
    result = only_result(trained)
    promised = {
        *("format", "run_id", "experiment", "status", "stop_reason", "verdict", "baseline", "winner", "improvement"),
        *("calls", "tokens", "cost_usd", "wall_s", "seed", "effects", "effects_note", "winner_effects", "pruning_note"),
    }
    assert promised <= set(result)
    assert {"total", "paid", "cached", "search", "validation", "test", "judge", "proposer"} == set(result["calls"])
    for label in ("baseline", "winner"):
        assert {"prompt_id", "text", "messages", "validation", "test"} == set(result[label])
        assert {"score", "low", "high", "rows", "objective"} == set(result[label]["test"])


def test_the_budget_is_kept_and_every_call_is_in_the_run_folder(trained: Path) -> None:
    """Calls by purpose add up, stay within the budget, and each paid answer is logged once."""
    result = only_result(trained)
    calls = result["calls"]
    assert calls["total"] == calls["search"] + calls["validation"] + calls["test"] <= 900
    lines = (trained / "runs/toy-0001/outcomes.jsonl").read_text().splitlines()
    keys = [(o["prompt_id"], o["row_id"], o["repeat"]) for o in map(json.loads, lines)]
    assert len(keys) == len(set(keys)) == calls["total"]


def test_the_run_folder_holds_what_the_readme_names(trained: Path) -> None:
    """Each file that a user or a script looks for is there."""
    run = trained / "runs/toy-0001"
    names = {"config.yaml", "config.resolved.yaml", "run.json", "outcomes.jsonl", "prompts.jsonl", "progress.csv"}
    names |= {"result.json", "best_prompt.txt", "best_prompt.json", "leaderboard.json", "policy.zip"}
    assert names <= {path.name for path in run.iterdir()}
    assert (run / "checkpoints/policy.safetensors").is_file()
    assert (run / "config.yaml").read_text() == CONFIG


def test_policy_zip_loads_with_sb3(trained: Path) -> None:
    """People who use SB3 directly can go on with the agent."""
    from sb3_contrib import MaskablePPO

    model = MaskablePPO.load(trained / "runs/toy-0001/policy.zip", device="cpu")
    action, _ = model.predict(np.zeros(model.observation_space.shape, dtype=np.float32))
    assert model.action_space.contains(action)


def test_training_again_with_the_same_seed_gives_the_same_result(trained: Path, own_run: Path) -> None:
    """Same seed and same answers: the result is the same but for id, times, and what the cache saved."""
    shutil.copy(trained / "runs/.cache.sqlite", own_run.parent)
    again = promptrl("train", own_run.parents[1] / "toy.yaml", "--runs-dir", own_run.parent)
    assert again.exit_code == 0, again.stderr
    first, second = (json.loads((run / "result.json").read_text()) for run in (own_run, own_run.with_name("toy-0002")))
    assert second["calls"]["paid"] == 0
    for result in (first, second):
        for key in ("run_id", "wall_s", "cost_usd", "tokens", "engine"):
            del result[key]
        del result["calls"]["paid"], result["calls"]["cached"]
    assert first == second


def test_a_sequential_gate_saves_calls_on_a_clear_win(trained: Path) -> None:
    """Batches of the target's concurrency are asked until the answer is clear; ``eval`` takes the same course."""
    runs_dir = trained / "sequential"
    options = ("-s", "gate.sequential=true", "-s", "target.concurrency=4", "--runs-dir", runs_dir)
    done = promptrl("train", trained / "toy.yaml", *options)
    assert done.exit_code == 0, done.stderr
    result = json.loads((runs_dir / "toy-0001/result.json").read_text())
    measured = result["improvement"]["test"]
    assert (result["verdict"], measured["method"], measured["sequential"]["stop"]) == (
        "improved",
        "sequential",
        "improved",
    )
    assert result["calls"]["test"] == 2 * measured["rows"] < 2 * measured["sequential"]["planned_rows"]
    assert measured["sequential"]["calls_saved"] == 2 * measured["sequential"]["planned_rows"] - result["calls"]["test"]
    assert "calls saved" in " ".join(done.stderr.split())
    again = json.loads(promptrl("eval", "toy-0001", "--runs-dir", runs_dir, "--json").stdout)
    assert (again["difference"], again["calls"]["paid"]) == (measured, 0)


def test_few_rows_are_proven_fold_by_fold(tmp_path: Path) -> None:
    """Forty rows in four folds: thirty are judged, each by what was found without it; no row is left for ``eval``."""
    config = write_experiment(tmp_path)
    rows = (tmp_path / "sums.csv").read_text().splitlines(keepends=True)
    (tmp_path / "sums.csv").write_text("".join(rows[:41]))
    assert "`dataset.folds: 4` proves more" in promptrl("validate", config).stderr
    assert "30 of these rows judge" in promptrl("validate", config, "-s", "dataset.folds=4").stderr
    done = promptrl("train", config, "-s", "dataset.folds=4", "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    result = json.loads((tmp_path / "runs/toy-0001/result.json").read_text())
    folds, measured = result["improvement"]["folds"], result["improvement"]["test"]
    assert ([fold["rows"] for fold in folds], measured["rows"], measured["method"]) == ([10, 10, 10], 30, "folds")
    assert (result["verdict"], result["winner"]["validation"]["score"]) == ("improved", 1.0)
    assert sum(fold["difference"] for fold in folds) / 3 == pytest.approx(measured["score"])
    assert result["calls"]["total"] <= 900
    assert "Fold by fold" in done.stderr
    refused = promptrl("eval", "latest", "--runs-dir", tmp_path / "runs")
    assert (refused.exit_code, "dataset.folds" in refused.stderr) == (2, True)
    assert promptrl("eval", "latest", "--split", "train", "--runs-dir", tmp_path / "runs").exit_code == 0


def test_train_json_prints_one_object_a_line(trained: Path) -> None:
    """A program can follow a run line by line; the last line is the result."""
    options = ("--runs-dir", trained / "json-runs", "--json")
    done = promptrl("train", trained / "toy.yaml", *options)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "run_started"
    assert events[-1]["event"] == "run_finished"
    assert events[-1]["result"]["verdict"] == "improved"
    used = [e["used"] for e in events if e["event"] == "calls_made" and e["stage"] == "search"]
    assert used == sorted(used)
    *_, last = (e["used"] for e in events if e["event"] == "calls_made" and e["stage"] == "validation")
    assert last == events[-1]["result"]["calls"]["validation"]  # pruning too


def test_several_configs_run_in_one_go_and_the_worst_exit_code_wins(tmp_path: Path) -> None:
    """A failing gate of one config is the exit code of all."""
    good = write_experiment(tmp_path)
    hopeless = tmp_path / "hopeless.yaml"
    hopeless.write_text(
        re.sub(r"task: .*", 'task: ["Look at this.", "Name a fruit."]', CONFIG).replace("name: toy", "name: no-hope")
    )
    done = promptrl("train", good, hopeless, "--runs-dir", tmp_path / "runs", "--fail-on", "not-improved")
    assert done.exit_code == 3
    assert sorted(path.name for path in (tmp_path / "runs").glob("*-0001")) == ["no-hope-0001", "toy-0001"]


def test_a_winner_that_is_the_baseline_costs_no_test_call(tmp_path: Path) -> None:
    """Nothing to compare: the verdict is "same" and the test rows stay unseen."""
    text = re.sub(r"task: .*", 'task: ["Add the numbers.", "Name a fruit."]', CONFIG)
    config = write_experiment(tmp_path, re.sub(r" +format: .*\n", "", text))
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    assert "Nothing beat your prompt: keep it." in done.stderr
    result = only_result(tmp_path)
    assert result["verdict"] == "same"
    assert result["winner"]["prompt_id"] == result["baseline"]["prompt_id"]
    assert result["calls"]["test"] == 0


@pytest.mark.parametrize("limit", ["budget.max_minutes=0.0001", "budget.max_tokens=20"])
def test_a_budget_that_concludes_nothing_is_exit_code_5(tmp_path: Path, limit: str) -> None:
    """The run is kept as failed, with the reason."""
    config = write_experiment(tmp_path)
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs", "-s", limit)
    assert done.exit_code == 5, done.stderr
    run = json.loads((tmp_path / "runs/toy-0001/run.json").read_text())
    assert run["status"] == "failed"
    assert "budget" in run["error"]


@pytest.mark.parametrize("limit", ["budget.max_minutes=0.02", "budget.max_tokens=13000", "budget.max_tokens=40000"])
def test_a_tight_budget_ends_in_a_result_or_in_exit_code_5(tmp_path: Path, limit: str) -> None:
    """Wherever tokens or minutes end, the run is finished or says why not, never a traceback."""
    config = write_experiment(tmp_path)
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs", "-s", limit)
    assert done.exit_code in (0, 5), (done.stderr, done.exception)
    assert (tmp_path / "runs/toy-0001/result.json").is_file() == (done.exit_code == 0)


@pytest.mark.parametrize(
    ("body", "told"),
    [("return {'text': 'x', 'prompt_tokens': 'many'}", 'prompt_tokens is "many"'), ("exit(7)", "raised SystemExit: 7")],
)
def test_a_function_at_fault_ends_with_exit_code_4(
    body: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name and the fault are told, without a traceback."""
    monkeypatch.setattr("sys.path", list(sys.path))
    name = f"faulty_{len(body)}"
    (tmp_path / f"{name}.py").write_text(f"def answer(messages, params): {body}")
    path = write_experiment(tmp_path, CONFIG.replace("tests.servers.toy_model", name))
    done = promptrl("train", path, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 4
    assert f"{name}:answer" in done.stderr
    assert told in " ".join(done.stderr.split())


def test_each_of_several_runs_that_fails_leaves_a_json_line(tmp_path: Path) -> None:
    """A program that reads the lines learns of every failure, not only of the last."""
    config = write_experiment(tmp_path)
    (tmp_path / "runs").write_text("a file where the folder should be")
    done = promptrl("train", config, config, "--json", "-s", "cache.mode=off", "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 2
    failed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["exit_code"]) for line in failed] == [("run_failed", 2)] * 2
