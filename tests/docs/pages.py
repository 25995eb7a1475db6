"""What a page of the documentation shows, carried out: titled blocks are files, ``$`` lines are commands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: What stands behind the fence.
        title: The file that it is; empty for blocks that only show something.
        text: Its lines.
    """

    language: str
    title: str
    text: str

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines to type, without the prompt sign."""
        return tuple(line[2:] for line in self.text.splitlines() if line.startswith("$ "))

    @property
    def output(self) -> tuple[str, ...]:
        """The lines that the commands are said to print, without blank ones."""
        return tuple(line for line in self.text.splitlines() if line.strip() and not line.startswith("$ "))


def blocks(page: str) -> list[Block]:
    """The blocks of a page that begin at the margin, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [Block(found["language"], found["title"] or "", found["text"]) for found in _BLOCK.finditer(text)]


def carry_out(page: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Write the files of a page as they come, type its commands; give each block of commands with what it printed.

    Raises:
        AssertionError: A command ended with another code than 0.
    """
    for block in blocks(page):
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            yield block, "".join(_type(command, folder) for command in block.commands)


def _type(command: str, folder: Path) -> str:
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200", "CI": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
