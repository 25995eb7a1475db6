"""The README's promises that can be read off it: its config loads, its code runs, its commands exist."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from promptrl.config import load_config
from tests.commandline import promptrl

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
(CONFIG,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
(CODE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = sorted({m[1] for m in re.finditer(r"^\$ (?:.*&& )?promptrl ([a-z]+)", TEXT, re.MULTILINE)})


def test_the_config_of_the_readme_loads(tmp_path: Path) -> None:
    """What a reader copies is valid."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    assert load_config(path).config.name == "support-triage"


def test_the_code_of_the_readme_finds_the_polite_prompt(tmp_path: Path) -> None:
    """What a reader pastes into a notebook trains, and prints what it says."""
    (tmp_path / "readme.py").write_text(CODE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(README.parent)}
    done = subprocess.run([sys.executable, "readme.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("improved ")
    assert "Confirm the order. Be polite." in done.stdout


def test_the_page_of_a_package_index_has_no_dead_links() -> None:
    """Where the files of the tree are not beside it, it shows no picture of them and links to none."""
    project = tomllib.loads((README.parent / "pyproject.toml").read_text(encoding="utf-8"))
    page = TEXT
    for rule in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        page = re.sub(rule["pattern"], rule["replacement"], page)
    assert "<img" not in page
    assert set(re.findall(r"\]\(([^)]*)\)", page)) == {"https://stable-baselines3.readthedocs.io"}
    assert len(page) > 0.8 * len(TEXT)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_exists(command: str) -> None:
    """Nothing is advertised that is not there."""
    assert promptrl(command, "--help").exit_code == 0


def test_the_readme_was_understood() -> None:
    """The pattern above found what it tests."""
    assert {"train", "eval", "runs", "export", "init", "validate"} <= set(COMMANDS)
