"""Good configs load, are written back in full, and say where each key stands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from promptrl.config import BudgetConfig, LoadedConfig, load_config
from promptrl.config.metrics import QUALITIES
from promptrl.config.prompts import TurnConfig
from promptrl.errors import ConfigError
from promptrl.llm.targets.local import LocalTargetDefinition
from promptrl.llm.targets.openai import OpenAITargetDefinition
from promptrl.tasks.metrics.structured import JsonSchema
from promptrl.tasks.metrics.text import Choice

MINIMAL = """\
name: demo
target: {type: local}
prompt: {slots: {task: ["Classify.", "Read."]}}
dataset: {path: data/rows.jsonl, input: text, reference: label}
reward: {metrics: [{type: choice}]}
"""

EVERYTHING = """\
version: 1
name: support-triage
target:
  type: openai
  model: gpt-4o-mini
  base_url: https://api.example.org/v1
  api_key_env: MY_KEY
  headers: {X-Org: ORG_VARIABLE}
  params: {temperature: null, max_completion_tokens: 64, logit_bias: {50256: -100}}
  concurrency: 4
  timeout_s: 3e1
  max_retries: 0
  price: {input_per_million: 0.15, output_per_million: 0.6}
prompt:
  user: [{role: assistant, content: Go}, {role: user, content: 'Ticket: {ticket} {{not a placeholder}} {"json": [1]}'}]
  separator: "\\n\\n"
  slots:
    role: ["", "You triage support tickets."]
    yes: [no, off, 2024-01-01, "true", '1e5', "Two\\nlines  \\n and more"]
  demonstrations: {max: 4, candidates: 16}
edits: {bank: none, phrases: false, reorder: true, tokens: [briefly, please]}
dataset:
  files: {train: a.csv, validation: builtin:sentiment, test: /data/c.csv}
  format: csv
  input: ticket
  reference: category
  columns: {ticket: Ticket text}
  stratify: false
  limit: 1e3
reward:
  combine: product
  metrics:
    - {type: choice, weight: 0.5, choices: ["yes", no]}
    - {type: json_schema, schema: {type: object}, name: shape}
    - {type: prompt_tokens, weight: -0.02, per: 50}
algorithm: {name: dqn, policy: transformer, rows_per_prompt: 2, max_edits: 5, n_envs: 3, params: {learning_rate: 3e-4}}
budget: {max_calls: 1e6, max_usd: 2, max_tokens: 1_000_000, max_minutes: 0.5}
gate: {metric: shape, confidence: .9, min_improvement: 0.01, margin: 1e-2}
warm_start: none
cache: {path: answers.sqlite, mode: off, max_mb: 5}
seed: 4294967295
output: {runs_dir: elsewhere}
trackers: [tensorboard]
"""


def load(folder: Path, text: str = MINIMAL, *overrides: str) -> LoadedConfig:
    """Load a text as a file of that folder."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


def test_a_minimal_config_gets_sensible_defaults(tmp_path: Path) -> None:
    """Five keys are enough; what a run may cost is bounded even so."""
    loaded = load(tmp_path)
    config = loaded.config
    assert loaded.target == LocalTargetDefinition(model="nano", params={"temperature": 0, "max_tokens": 256})
    assert config.user_turns == (TurnConfig(role="user", content="{text}"),)
    assert config.gate_metric == "choice"
    assert (config.budget.max_calls, config.algorithm.planning) == (2000, "surrogate")
    assert config.prompt.demonstrations.set_aside == 0
    assert config.reward.qualities[0].definition == Choice(choices=None, after=None, ignore_case=True)


def test_every_key_can_be_given(tmp_path: Path) -> None:
    """The config that says everything: numbers in all notations, words that YAML 1.1 would take for truth values."""
    loaded = load(tmp_path, EVERYTHING)
    config, target = loaded.config, loaded.target
    assert isinstance(target, OpenAITargetDefinition)
    assert target.timeout_s == 30
    assert target.request_params == {"max_completion_tokens": 64, "logit_bias": {"50256": -100}}
    assert config.prompt.slots is not None
    assert config.prompt.slots["yes"] == ("no", "off", "2024-01-01", "true", "1e5", "Two\nlines  \n and more")
    assert config.prompt.separator == "\n\n"
    assert [turn.role for turn in config.prompt.user or ()] == ["assistant", "user"]
    assert config.prompt.demonstrations.set_aside == 16
    assert config.algorithm.params == {"learning_rate": 0.0003}
    assert (config.budget.max_calls, config.budget.max_tokens, config.dataset.limit) == (1_000_000, 1_000_000, 1000)
    assert isinstance(config.budget.max_calls, int)
    assert (config.cache.mode, config.gate_metric, config.trackers) == ("off", "shape", ("tensorboard",))
    assert config.reward.qualities[1].definition == JsonSchema(schema={"type": "object"})
    assert [metric.name for metric in config.reward.qualities] == ["choice", "shape"]


@pytest.mark.parametrize("text", [MINIMAL, EVERYTHING])
def test_a_resolved_config_loads_from_anywhere_as_the_same(text: str, tmp_path: Path) -> None:
    """What a run folder keeps is enough to run again: all defaults and absolute paths."""
    resolved = load(tmp_path, text).resolved_yaml()
    elsewhere = tmp_path / "runs" / "demo-0001"
    elsewhere.mkdir(parents=True)
    again = load(elsewhere, resolved)
    assert again.resolved_yaml() == resolved
    kept = {"dataset", "cache"}
    assert again.config.model_dump(exclude=kept) == load(tmp_path, text).config.model_dump(exclude=kept)


def test_paths_are_relative_to_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command is called, the config means the same files; bundled data stays by name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "config.yaml").write_text(EVERYTHING)
    loaded = load_config(Path("sub/config.yaml"))
    assert loaded.resolve("data/rows.jsonl") == str(tmp_path / "sub" / "data" / "rows.jsonl")
    assert loaded.resolve("/data/c.csv") == "/data/c.csv"
    assert loaded.resolve("builtin:sentiment") == "builtin:sentiment"
    assert loaded.resolve("hf:openai/gsm8k:main:test") == "hf:openai/gsm8k:main:test"
    resolved = loaded.resolved_yaml()
    assert f"train: {tmp_path}/sub/a.csv" in resolved
    assert "validation: builtin:sentiment" in resolved
    assert f"path: {tmp_path}/sub/answers.sqlite" in resolved
    assert "runs_dir: elsewhere" in resolved


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("{type: replay, path: log.jsonl}", "path: {folder}/log.jsonl"),
        ("{type: local, model: ./weights}", "model: {folder}/weights"),
        ("{type: local, model: org/name}", "model: org/name"),
        ("{type: python, function: 'package.module:answer'}", "function: package.module:answer"),
    ],
)
def test_the_files_of_a_target_are_resolved(target: str, expected: str, tmp_path: Path) -> None:
    """A folder is told from a Hugging Face id by ./ or / before it."""
    resolved = load(tmp_path, MINIMAL.replace("{type: local}", target)).resolved_yaml()
    assert expected.replace("{folder}", str(tmp_path)) in resolved


def test_a_file_of_too_many_words_is_refused_at_once(tmp_path: Path) -> None:
    """A dictionary of a hundred thousand words neither hangs nor searches for ever; 500 words are taken."""
    (tmp_path / "words.txt").write_text("\n".join(f"w{number}" for number in range(100_000)))
    (tmp_path / "few.txt").write_text("\n".join(f"w{number}" for number in range(500)))
    with pytest.raises(ConfigError, match=r"edits\.tokens: got 100,000 words, expected at most 500"):
        load(tmp_path, MINIMAL + "edits: {tokens: words.txt}\n")
    assert len(load(tmp_path, MINIMAL + "edits: {tokens: few.txt}\n").config.edits.tokens or ()) == 500


