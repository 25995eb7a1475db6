"""Writes the pages of the reference that the code already knows: config keys and commands (a hook of mkdocs)."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from promptrl.config import SchemaRow, schema_rows

CONFIG_HEAD = """\
# Config keys

Every key of a config, as `promptrl schema` prints it; `promptrl schema --json` gives a JSON Schema for editors. A block
is a mapping; `N` stands for a position in a list. Any key can be overridden on the command line:
`-s budget.max_calls=500`. Unknown keys, wrong types and numbers out of range are errors before the first call, all at
once.
"""


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those that mkdocs found."""
    from mkdocs.structure.files import File

    for path, text in (("reference/config.md", config_page()), ("reference/commands.md", commands_page())):
        files.append(File.generated(config, path, content=text))
    return files


def config_page() -> str:
    """The table of config keys in Markdown, one section for each key of the top level that is a block."""
    sections = [
        _section(key, list(rows)) for key, rows in groupby(schema_rows(), key=lambda row: row.key.split(".")[0])
    ]
    return "\n".join([CONFIG_HEAD, *sections])


def commands_page() -> str:
    """What Typer says of every command, argument and option.

    Raises:
        CalledProcessError: The command line can't be imported.
    """
    command = [
        sys.executable,
        "-m",
        "typer",
        "promptrl.cli",
        "utils",
        "docs",
        "--name",
        "promptrl",
        "--title",
        "Commands",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - this Python, with arguments of ours


def _section(key: str, rows: Sequence[SchemaRow]) -> str:
    block, *keys = rows
    head = f"## `{key}`\n\n{block.description}\n\n"
    if not keys:
        return f"{head}Takes {block.type}. Default: {_code(block.default)}.\n"
    needed = "Required. " if block.default == "required" else ""
    return head + needed + "\n\n| key | takes | default | meaning |\n|---|---|---|---|\n" + "".join(_lines(keys))


def _lines(rows: Sequence[SchemaRow]) -> Iterator[str]:
    for row in rows:
        cells = (f"`{row.key}`", row.type, _code(row.default), row.description)
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _code(default: str) -> str:
    return default if default in ("", "required") else f"`{default}`"
