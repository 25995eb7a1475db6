"""Finds pieces of a prompt that other tools would fill in and promptrl sends as they stand."""

import re
from collections.abc import Collection, Iterator

from promptrl.errors import Problem, nearest
from promptrl.prompts.placeholders import IDENTIFIER

_DOUBLED = re.compile(r"\{\{[-~]?\s*([^\W\d][\w.]*)\s*(?:\|[^{}]*)?[-~]?\}\}")
"""``{{name}}``, ``{{ name.part }}``, ``{{ name | filter }}``: Jinja, Mustache, Handlebars, Liquid."""
_SINGLE = re.compile(r"(?<!\{)\{([^\W\d]\w*)\}(?!\})")
_TAG = re.compile(r"\{%[-+]?\s*\w[^{}]*%\}")


def notation_problems(
    key: str, text: str, *, is_template: bool, columns: Collection[str], reference: str | None
) -> Iterator[Problem]:
    """Yield an error for a column that would not be filled in, a warning for what may be meant as it stands.

    Args:
        key: Of the config, where the text stands.
        text: An option, a text, or a message of the user template.
        is_template: Whether ``{column}`` is filled in here; then two braces stand for one.
        columns: Of the data, and other names of placeholders.
        reference: Column of the known good answer, which no prompt shows: in braces it is the form of an answer.
    """
    pieces = {match[0]: match[1] for match in _DOUBLED.finditer(text)}
    if not is_template:
        pieces |= {match[0]: match[1] for match in _SINGLE.finditer(text) if _column(match[1], columns)}
    for piece, name in pieces.items():
        yield _problem(key, piece, _column(name, columns), reference, is_template=is_template)
    for tag in dict.fromkeys(_TAG.findall(text)):
        yield Problem(key, f"{tag} is of another template language and sent as it stands", is_warning=True)


def _column(name: str, columns: Collection[str]) -> str:
    """The column that a name in braces stands for, upper and lower case aside; empty when there is none."""
    found = nearest(name, columns)
    return found if found.casefold() == name.casefold() and re.match(IDENTIFIER, found) else ""


def _problem(key: str, piece: str, column: str, reference: str | None, *, is_template: bool) -> Problem:
    if is_template:
        message = f"{piece} is no placeholder: it is sent with one pair of braces"
        hint = f"write {{{column}}} for the column"
    else:
        message = f"{piece} is sent as it stands: this text is no template"
        hint = f"only the user message is filled in: write {{{column}}} there"
        if key == "prompt.text":
            hint += ", or here, where it makes the text the whole user message"
    if column and column != reference:
        return Problem(key, message, hint)
    return Problem(key, message, "if a column is meant, write {column} in the user message", is_warning=True)
