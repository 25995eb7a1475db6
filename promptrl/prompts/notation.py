"""Finds pieces of a prompt that other tools would fill in and promptrl sends as they stand."""

import re
from collections.abc import Collection, Iterator

from promptrl.errors import Problem, nearest
from promptrl.prompts.placeholders import IDENTIFIER

_DOUBLED = re.compile(r"(?<!\{)\{\{[-~]?\s*([^\W\d][\w.]*)\s*(?:\|[^{}]*)?[-~]?\}\}(?!\})")
"""``{{name}}``, ``{{ name.part }}``, ``{{ name | filter }}``: Jinja, Mustache, Handlebars, Liquid."""
_SINGLE = re.compile(r"(?<!\{)\{([^\W\d]\w*)\}(?!\})")
_OTHER = re.compile(r"\[\[\s*(\w+)\s*\]\]|<<\s*(\w+)\s*>>|%\((\w+)\)s|\$\{(\w+)\}")
_TAG = re.compile(r"\{%[-+]?\s*\w[^{}]*%\}")
_MARK = re.compile(r"<\|\w+\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>")
"""What chat templates put around messages."""


def notation_problems(
    key: str, text: str, *, is_template: bool, columns: Collection[str], literal: Collection[str] = ()
) -> Iterator[Problem]:
    """Yield an error for a name in braces that would not be filled in, a warning for what is more likely meant.

    Args:
        key: Of the config, where the text stands.
        text: An option, a text, or a message of the user template.
        is_template: Whether ``{column}`` is filled in here; then two braces stand for one.
        columns: Of the data, and other names of placeholders.
        literal: Names that are meant to be sent in their braces.
    """
    pieces = {match[0]: match[1] for match in _DOUBLED.finditer(text)}
    if not is_template:
        pieces |= {match[0]: match[1] for match in _SINGLE.finditer(text) if _column(match[1], columns)}
    for piece, name in pieces.items():
        if name not in literal:
            yield _problem(key, piece, name, _column(name, columns), is_template=is_template)
    for match in _OTHER.finditer(text):
        column = _column(next(name for name in match.groups() if name), columns)
        if column:
            hint = f"in the user message {{{column}}} is the column"
            yield Problem(key, f"{match[0]} is the notation of another tool", hint, is_warning=True)
    for tag in dict.fromkeys(_TAG.findall(text)):
        yield Problem(key, f"{tag} is of another template language and sent as it stands", is_warning=True)
    for mark in dict.fromkeys(_MARK.findall(text)):
        message = f"{mark} is the mark of a chat template and sent as it stands"
        yield Problem(key, message, "a server adds its model's own around each message", is_warning=True)


def fillable_pieces(text: str) -> tuple[str, ...]:
    """Every piece that promptrl or another tool would fill in, or take for its own mark, in order."""
    patterns = (_DOUBLED, _SINGLE, _OTHER, _TAG, _MARK)
    found = sorted((match.start(), match[0]) for pattern in patterns for match in pattern.finditer(text))
    return tuple(piece for _, piece in found)


def doubled_names(text: str) -> tuple[str, ...]:
    """The names that stand in two pairs of braces, where a template fills in what stands in one."""
    return tuple(dict.fromkeys(_DOUBLED.findall(text)))


def _column(name: str, columns: Collection[str]) -> str:
    """The column that a name in braces stands for, upper and lower case aside; empty when there is none."""
    found = nearest(name, columns)
    return found if found.casefold() == name.casefold() and re.match(IDENTIFIER, found) else ""


def _problem(key: str, piece: str, name: str, column: str, *, is_template: bool) -> Problem:
    """What asks what is meant; in a template, where two braces stand for one, a warning unless it names a column."""
    meant = f"{{{column or 'column'}}}"
    if is_template:
        message = f"{piece} is no placeholder: it is sent with one pair of braces"
        way = f"write {meant} for the column"
    else:
        message = f"{piece} is sent as it stands: this text is no template"
        way = f"only the user message is filled in: write {meant} there"
        if key == "prompt.text":
            way += ", or here, where it makes the text the whole user message"
    hint = f"{way}; if the braces are meant, prompt.literal: [{name}]"
    return Problem(key, message, hint, is_warning=is_template and not column)
