"""The commands as a user types them, against a model with known rules."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers.toy_model import CONFIG, write_experiment
from typer.testing import CliRunner, Result

from promptrl.cli import app

SPLITS = ("train", "validation", "test")


def promptrl(*arguments: object, typed: str = "") -> Result:
    """Run a command as ``promptrl ...`` would, with what is typed into it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, its data and one finished run under ``runs``."""
    folder = tmp_path_factory.mktemp("trained")
    done = promptrl("train", write_experiment(folder), "--runs-dir", folder / "runs")
    assert done.exit_code == 0, done.stderr
    return folder


def only_result(folder: Path) -> dict[str, Any]:
    """The result.json of the folder's first run."""
    return json.loads((folder / "runs" / "toy-0001" / "result.json").read_text())


def test_help_imports_nothing_heavy() -> None:
    """``promptrl --help`` stays quick because torch, SB3 and openai are not loaded for it."""
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from promptrl.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'openai', 'stable_baselines3', 'transformers', 'scipy', 'pydantic', 'jinja2', 'matplotlib'}"
        " & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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


def test_training_again_with_the_same_seed_gives_the_same_result(trained: Path) -> None:
    """Same seed and same answers: the result is the same but for id, times, and what the cache saved."""
    again = promptrl("train", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert again.exit_code == 0, again.stderr
    first = only_result(trained)
    second = json.loads((trained / "runs/toy-0002/result.json").read_text())
    assert second["calls"]["paid"] == 0
    for result in (first, second):
        for key in ("run_id", "wall_s", "cost_usd", "tokens", "engine"):
            del result[key]
        del result["calls"]["paid"], result["calls"]["cached"]
    assert first == second


def test_eval_prints_a_table_and_json_that_agrees_with_the_run(trained: Path) -> None:
    """``eval`` repeats the test comparison from the cache."""
    shown = promptrl("eval", "toy-0001", "--runs-dir", trained / "runs")
    assert shown.exit_code == 0, shown.stderr
    assert "100.0 %" in shown.stdout
    printed = promptrl("eval", "toy-0001", "--runs-dir", trained / "runs", "--json")
    data = json.loads(printed.stdout)
    result = only_result(trained)
    assert data["winner"]["test"] == result["winner"]["test"]
    assert data["difference"] == result["improvement"]["test"]
    assert (trained / "runs/toy-0001/evals/1/result.json").is_file()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_eval_scores_other_splits(trained: Path, split: str) -> None:
    """Every split can be asked for."""
    done = promptrl("eval", "toy-0001", "--split", split, "--runs-dir", trained / "runs", "--json")
    assert json.loads(done.stdout)["winner"][split]["score"] == 1.0


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the finished run and of all that it needs, to be damaged."""
    for name in ("toy.yaml", "sums.csv"):
        shutil.copy(trained / name, tmp_path)
    run = tmp_path / "runs/toy-0001"
    shutil.copytree(trained / "runs/toy-0001", run)
    resolved = run / "config.resolved.yaml"
    resolved.write_text(resolved.read_text().replace(str(trained), str(tmp_path)))
    return run


def test_eval_counts_the_looks_at_the_test_rows(own_run: Path) -> None:
    """In its result and on the screen; other splits are there to be looked at."""
    shown = [promptrl("eval", "latest", "--runs-dir", own_run.parent).stdout for _ in range(2)]
    assert ["look at these test rows" in text for text in shown] == [False, True]
    assert "second look" in shown[1]
    options = ("--runs-dir", own_run.parent, "--json")
    looks = [json.loads(promptrl("eval", "latest", "--split", split, *options).stdout)["look"] for split in SPLITS]
    assert looks == [None, None, 3]
    newest = max((own_run / "evals").iterdir(), key=lambda folder: int(folder.name))
    assert json.loads((newest / "result.json").read_text())["look"] == 3


def test_eval_refuses_a_run_whose_data_changed(own_run: Path) -> None:
    """Other splits would count rows as test that the search had seen."""
    assert promptrl("eval", "latest", "--runs-dir", own_run.parent).exit_code == 0
    data = own_run.parents[1] / "sums.csv"
    data.write_text(data.read_text() + "99 + 1,100\n")
    done = promptrl("eval", "latest", "--runs-dir", own_run.parent)
    assert (done.exit_code, "changed" in done.stderr) == (6, True)


def test_eval_gets_along_without_the_logged_baseline(own_run: Path) -> None:
    """The config says what it was; a winner that is gone is gone."""
    result = json.loads((own_run / "result.json").read_text())
    prompts = own_run / "prompts.jsonl"
    lines = [line for line in prompts.read_text().splitlines(True) if result["baseline"]["prompt_id"] not in line]
    prompts.write_text("".join(lines))
    done = promptrl("eval", "latest", "--runs-dir", own_run.parent, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["baseline"]["test"] == result["baseline"]["test"]
    prompts.unlink()
    lost = promptrl("eval", "latest", "--runs-dir", own_run.parent)
    assert (lost.exit_code, "lost its winner" in lost.stderr) == (6, True)


def test_eval_takes_a_prompt_file(trained: Path) -> None:
    """A text file without placeholders is a system message."""
    worse = trained / "worse.txt"
    worse.write_text("Name a fruit.")
    options = ("--config", trained / "toy.yaml", "--runs-dir", trained / "runs", "--json")
    assert json.loads(promptrl("eval", worse, *options).stdout)["winner"]["test"]["score"] == 0.0


@pytest.mark.parametrize("form", ["json", "txt"])
def test_eval_takes_back_what_export_gave(trained: Path, form: str) -> None:
    """The file is the winner again: same messages, same score."""
    file = trained / f"best.{form}"
    exported = promptrl("export", "toy-0001", "-f", form, "-o", file, "--runs-dir", trained / "runs")
    assert exported.exit_code == 0, exported.stderr
    done = promptrl("eval", file, "--config", trained / "toy.yaml", "--runs-dir", trained / "runs", "--json")
    winner = json.loads(done.stdout)["winner"]
    assert winner["messages"] == only_result(trained)["winner"]["messages"]
    assert winner["test"]["score"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"), [("Add {numbers}.", "{numbers}"), ("[user]\nAdd the numbers.", "has no placeholder")]
)
def test_eval_refuses_a_prompt_that_does_not_fit_the_data(trained: Path, text: str, message: str) -> None:
    """Instead of ending in the middle, or asking the same for every row."""
    prompt = trained / "foreign.txt"
    prompt.write_text(text)
    done = promptrl("eval", prompt, "--config", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert (done.exit_code, message in " ".join(done.stderr.split())) == (2, True)


def test_eval_of_a_prompt_file_keeps_to_the_runs_folder_of_the_config(trained: Path, tmp_path: Path) -> None:
    """The answers are cached where training caches them, not in a stray ``runs``."""
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Add the numbers.")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = promptrl("eval", prompt, "--config", trained / "toy.yaml", "-s", "output.runs_dir=elsewhere")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "elsewhere/.cache.sqlite").is_file()
    assert not (tmp_path / "runs").exists()


def test_eval_says_whether_config_belongs_to_its_subject(trained: Path) -> None:
    """A prompt file needs a config, a run has its own."""
    prompt = trained / "prompt.txt"
    prompt.write_text("Add the numbers.")
    lonely = promptrl("eval", prompt, "--runs-dir", trained / "runs")
    assert (lonely.exit_code, "--config" in lonely.stderr) == (2, True)
    both = promptrl("eval", "toy-0001", "--config", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert (both.exit_code, "no prompt file toy-0001" in both.stderr) == (2, True)


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


def test_folds_need_rows_of_one_file_and_no_looks_between(trained: Path) -> None:
    """What can't be is said before a call is paid for."""
    few = promptrl("validate", trained / "toy.yaml", "-s", "dataset.folds=8", "-s", "dataset.limit=20")
    assert (few.exit_code, "dataset.folds: got 8" in few.stderr) == (2, True)
    both = promptrl("validate", trained / "toy.yaml", "-s", "dataset.folds=8", "-s", "gate.sequential=true")
    assert (both.exit_code, "gate.sequential" in both.stderr) == (2, True)


def test_validate_says_what_the_test_rows_can_show(trained: Path) -> None:
    """And warns when the gate asks for less than that."""
    said = promptrl("validate", trained / "toy.yaml", "-s", "gate.min_improvement=0.01").stderr
    assert "36 test rows show an improvement of" in " ".join(said.split())
    assert "gate.min_improvement is 1 points, less than" in " ".join(said.split())
    power = json.loads(promptrl("validate", trained / "toy.yaml", "--json").stdout)["power"]
    assert (power["rows"], 0.15 < power["smallest_improvement"] < 0.35) == (36, True)


def test_fail_on_turns_a_verdict_into_exit_code_3(trained: Path) -> None:
    """A gate fails only when asked to."""
    same = trained / "same.txt"
    same.write_text("Look at this.")
    options = ("--config", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert promptrl("eval", same, *options).exit_code == 0
    assert promptrl("eval", same, *options, "--fail-on", "worse").exit_code == 0
    assert promptrl("eval", same, *options, "--fail-on", "not-improved").exit_code == 3
    assert promptrl("eval", same, *options, "--fail-on", "sometimes").exit_code == 2


def test_runs_list_and_show_and_compare(trained: Path) -> None:
    """Each view has a form for people and one for programs, both on stdout, so that they can be piped."""
    runs_dir = ("--runs-dir", trained / "runs")
    table = promptrl("runs", "list", *runs_dir)
    assert "improved" in table.stdout
    assert table.stderr == ""
    assert max(map(len, table.stdout.splitlines())) <= 80
    listed = json.loads(promptrl("runs", "list", "toy", *runs_dir, "--json").stdout)
    assert {"run_id", "status", "result"} <= set(listed[0])
    assert "Reply with digits only." in promptrl("runs", "show", "toy-0001", *runs_dir).stdout
    shown = json.loads(promptrl("runs", "show", "toy-0001", *runs_dir, "--json").stdout)
    assert shown["result"]["verdict"] == "improved"
    assert "Reply with digits only." in promptrl("runs", "compare", "toy-0001", "toy-0001", *runs_dir).stdout
    compared = json.loads(promptrl("runs", "compare", "toy-0001", "toy-0001", *runs_dir, "--json").stdout)
    assert len(compared) == 2
    assert promptrl("runs", "compare", "toy-0001", *runs_dir).exit_code == 2


@pytest.mark.parametrize("to", ["txt", "json", "openai", "promptfoo"])
def test_export_gives_the_winner_in_each_form(trained: Path, to: str) -> None:
    """Every format holds the winning instruction."""
    done = promptrl("export", "toy-0001", "--format", to, "--runs-dir", trained / "runs")
    assert done.exit_code == 0, done.stderr
    assert "Reply with digits only." in done.stdout
    assert ("YOUR-MODEL" in done.stderr) == (to in ("openai", "promptfoo"))
    if to == "openai":
        assert json.loads(done.stdout)["max_tokens"] == 8
    if to == "promptfoo":
        assert "{{question}}" in done.stdout


def test_an_export_that_cant_be_written_is_a_usage_error(trained: Path) -> None:
    """A folder that is missing, or in the file's place, is named."""
    for output in (trained / "no/such/x", trained):
        done = promptrl("export", "toy-0001", "-o", output, "--runs-dir", trained / "runs")
        assert done.exit_code == 2
        assert "can't write" in done.stderr


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
    config = write_experiment(tmp_path, re.sub(r"task: .*", 'task: ["Look at this.", "Name a fruit."]', CONFIG))
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    result = only_result(tmp_path)
    assert result["verdict"] == "same"
    assert result["winner"]["prompt_id"] == result["baseline"]["prompt_id"]
    assert result["calls"]["test"] == 0


def test_broken_configs_are_all_reported_before_anything_runs(tmp_path: Path) -> None:
    """One bad config of two stops both, and no run folder appears."""
    good = write_experiment(tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_text(CONFIG.replace("question, reference: sum", "question, reference: summ").replace("toy\n", "bad\n"))
    done = promptrl("train", good, bad, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 2
    assert "dataset.reference" in done.stderr
    assert "sum" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("algorithm.params.gamma=1.5", "algorithm.params.gamma"),
        ("algorithm.params.gama=0.9", "algorithm.params.gama"),
        ("budget.max_calls=60", "budget.max_calls"),
        ("dataset.input=quest", "dataset.input"),
        ("dataset.path=missing.csv", "dataset.path"),
        ("budget.max_usd=1", "target.price"),
        ("dataset.splits.test=0.001", "dataset.splits"),
    ],
)
def test_what_only_the_data_shows_is_an_error_before_the_first_call(tmp_path: Path, change: str, key: str) -> None:
    """Problems beyond the YAML name their key too, and nothing is called."""
    config = write_experiment(tmp_path)
    for command in (("validate", config), ("train", config, "--runs-dir", tmp_path / "runs")):
        done = promptrl(*command, "-s", change)
        assert done.exit_code == 2, done.stderr
        assert key in done.stderr
        assert re.search(r"\d problems? found\.$", done.stderr)
    assert not (tmp_path / "runs").exists()


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


def test_validate_says_what_a_run_would_cost(tmp_path: Path) -> None:
    """A valid config is summed up, also as JSON."""
    config = write_experiment(tmp_path)
    assert "at most 900 calls" in promptrl("validate", config).stderr
    plan = json.loads(promptrl("validate", config, "--json").stdout)
    assert plan["calls"]["total"] == 900
    assert plan["prompts"] == 36


def test_validate_never_imports_the_users_code(tmp_path: Path) -> None:
    """A ``python`` target runs only when trained."""
    config = write_experiment(tmp_path, CONFIG.replace("servers.toy_model:answer", "no_such_module:answer"))
    assert promptrl("validate", config).exit_code == 0
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 2
    assert "target.function" in done.stderr


def test_init_writes_an_example_that_validates(tmp_path: Path) -> None:
    """The first thing a new user does works; an existing file is safe."""
    config = tmp_path / "mine.yaml"
    assert promptrl("init", config, "--example", "quickstart").exit_code == 0
    assert promptrl("validate", config).exit_code == 0
    assert promptrl("init", config).exit_code == 2
    assert promptrl("init", config, "--force").exit_code == 0
    assert "quickstart" in promptrl("init", "--example", "list").stdout
    assert promptrl("init", tmp_path / "x.yaml", "--example", "quikstart").exit_code == 2


def test_schema_names_every_block() -> None:
    """The table and the JSON Schema come from the same models."""
    assert "algorithm.name" in promptrl("schema").stderr + promptrl("schema").stdout
    assert "algorithm" in json.loads(promptrl("schema", "--json").stdout)["properties"]


def test_removing_a_run_asks_first(tmp_path: Path) -> None:
    """A no is respected and no failure; silence, as in a script, is a usage error."""
    write_experiment(tmp_path)
    from promptrl.runs import RunsFolder

    run = RunsFolder(tmp_path / "runs").create("toy")
    refused = promptrl("runs", "rm", "toy-0001", "--runs-dir", tmp_path / "runs", typed="n\n")
    assert refused.exit_code == 0
    assert "Nothing deleted." in refused.stderr
    assert promptrl("runs", "rm", "toy-0001", "--runs-dir", tmp_path / "runs").exit_code == 2
    assert run.path.exists()
    assert promptrl("runs", "rm", "toy-0001", "--yes", "--runs-dir", tmp_path / "runs").exit_code == 0
    assert not run.path.exists()


@pytest.mark.parametrize("reference", ["nope", "../..", "/etc", "latest"])
def test_an_unknown_run_is_exit_code_6(tmp_path: Path, reference: str) -> None:
    """Every command that takes a run says so."""
    for command in (("eval",), ("runs", "show"), ("export",)):
        assert promptrl(*command, reference, "--runs-dir", tmp_path).exit_code == 6


def test_an_interrupted_run_has_nothing_to_export_or_evaluate(tmp_path: Path) -> None:
    """A run without a result says so instead of exporting something."""
    from promptrl.runs import RunsFolder

    run = RunsFolder(tmp_path).create("toy")
    run.start({"experiment": "toy"}, "", "")
    for command in ("export", "eval"):
        assert promptrl(command, "toy-0001", "--runs-dir", tmp_path).exit_code == 6
    assert "interrupted" in promptrl("runs", "list", "--runs-dir", tmp_path).stdout
