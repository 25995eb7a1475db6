"""The commands as a user types them."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from promptrl.cli import app


def promptrl(*arguments: object, typed: str = "") -> Result:
    """Run a command as ``promptrl ...`` would, with what is typed into it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


def changing(*overrides: str) -> list[str]:
    """The options that change keys of a config; ``key.path=value`` each."""
    return [part for override in overrides for part in ("-s", override)]


def only_result(folder: Path) -> dict[str, Any]:
    """The result.json of the folder's first run."""
    result: dict[str, Any] = json.loads((folder / "runs" / "toy-0001" / "result.json").read_text())
    return result
