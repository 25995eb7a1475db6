"""``--help``, ``init``, ``validate``, ``schema``, and what ``train`` refuses: what comes before the first paid call."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from promptrl.config.examples import names
from tests.cli.test_prompt_file_and_table import HEAD, SOUND, write_all
from tests.commandline import promptrl
from tests.servers.toy_model import CONFIG, write_experiment


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


def test_folds_need_rows_of_one_file_and_no_looks_between(trained: Path) -> None:
    """What can't be is said before a call is paid for."""
    few = promptrl("validate", trained / "toy.yaml", "-s", "dataset.folds=8", "-s", "dataset.limit=20")
    assert (few.exit_code, "dataset.folds: got 8" in few.stderr) == (2, True)
    both = promptrl("validate", trained / "toy.yaml", "-s", "dataset.folds=8", "-s", "gate.sequential=true")
    assert (both.exit_code, "gate.sequential" in both.stderr) == (2, True)


def test_validate_says_what_the_test_rows_can_show(trained: Path) -> None:
    """And warns when the gate asks for less than that."""
    said = promptrl("validate", trained / "toy.yaml", "-s", "gate.min_improvement=0.01").stderr
    assert "34 test rows show an improvement of" in " ".join(said.split())
    assert "gate.min_improvement is 1 points, less than" in " ".join(said.split())
    power = json.loads(promptrl("validate", trained / "toy.yaml", "--json").stdout)["power"]
    assert (power["rows"], 0.15 < power["smallest_improvement"] < 0.35) == (34, True)


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


def test_validate_says_what_a_run_would_cost(tmp_path: Path) -> None:
    """A valid config is summed up, also as JSON."""
    config = write_experiment(tmp_path)
    assert "at most 900 calls" in promptrl("validate", config).stderr
    plan = json.loads(promptrl("validate", config, "--json").stdout)
    assert plan["calls"]["total"] == 900
    assert plan["prompts"] == 36


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        (["budget.max_tokens=15000"], "budget.max_tokens"),
        (["budget.max_usd=0.01", "budget.max_tokens=1000000"], "budget.max_usd"),
        (["budget.max_usd=10"], None),
        ([], None),
    ],
)
def test_validate_says_which_limit_binds_and_what_it_pays_for(
    limits: list[str], key: str | None, tmp_path: Path
) -> None:
    """The shares of the calls that tokens or dollars pay for, not of those that they don't."""
    price = "target.price={input_per_million: 1, output_per_million: 1}"
    options = [option for change in ("target.params.max_tokens=20", price, *limits) for option in ("-s", change)]
    config = write_experiment(tmp_path)
    limit = json.loads(promptrl("validate", config, "--json", *options).stdout)["binding_limit"]
    said = " ".join(promptrl("validate", config, *options).stderr.split())
    assert (limit and limit["key"]) == key
    assert ("ends it before" in said) is (key is not None)
    if limit:
        assert 300 < limit["calls"] < 900
        assert sum(limit["shares"].values()) == pytest.approx(limit["calls"], abs=2)
        assert f"{key} (" in said
        assert f"it pays for about {limit['calls']} calls" in said


def test_validate_says_when_a_limit_does_not_pay_for_search_and_test(tmp_path: Path) -> None:
    """The test would be on a part of its rows."""
    options = ("-s", "target.params.max_tokens=20", "-s", "budget.max_tokens=2000")
    assert "too little to search, and to ask all test rows" in " ".join(
        promptrl("validate", write_experiment(tmp_path), *options).stderr.split()
    )