def test_files_named_by_the_config_are_read_in(tmp_path: Path) -> None:
    """Prompt, words and schema may stand in files beside the config; the resolved config needs them no more."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "now.txt").write_text("Classify {text}.\r\nBe brief.\n", encoding="utf-8-sig")
    (tmp_path / "words.txt").write_text("briefly\nplease\nbriefly\n")
    (tmp_path / "answer.json").write_text('{"type": "object"}')
    text = (
        MINIMAL.replace('{slots: {task: ["Classify.", "Read."]}}', "{text: prompts/now.txt}")
        + "edits: {tokens: words.txt}\n"
    ).replace("{type: choice}", "{type: json_schema, schema: answer.json}")
    loaded = load(tmp_path, text)
    assert loaded.config.prompt.text == "Classify {text}.\nBe brief."
    assert loaded.config.user_turns is None
    assert loaded.config.edits.tokens == ("briefly", "please")
    assert loaded.config.reward.qualities[0].definition == JsonSchema(schema={"type": "object"})
    assert load_config(_write(tmp_path / "other" / "c.yaml", loaded.resolved_yaml())).config == _absolute_data(loaded)


def test_a_prompt_may_end_in_a_file_name(tmp_path: Path) -> None:
    """Only one word, or a file that is there, is taken for a file name."""
    text = MINIMAL.replace('{slots: {task: ["Classify.", "Read."]}}', "{text: Answer as in README.md}")
    assert load(tmp_path, text).config.prompt.text == "Answer as in README.md"
    (tmp_path / "Answer as in README.md").write_text("From the file.")
    assert load(tmp_path, text).config.prompt.text == "From the file."


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_prompt_file_is_refused(content: str, tmp_path: Path) -> None:
    """A file that was emptied by accident is no prompt."""
    (tmp_path / "now.md").write_text(content)
    with pytest.raises(ConfigError, match=r"prompt\.text: got \"\", expected text that is not empty"):
        load(tmp_path, MINIMAL.replace('{slots: {task: ["Classify.", "Read."]}}', "{text: now.md}"))


@pytest.mark.parametrize(
    "content", ["{", "[" * 100_000, '{"not":' * 900 + "{}" + "}" * 900, '{"minimum": NaN}', '{"title": "\\ud800"}']
)
def test_a_schema_file_must_hold_json_that_a_config_can_hold(tmp_path: Path, content: str) -> None:
    """The message names the key in the config that names the file; a run keeps its content in its config."""
    (tmp_path / "answer.json").write_text(content)
    with pytest.raises(ConfigError, match=r"reward\.metrics\.0\.schema: the file \"answer\.json\" holds no JSON"):
        load(tmp_path, MINIMAL.replace("{type: choice}", "{type: json_schema, schema: answer.json}"))


def test_a_problem_found_later_gets_file_and_line(tmp_path: Path) -> None:
    """The parts below know keys, the config knows lines; a key that is not there gets the line of the block."""
    loaded = load(tmp_path, EVERYTHING, "budget.max_usd=3")
    file = str(tmp_path / "config.yaml")
    problem = loaded.problem("reward.metrics.1.schema", "no", "way out")
    assert (problem.file, problem.line, str(problem)) == (
        file,
        34,
        f"{file}:34: reward.metrics.1.schema: no (way out)",
    )
    assert loaded.problem("target.price.output_per_million", "no").line == 13
    assert loaded.problem("dataset.files.train.3.x", "no").line == 23
    assert (loaded.problem("nowhere", "no").file, loaded.problem("nowhere", "no").line) == (file, None)
    assert str(loaded.problem("budget.max_usd", "no")) == "-s: budget.max_usd: no"
    assert loaded.problem("", "no").key == ""


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    """YAML's own way to say a thing once; own keys win over merged ones, earlier merges over later ones."""
    text = (
        MINIMAL.replace("target: {type: local}", "target: &t {type: local, batch_size: 3, max_retries: 2}")
        .replace("{type: choice}", "&m {type: f1, weight: 2}, {<<: [{weight: 3}, *m], name: other}")
        .replace("name: demo", "name: &n demo")
    )
    config = load(tmp_path, text).config
    assert [(metric.name, metric.weight) for metric in config.reward.metrics] == [("f1", 2), ("other", 3)]


