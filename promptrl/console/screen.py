"""The two outputs: text for people on stderr, data on stdout. Hostile text is made harmless here."""

import json
from collections.abc import Iterable
from itertools import accumulate
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.containers import Lines
from rich.markup import escape
from rich.text import Text

from promptrl.errors import ConfigError, Problem, PromptrlError
from promptrl.outputs import data_output
from promptrl.safe_text import printable

PIPED_WIDTH = 80
STOPPING = "Stopping after the calls in flight; again to stop at once."


def people() -> Console:
    """A console on stderr; plain when it is no terminal or when NO_COLOR is set."""
    return Console(stderr=True, highlight=False)


def readers() -> Console:
    """A console on stdout, for data that people read too; plain and of a fixed width into a file or a pipe."""
    output = data_output()
    return Console(file=output, highlight=False, width=None if output.isatty() else PIPED_WIDTH)


def clean(text: object) -> str:
    """Harmless text with markup escaped, for printing between markup of ours."""
    return escape(printable(text))


def show_message(text: str) -> None:
    """Print one message on stderr; control characters and markup in it are made harmless."""
    print_markup(clean(text))


def show_stopping() -> None:
    """Say that a wish to stop was heard."""
    show_message(STOPPING)


def show_error(error: PromptrlError) -> None:
    """Say what went wrong, each problem on its line."""
    if isinstance(error, ConfigError):
        show_problems(error.problems)
        count = sum(not problem.is_warning for problem in error.problems)
        print_markup(f"{count} problem{'s' if count != 1 else ''} found.")
    else:
        print_markup(f"[red]error[/red] {clean(error)}")
    show_notes(error)


def show_problems(problems: Iterable[Problem]) -> None:
    """Print errors and warnings, each on its line."""
    for problem in problems:
        colour = "yellow" if problem.is_warning else "red"
        print_markup(f"[{colour}]{problem.kind}[/] {clean(problem)}")


def show_notes(error: BaseException) -> None:
    """Say what was noted with an error on its way: how to go on."""
    for note in getattr(error, "__notes__", ()):
        print_markup(clean(note))


def print_markup(markup: str, console: Console | None = None) -> None:
    """Print a message, to people unless told: on a terminal broken between words, never inside a path."""
    console = console or people()
    lines = Text.from_markup(markup, emoji=False).split("\n")
    if console.is_terminal:
        lines = Lines(part for line in lines for part in _between_words(line, console.width))
    for line in lines:
        console.print(line, soft_wrap=True)


def _between_words(line: Text, width: int) -> list[Text]:
    """Break a line where words end; a word that is longer than the line stays whole."""
    parts = wrap(
        line.plain,
        width,
        expand_tabs=False,
        replace_whitespace=False,
        drop_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    ends = list(accumulate(map(len, parts)))
    first, *others = line.divide(ends[:-1])
    broken = [first, *(part[len(part.plain) - len(part.plain.lstrip()) :] for part in others)]
    for part in broken:
        part.rstrip()
    return broken


def print_text(text: str) -> None:
    """Write data to stdout as it is, characters that its encoding lacks as escapes."""
    output = data_output()
    encoding = output.encoding or "utf-8"
    output.write(text.encode(encoding, "backslashreplace").decode(encoding))
    output.flush()


def print_data(data: Any, *, as_json: bool, is_line: bool = False) -> None:
    """Write data to stdout: JSON (indented, or one line), or ``key: value`` lines."""
    if as_json:
        print_text(json.dumps(data, ensure_ascii=True, indent=None if is_line else 2, allow_nan=False) + "\n")
    else:
        print_text("".join(f"{key}: {value}\n" for key, value in data.items()))