def test_validate_shows_what_a_colleague_would_look_at(tmp_path: Path) -> None:
    """Filled-in rows with what known answers score, edits and labels; as data and for people."""
    config = write_experiment(tmp_path)
    seen = json.loads(promptrl("validate", config, "--json").stdout)
    assert len(seen["examples"]) == 3
    for example in seen["examples"]:
        system, user = example["messages"]
        assert (system["content"], user["role"]) == ("Look at this.", "user")
        assert eval(user["content"]) == int(example["reference"])  # noqa: S307 - a sum of our own
        assert example["scores"] == {"exact_match": {"reference": 1.0, "blank": 0.0, "another": 0.0}}
    assert len(seen["edit_labels"]) == seen["edits"]
    assert (seen["labels"], seen["warnings"]) == (None, [])
    said = promptrl("validate", config).stderr
    assert 'What may change: role = (left out); role = "You are a pirate."' in said
    assert f"1. user: {seen['examples'][0]['messages'][1]['content']}\n" in said
    assert said.count("system: Look at this.") == 1
    assert "an empty answer scores 0, another row's reference scores 0" in said


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ("", True),
        ("reward.metrics=[{type: choice}, {type: json_valid}]", False),
        ("reward.metrics=[{type: exact_match}]", False),
        ("edits.keep=['\"dringend\": false']", False),
    ],
)
def test_validate_says_when_the_json_of_a_prompt_may_be_lost(tmp_path: Path, changes: str, is_told: bool) -> None:
    """No metric sees that it is gone; what the user has written is the first that may change."""
    config = write_all(tmp_path, HEAD + SOUND)
    done = promptrl("validate", config, *(("-s", changes) if changes else ()), "-s", "edits.bank=auto")
    assert done.exit_code == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert ("reward.metrics: the prompt shows the JSON that it wants, but no metric sees" in said) == is_told
    assert 'What may change: drop "' in said


