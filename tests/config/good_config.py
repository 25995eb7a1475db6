"""A good config, pieces of it exchanged, and the problems that are found then."""

from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.errors import ConfigError, Problem

GOOD = """\
name: demo
target: {type: local}
prompt:
  slots:
    task: ["Classify.", "Read, then classify."]
dataset: {path: builtin:sentiment, input: text, reference: label}
reward:
  metrics:
    - {type: choice}
"""
OPENAI = "target: {type: openai, model: m, "


def swap(old: str, new: str) -> str:
    """The good config with one piece exchanged; the piece must be there."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def openai(rest: str) -> str:
    """The good config with an OpenAI target."""
    return swap("target: {type: local}", OPENAI + rest + "}")


def problems_of(text: str, folder: Path) -> tuple[Problem, ...]:
    """Load a text that must be refused."""
    path = folder / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems
