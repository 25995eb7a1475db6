"""The README's promises that can be read off it: its config loads and its commands exist."""

import re
from pathlib import Path

import pytest

from promptrl.config import load_config
from tests.commandline import promptrl

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
(CONFIG,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = sorted({m[1] for m in re.finditer(r"^\$ (?:.*&& )?promptrl ([a-z]+)", TEXT, re.MULTILINE)})


def test_the_config_of_the_readme_loads(tmp_path: Path) -> None:
    """What a reader copies is valid."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    assert load_config(path).config.name == "support-triage"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_exists(command: str) -> None:
    """Nothing is advertised that is not there."""
    assert promptrl(command, "--help").exit_code == 0


def test_the_readme_was_understood() -> None:
    """The pattern above found what it tests."""
    assert {"train", "eval", "runs", "export", "init", "validate"} <= set(COMMANDS)
