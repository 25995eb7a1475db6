"""How messages fit a terminal."""

import io

import pytest
from rich.console import Console

from promptrl.console.screen import print_markup, print_text

PATH = "/" + "/".join(f"folder-{i}" for i in range(12))


def _shown(*, is_terminal: bool) -> list[str]:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=is_terminal, width=80, color_system=None)
    print_markup(f"a message of several words with a path {PATH} that goes on " + "and on " * 12, console)
    return screen.getvalue().rstrip("\n").split("\n")


def test_on_a_terminal_messages_break_between_words_and_never_inside_a_path() -> None:
    """What doesn't fit a line stays in one piece, so that it can be copied."""
    lines = _shown(is_terminal=True)
    assert len(lines) > 2
    assert PATH in lines
    assert all(len(line) <= 80 and line == line.strip() for line in lines if PATH not in line)


def test_elsewhere_a_message_is_one_line() -> None:
    """Programs that read lines find each message on one."""
    assert len(_shown(is_terminal=False)) == 1


def test_half_a_surrogate_pair_is_shown_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    """Models write such text; no output can encode it."""
    print_text("a\ud800b\n")
    assert capsys.readouterr().out == "a\\ud800b\n"
