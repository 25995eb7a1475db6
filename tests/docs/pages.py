"""What a page of the documentation shows, carried out: titled blocks are files, ``$`` lines are commands.

A ``diff`` block with a title changes a file of that name: the lines that are kept say where, ``@@`` parts two places.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

TOP = Path(__file__).parents[2]
DOCS = TOP / "docs"
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


@contextmanager
def module_of(page: str, title: str) -> Iterator[ModuleType]:
    """The module that a page shows under a title, imported while inside."""
    (source,) = (block.text for block in blocks(page) if block.title == title)
    module = ModuleType(title.removesuffix(".py").replace("/", "."))
    sys.modules[module.__name__] = module  # dataclasses look their annotations up there
    try:
        exec(compile(source, title, "exec"), module.__dict__)  # noqa: S102 - the page's own code
        yield module
    finally:
        del sys.modules[module.__name__]


def carry_out(page: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Write the files of a page as they come, type its commands; give each block of commands with what it printed.

    A page that adds to the package changes a copy of it in the folder, which its commands then use.

    Raises:
        AssertionError: A command ended with another code than 0, or what a diff changes is not there.
    """
    shown = blocks(page)
    if any(block.title.startswith("promptrl/") for block in shown):
        shutil.copytree(TOP / "promptrl", folder / "promptrl", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(TOP / "configs", folder / "configs")
    for block in shown:
        if block.title and block.language == "diff":
            _change(folder / block.title, block.text)
        elif block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            yield block, "".join(type_command(command, folder) for command in block.commands)


def type_command(command: str, folder: Path) -> str:
    """Run a line as a shell in that folder would, and give what it printed.

    Raises:
        AssertionError: It ended with another code than 0.
    """
    scripts = Path(sys.executable).parent
    packages = os.pathsep.join([str(folder), str(TOP)])
    settings = {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": packages,
        "COLUMNS": "200",
        "CI": "1",
    }
    shell = ["bash", "-euo", "pipefail", "-c", command]
    done = subprocess.run(shell, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def _change(path: Path, diff: str) -> None:
    """Apply the places of a diff; the lines it keeps and takes away must stand together in the file, once."""
    text = path.read_text(encoding="utf-8")
    for place in re.split(r"^@@.*\n", diff, flags=re.M):
        lines = place.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert text.count(before) == 1, f"{path.name} has {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