def test_a_config_can_be_built_in_python() -> None:
    """Without a file the same checks hold, as pydantic's error."""
    assert BudgetConfig(max_calls=5).max_calls == 5
    with pytest.raises(ValidationError, match="not a regular expression"):
        QUALITIES["regex"].model_validate({"type": "regex", "pattern": "("})


def test_a_config_can_not_be_changed(tmp_path: Path) -> None:
    """The config of a run is a value."""
    config = load(tmp_path).config
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1


AGENT_KEYS = {
    "planning": "none",
    "imagined_steps": 64,
    "policy": "transformer",
    "max_edits": 3,
    "n_envs": 4,
    "params": {"gamma": 0.9},
}


@pytest.mark.parametrize("key", AGENT_KEYS)
def test_a_key_that_means_nothing_to_the_algorithm_is_refused(tmp_path: Path, key: str) -> None:
    """The message names key and algorithm, what that reads, and the way out; an override of the name is no way in."""
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL + f"algorithm:\n  {key}: {json.dumps(AGENT_KEYS[key])}\n")
    load_config(path)
    with pytest.raises(ConfigError) as caught:
        load_config(path, ["algorithm.name=random"])
    (problem,) = caught.value.problems
    assert (problem.key, problem.line) == (f"algorithm.{key}", 7)
    assert problem.message == "means nothing to random, which reads rows_per_prompt only"
    assert problem.hint.startswith("remove the key, or choose one of ppo, ")


def test_keys_of_other_algorithms_are_dropped_on_demand(tmp_path: Path) -> None:
    """So that configs of older runs and of a benchmark's other algorithms load; a misspelt key is still refused."""
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL + f"algorithm: {json.dumps({'name': 'random', 'rows_per_prompt': 2, **AGENT_KEYS})}\n")
    algorithm = load_config(path, drops_unread=True).config.algorithm
    assert algorithm.model_dump() == {"name": "random", "rows_per_prompt": 2}
    live = load_config(path, ["algorithm.name=a2c"], drops_unread=True).config.algorithm.definition
    assert (live.n_envs, live.planning, live.imagined_steps) == (4, "none", 128)
    with pytest.raises(ConfigError):
        load_config(path, ["algorithm.n_env=4"], drops_unread=True)


def test_reading_a_config_loads_neither_torch_nor_the_parts_that_work() -> None:
    """`promptrl validate` of a broken config answers at once."""
    code = (
        "import sys, promptrl.config\n"
        "heavy = {'torch', 'numpy', 'openai', 'stable_baselines3', 'rich', 'typer'} & set(sys.modules)\n"
        "working = ('search', 'selection', 'evaluation', 'experiment', 'runs')\n"
        "own = {name for name in sys.modules if name.startswith(tuple(f'promptrl.{wing}' for wing in working))}\n"
        "own -= {'promptrl.search', 'promptrl.search.algorithms', 'promptrl.search.hyperparameters'}  # plain data\n"
        "sys.exit(repr((heavy, own)) if heavy or own else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def _absolute_data(loaded: LoadedConfig) -> object:
    config = loaded.config
    assert config.dataset.path is not None
    dataset = config.dataset.model_copy(update={"path": loaded.resolve(config.dataset.path)})
    return config.model_copy(update={"dataset": dataset})


def test_a_folder_of_runs_may_be_in_ones_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell; nobody wants a folder that is called ~."""
    monkeypatch.setenv("HOME", str(tmp_path))
    config = tmp_path / "mine.yaml"
    config.write_text(MINIMAL + "output: {runs_dir: ~/x}\n")
    assert load_config(config).config.output.runs_dir == str(tmp_path / "x")


@pytest.mark.parametrize("name", ["triage.jinja", "PROMPT.TXT", "triage", "my prompt.yaml"])
def test_a_prompt_that_names_a_file_is_read_from_it(tmp_path: Path, name: str) -> None:
    """Whatever its ending: a path is nobody's prompt."""
    (tmp_path / name).write_text("Classify {text}.", encoding="utf-8")
    text = MINIMAL.replace('{slots: {task: ["Classify.", "Read."]}}', f"{{text: {name}}}")
    assert load(tmp_path, text).config.prompt.text == "Classify {text}."