def test_validate_counts_labels_and_warns_of_metrics_that_do_not_tell_them_apart(tmp_path: Path) -> None:
    """Here one label is a part of the other."""
    config = write_experiment(tmp_path, CONFIG.replace("exact_match", "contains"))
    rows = [f"{at},{('good', 'not good')[at % 2]}" for at in range(100)]
    (tmp_path / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")
    said = promptrl("validate", config).stderr
    assert 'References: "good" (50), "not good" (50)' in said
    assert "reward.metrics.0: contains gives another row's reference 1 in 50 of 100 rows" in said


def test_validate_finds_what_would_stop_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is not set is a warning, for it may be there at night; answers without a limit can't be."""
    monkeypatch.delenv("NIGHT_KEY", raising=False)
    target = "target: {type: openai, model: m, api_key_env: NIGHT_KEY, params: {max_tokens: null}}"
    config = write_experiment(tmp_path, re.sub("target: .*", target, CONFIG))
    done = promptrl("validate", config)
    assert (done.exit_code, "NIGHT_KEY is not set; training would stop here" in done.stderr) == (0, True)
    done = promptrl("validate", config, "-s", "budget.max_tokens=100000")
    assert done.exit_code == 2
    assert "target.params.max_tokens: is null, but budget.max_tokens can't be kept" in done.stderr


@pytest.mark.parametrize("path", ["sums.csv", "toy.yaml", "."])
def test_validate_refuses_a_cache_that_is_something_else(tmp_path: Path, path: str) -> None:
    """As training would; the file stays as it is, and what is not there yet is fine."""
    config = write_experiment(tmp_path)
    done = promptrl("validate", config, "-s", f"cache.path={path}")
    assert done.exit_code == 2
    assert "is no cache of promptrl, and is left as it is" in done.stderr
    assert promptrl("validate", config, "-s", "cache.path=new.sqlite").exit_code == 0
    assert not (tmp_path / "new.sqlite").exists()


def test_validate_says_how_many_inputs_differ(tmp_path: Path) -> None:
    """Rows with one input count as one, so the power is that of the different ones."""
    config = write_experiment(tmp_path)
    plain = json.loads(promptrl("validate", config, "--json").stdout)
    assert plain["inputs"] == {name: plain["rows"][name] for name in plain["inputs"]}
    assert "Inputs come again" not in promptrl("validate", config).stderr
    header, *rows = (tmp_path / "sums.csv").read_text().splitlines()
    (tmp_path / "sums.csv").write_text("\n".join((header, *rows[:40] * 3)))
    again = json.loads(promptrl("validate", config, "--json").stdout)
    assert 3 * again["inputs"]["test"] == again["rows"]["test"]
    assert again["power"]["rows"] == again["inputs"]["test"]
    assert f"{again['inputs']['test']} test are different" in promptrl("validate", config).stderr


GERMAN = """\ufeffText;Label;
Text 1;positive;
Text 2;negative;
;negative;
Text 4;;
Text 5;pos;
Text 6;N/A;
Text 1;negative;
"""


def write_german(folder: Path, text: str) -> Path:
    """A config for a table of a German Excel; sound rows follow the given ones."""
    rows = "".join(f"Satz {at};{('positive', 'negative')[at % 2]};\n" for at in range(60))
    (folder / "sums.csv").write_text(text + rows, encoding="utf-8")
    config = folder / "german.yaml"
    changed = CONFIG.replace("{question}", "{Text}").replace("input: question, reference: sum", "reference: Label")
    config.write_text(changed, encoding="utf-8")
    return config


def test_everything_odd_about_a_file_is_told_in_one_pass(tmp_path: Path) -> None:
    """Errors with the warnings beside them, each with its line; only errors count."""
    done = promptrl("validate", write_german(tmp_path, GERMAN))
    assert done.exit_code == 2
    for told in (
        "error {}:5: dataset.reference: the reference is missing or empty",
        "error {}:4: prompt.user: nothing is asked in line 4",
        "warning {}: dataset: semicolons divide its cells",
        "warning {}: dataset: the name of column 3 is empty",
        'warning {}:2: dataset.reference: an input has contradictory answers: "Text 1" in lines 2, 8',
        'warning {}:7: dataset.reference: the reference looks like a missing one: "N/A" in line 7',
        'warning {}:6: dataset.reference: labels that may be one label: "pos" in line 6',
    ):
        assert told.format(tmp_path / "sums.csv") in done.stderr
    assert done.stderr.endswith("2 problems found.\n")


def test_warnings_stop_nothing_and_are_told_when_training_begins(tmp_path: Path) -> None:
    """By validate, in its JSON, and by train."""
    sound = "".join(line for line in GERMAN.splitlines(keepends=True) if not line.startswith((";", "Text 4")))
    config = write_german(tmp_path, sound)
    assert (
        "warning {}:4: dataset.reference: labels".format(tmp_path / "sums.csv") in promptrl("validate", config).stderr
    )
    told = json.loads(promptrl("validate", config, "--json").stdout)["warnings"]
    assert [warning.partition(": dataset")[2][:24] for warning in told] == [
        ": semicolons divide its ",
        ": the name of column 3 i",
        ".reference: an input has",
        ".reference: the referenc",
        ".reference: labels that ",
    ]
    done = promptrl("train", config, "--runs-dir", tmp_path / "runs", "--json")  # its target can't read these rows
    started = json.loads(done.stdout.splitlines()[0])
    assert started["warnings"] == told


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ('slots: {task: ["Add for {question}."]}', "prompt.slots.task.0: {question} is sent as it stands"),
        ('text: "Add for {{Question}}."', "prompt.text: {{Question}} is sent as it stands"),
        ('slots: {task: ["Add."]}, user: "{{ question }}: {sum}"', "prompt.user: {{ question }} is no placeholder"),
        (
            'text: "Add.", user: [{role: user, content: "{question}"}, {role: user, content: "{{question}}?"}]',
            "prompt.user.1.content: {{question}} is no placeholder",
        ),
    ],
)
def test_columns_in_the_notation_of_other_tools_are_told_beside_faults_of_the_data(
    tmp_path: Path, prompt: str, told: str
) -> None:
    """In one pass."""
    config = write_experiment(
        tmp_path, re.sub(r"prompt:.*(?=edits:)", f"prompt: {{{prompt}}}\n", CONFIG, flags=re.DOTALL)
    )
    with (tmp_path / "sums.csv").open("a") as file:
        file.write("1 + 1,\n")
    done = promptrl("validate", config)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "the reference is missing or empty" in done.stderr


def test_validate_never_imports_the_users_code(tmp_path: Path) -> None:
    """A ``python`` target runs only when trained."""
    config = write_experiment(tmp_path, CONFIG.replace("tests.servers.toy_model:answer", "no_such_module:answer"))
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


@pytest.mark.parametrize("name", ["nope", "opnai"])
def test_an_unknown_example_is_answered_with_all_of_them(tmp_path: Path, name: str) -> None:
    """There are few, and a guess may be wrong."""
    done = promptrl("init", tmp_path / "x.yaml", "--example", name)
    assert done.exit_code == 2
    assert all(example in done.stderr for example in names())


def test_the_comments_of_an_example_name_the_file_that_was_written(tmp_path: Path) -> None:
    """The commands in them can be copied."""
    config = tmp_path / "mine.yaml"
    assert promptrl("init", config, "--example", "openai").exit_code == 0
    assert f"promptrl validate {config}" in config.read_text()
    assert "configs/" not in config.read_text()


def test_schema_names_every_block() -> None:
    """The table and the JSON Schema come from the same models."""
    assert "algorithm.name" in promptrl("schema").stderr + promptrl("schema").stdout
    assert "algorithm" in json.loads(promptrl("schema", "--json").stdout)["properties"]
