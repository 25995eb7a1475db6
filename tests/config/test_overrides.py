"""``-s key.path=value`` changes a key, and is checked like the file."""

from pathlib import Path

import pytest

from promptrl.config import ExperimentConfig, load_config
from promptrl.errors import ConfigError

TEXT = """\
name: demo
target: {type: local}
prompt:
  user: "{text}"
  slots: {task: ["Classify.", "Read."]}
dataset: {path: rows.jsonl, input: text, reference: label}
reward: {metrics: [{type: choice}, {type: f1}]}
budget: {max_calls: 100, max_usd: 3}
gate:
"""


def with_overrides(folder: Path, *overrides: str) -> ExperimentConfig:
    """The config under these overrides."""
    path = folder / "config.yaml"
    path.write_text(TEXT)
    return load_config(path, ["gate.margin=0.1", *overrides]).config


def said(config: ExperimentConfig) -> list[tuple[str, str]]:
    """What the model is asked."""
    return [(turn.role, turn.content) for turn in config.user_turns or ()]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=7", lambda config: config.seed == 7),
        (" seed = 7 ", lambda config: config.seed == 7),
        ("budget.max_calls=1e3", lambda config: config.budget.max_calls == 1000),
        ("budget.max_usd=", lambda config: config.budget.max_usd is None),
        ("budget={max_calls: 5}", lambda config: (config.budget.max_calls, config.budget.max_usd) == (5, None)),
        ("algorithm.params.learning_rate=3e-4", lambda config: config.algorithm.params == {"learning_rate": 0.0003}),
        ("gate.margin=0.2", lambda config: config.gate.margin == 0.2),
        ("reward.metrics.1.weight=0", lambda config: config.reward.metrics[1].weight == 0),
        ("reward.metrics.2={type: json_valid}", lambda config: config.reward.metrics[2].type == "json_valid"),
        ("reward.metrics.2.type=json_valid", lambda config: config.reward.metrics[2].type == "json_valid"),
        ("prompt.slots.task=[a, b]", lambda config: config.prompt.slots["task"] == ("a", "b")),
        ("prompt.slots.task.0=yes: no", lambda config: config.prompt.slots["task"][0] == "yes: no"),
        ("prompt.slots.task.0=", lambda config: config.prompt.slots["task"][0] == ""),
        ("prompt.slots.role=['', b]", lambda config: list(config.prompt.slots) == ["task", "role"]),
        ("prompt.user={text} # 1 = 1", lambda config: said(config) == [("user", "{text} # 1 = 1")]),
        ('prompt.user="{text}\\n"', lambda config: said(config) == [("user", "{text}\n")]),
        ('prompt.user="[{text}]"', lambda config: said(config) == [("user", "[{text}]")]),
        ("prompt.user=", lambda config: said(config) == [("user", "{text}")]),
        (
            'prompt.user=[{role: assistant, content: Yes.}, {role: user, content: "{text}"}]',
            lambda config: said(config) == [("assistant", "Yes."), ("user", "{text}")],
        ),
        ("prompt.separator=", lambda config: config.prompt.separator == ""),
        ("name=2024", lambda config: config.name == "2024"),
        ("cache.mode=off", lambda config: config.cache.mode == "off"),
        ("trackers=[tensorboard]", lambda config: config.trackers == ("tensorboard",)),
        ("target={type: openai, model: m}", lambda config: config.target.type == "openai"),
        ("target.model=1.5", lambda config: config.target.model == "1.5"),
    ],
)
def test_an_override_changes_one_key(override: str, expected: object, tmp_path: Path) -> None:
    """Values are YAML; where only text fits they are taken as they stand."""
    assert callable(expected)
    assert expected(with_overrides(tmp_path, override))


def test_later_overrides_win(tmp_path: Path) -> None:
    """Overrides are applied in order, also one inside another."""
    config = with_overrides(tmp_path, "budget={max_calls: 5}", "budget.max_calls=6", "seed=1", "seed=2")
    assert (config.budget.max_calls, config.seed) == (6, 2)


def test_slots_can_be_replaced_by_a_text(tmp_path: Path) -> None:
    """Two overrides go from one kind of prompt to the other."""
    config = with_overrides(tmp_path, "prompt.slots=null", "prompt.text=Classify it.")
    assert (config.prompt.slots, config.prompt.text) == (None, "Classify it.")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", '-s: "seed" is not an override, expected key.path=value (example: -s budget.max_calls=500)'),
        ("=5", '-s: "" is not an override'),
        ("budget..max_calls=5", '-s: "budget..max_calls" is not an override'),
        ("buget.max_calls=5", "-s: buget: is not a known key (did you mean budget)"),
        ("budget.max_call=5", "-s: budget.max_call: is not a known key (did you mean max_calls)"),
        ("budget.max_calls=0", "-s: budget.max_calls: got 0, expected a whole number of at least 1"),
        ("budget.max_calls=", "-s: budget.max_calls: is empty"),
        ("seed.x=5", "-s: seed.x: seed holds 3 and has no keys"),
        (
            "reward.metrics.5={}",
            '-s: reward.metrics.5: "5" is not a position of this list, expected 0 to 2 (2 appends)',
        ),
        ("reward.metrics.-1={}", '-s: reward.metrics.-1: "-1" is not a position'),
        ("reward.metrics.x.weight=1", '-s: reward.metrics.x.weight: "x" is not a position'),
        ("budget={max_calls: 5", "-s: budget: is not YAML: expected ',' or '}'"),
        ("budget={max_calls: 5, max_calls: 6}", "-s: budget.max_calls: is given twice"),
        ("budget.max_calls=!!set {a}", "-s: budget.max_calls: the YAML tag set is not supported"),
        ("target.api_key_env=sk-abcdefghijklmnopqrst", "-s: target.api_key_env: holds what looks like an API key"),
        ("sk-abcdefghijklmnopqrst", '-s: "(hidden)" is not an override'),
    ],
)
def test_a_broken_override_is_refused(override: str, message: str, tmp_path: Path) -> None:
    """The message names the key and says that the command line is at fault, not the file."""
    with pytest.raises(ConfigError) as caught:
        with_overrides(tmp_path, "seed=3", override)
    assert len(caught.value.problems) == 1
    assert message in str(caught.value)
    assert "abcdefgh" not in str(caught.value)


def test_a_config_can_come_from_overrides_alone(tmp_path: Path) -> None:
    """An empty file is no obstacle."""
    path = tmp_path / "empty.yaml"
    path.write_text("")
    config = load_config(
        path,
        [
            "name=demo",
            "target.type=local",
            "prompt.text=Classify {text}.",
            "dataset.path=rows.csv",
            "reward.metrics=[{type: json_valid}]",
        ],
    ).config
    assert config.reward.metrics[0].type == "json_valid"
