"""The commands as a user types them."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from promptrl.cli import app


def promptrl(*arguments: object, typed: str = "") -> Result:
    """Run a command as ``promptrl ...`` would, with what is typed into it."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)


def only_result(folder: Path) -> dict[str, Any]:
    """The result.json of the folder's first run."""
    return json.loads((folder / "runs" / "toy-0001" / "result.json").read_text())
