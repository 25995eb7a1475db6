"""The two outputs: text for people on stderr, data on stdout. Hostile text is made harmless here."""

import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from promptrl.errors import ConfigError, PromptrlError

PIPED_WIDTH = 80

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def people() -> Console:
    """A console on stderr; plain when it is no terminal or when NO_COLOR is set."""
    return Console(stderr=True, highlight=False)


def readers() -> Console:
    """A console on stdout, for data that people read too; plain and of a fixed width into a file or a pipe."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def strip_controls(text: object) -> str:
    """Text without control characters: a completion may hold terminal commands."""
    return _CONTROL.sub("\ufffd", str(text))


def clean(text: object) -> str:
    """Harmless text with markup escaped, for printing between markup of ours."""
    return escape(strip_controls(text))


def show_message(text: str) -> None:
    """Say something to people."""
    people().print(clean(text), soft_wrap=True)


def show_error(error: PromptrlError) -> None:
    """Say what went wrong, each problem on its line."""
    if isinstance(error, ConfigError):
        console = people()
        for problem in error.problems:
            console.print(f"[red]error[/red] {clean(problem)}", soft_wrap=True)
        count = len(error.problems)
        console.print(f"{count} problem{'s' if count != 1 else ''} found.")
    else:
        people().print(f"[red]error[/red] {clean(error)}", soft_wrap=True)
    show_notes(error)


def show_notes(error: BaseException) -> None:
    """Say what was noted with an error on its way: how to go on."""
    for note in getattr(error, "__notes__", ()):
        people().print(clean(note), soft_wrap=True)


def print_text(text: str) -> None:
    """Write data to stdout as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_data(data: Any, *, as_json: bool, is_line: bool = False) -> None:
    """Write data to stdout: JSON (indented, or one line), or ``key: value`` lines."""
    if as_json:
        print_text(json.dumps(data, ensure_ascii=True, indent=None if is_line else 2, allow_nan=False) + "\n")
    else:
        print_text("".join(f"{key}: {value}\n" for key, value in data.items()))
