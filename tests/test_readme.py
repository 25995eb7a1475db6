"""The README's promises that can be read off it: its configs load, its commands exist, its output is real."""

import re
from pathlib import Path

import pytest
import yaml

from promptrl.config import load_config
from tests.commandline import promptrl

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
CONFIG, CONVERSATION = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
TARGETS = re.findall(r"^\| .*? \| `(\{type: .*?\})`", TEXT, re.MULTILINE)
COMMANDS = sorted({m[1] for m in re.finditer(r"^\$ (?:.*&& )?promptrl ([a-z]+)", TEXT, re.MULTILINE)})


def test_the_config_of_the_readme_loads(tmp_path: Path) -> None:
    """What a reader copies is valid."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    assert load_config(path).config.name == "support-triage"


def test_the_conversation_of_the_readme_fits_its_config(tmp_path: Path) -> None:
    """It may stand where the user message does."""
    config = yaml.safe_load(CONFIG)
    config["prompt"] |= yaml.safe_load(CONVERSATION)["prompt"]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert [turn.role for turn in load_config(path).config.user_turns or ()] == ["user", "assistant", "user"]


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_of_the_table_loads(tmp_path: Path, target: str) -> None:
    """Each line of "where the model runs" can be pasted."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(CONFIG), "target": yaml.safe_load(target)}), encoding="utf-8")
    assert load_config(path).config.target.type == yaml.safe_load(target)["type"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_exists(command: str) -> None:
    """Nothing is advertised that is not there."""
    assert promptrl(command, "--help").exit_code == 0


def test_the_readme_was_understood() -> None:
    """The patterns above found what they test."""
    assert len(TARGETS) == 7
    assert {"train", "eval", "runs", "export", "init", "validate"} <= set(COMMANDS)
