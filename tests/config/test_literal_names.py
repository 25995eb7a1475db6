"""Names in braces that are meant to be sent as they stand are no placeholders."""

from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.config.prompts import as_template
from tests.config.good_config import problems_of
from tests.config.test_file_names import config

LATEX = r"Write \begin{align} a \end{align}."


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        (f"text: '{LATEX}'", None),
        (f"text: 'Sort {{text}}. {LATEX}'", f"Sort 1. {LATEX}"),
        (f"slots: {{task: [a, b]}}, user: '{{text}} {LATEX}'", f"1 {LATEX}"),
        ("slots: {task: [a, b]}, user: '{text} {{align}}'", "1 {align}"),
    ],
)
def test_a_literal_name_is_no_placeholder(prompt: str, sent: str | None, tmp_path: Path) -> None:
    """A text with it alone is the system message; in a user message its braces stay."""
    path = tmp_path / "c.yaml"
    path.write_text(config(f"literal: [align]\n  {prompt.replace(', user', chr(10) + '  user')}"), encoding="utf-8")
    loaded = load_config(path).config
    turns = loaded.user_turns
    template = loaded.prompt.text_template if turns is None else as_template(turns).text
    assert (template or "").replace("{{", "{").replace("}}", "}").replace("{text}", "1") == (sent or "1")
    assert (turns is None) == ("Sort" in prompt)


def test_a_text_with_a_placeholder_and_a_user_message_name_the_way_out(tmp_path: Path) -> None:
    """Which of the two is meant can't be told."""
    (problem,) = problems_of(config(f"text: '{LATEX}'\n  user: '{{text}}'"), tmp_path)
    assert problem.key == "prompt.user"
    assert problem.hint == "if these braces are meant, prompt.literal: [align]"
