"""What other tools would fill in is told; what may be meant is a warning."""

import pytest

from promptrl.errors import Problem
from promptrl.prompts.notation import notation_problems

COLUMNS = ("question", "context", "Message", "label", "full name")


def problems(text: str, key: str = "prompt.user", *, is_template: bool = True) -> list[Problem]:
    """Of a text with the columns above, and one name that is meant to stand in braces."""
    return list(notation_problems(key, text, is_template=is_template, columns=COLUMNS, literal=["first_name"]))


@pytest.mark.parametrize(
    "piece", ["{{context}}", "{{ context }}", "{{CONTEXT}}", "{{ context | upper }}", "{{- context -}}"]
)
def test_a_column_in_double_braces_is_an_error(piece: str) -> None:
    """It would be sent as it stands, and says what to write."""
    (problem,) = problems(f"Context: {piece} Question: {{question}}")
    assert not problem.is_warning
    assert problem.hint.startswith("write {context} for the column; if the braces are meant, prompt.literal: [")
    assert problem.message.startswith(piece)


@pytest.mark.parametrize("piece", ["{context}", "{{context}}", "{{message}}", "{Message}"])
@pytest.mark.parametrize("key", ["prompt.text", "prompt.slots.task.0"])
def test_text_that_is_no_template_holds_no_column(piece: str, key: str) -> None:
    """Neither an option nor a system message is filled in."""
    (problem,) = problems(f"You do sums for {piece}.", key, is_template=False)
    assert not problem.is_warning
    assert f"{piece} is sent as it stands" in problem.message
    assert "write {" in problem.hint


@pytest.mark.parametrize("is_template", [True, False])
@pytest.mark.parametrize("piece", ["{{name}}", "{{ user.name }}"])
def test_a_name_of_no_column_asks_what_is_meant(piece: str, is_template: bool) -> None:
    """It may be a merge field, or what the user's own code fills in; a template has two braces for one."""
    (problem,) = problems(f"Write {piece}.", is_template=is_template)
    assert problem.is_warning is is_template
    assert f"if the braces are meant, prompt.literal: [{piece.strip('{} ')}]" in problem.hint


@pytest.mark.parametrize("is_template", [True, False])
@pytest.mark.parametrize(
    "piece",
    [
        *("{% if context %}", "${question}", "[[question]]", "<<Question>>", "%(question)s"),
        *("<|im_start|>", "[INST]", "<<SYS>>", "<start_of_turn>"),
    ],
)
def test_rarer_notations_are_warnings(piece: str, is_template: bool) -> None:
    """Their signs are used for other things as well."""
    found = problems(f"Write {piece}.", is_template=is_template)
    assert [problem for problem in found if problem.is_warning and problem.message.startswith(piece)]


@pytest.mark.parametrize(
    ("text", "is_template"),
    [
        ("Context: {context} Question: {question}", True),
        ('Reply with {{"label": "..."}}. {question}', True),
        ('Reply with {"label": "..."}.', False),
        ("Reply with {name}.", False),
        ("Dear {{first_name}},", False),
        ("Dear {{first_name}}, {question}", True),
        ("The set {{{question}}}", True),
        ("[[1]] and <<b>> and ${x} {question}", True),
        ('{"a": {"b": {"c": 1}}}', False),
        ("Solve \\\\frac{1}{2} and {x | x > 0}.", False),
    ],
)
def test_other_braces_need_no_word(text: str, is_template: bool) -> None:
    """JSON, formulas, and what is filled in."""
    assert problems(text, is_template=is_template) == []
