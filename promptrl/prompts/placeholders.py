"""What counts as a placeholder in a user template: ``{identifier}``, where ``{{`` and its ``}}`` stand for one brace.

A ``}}`` that no ``{{`` came before stays as it is: nested JSON ends so.
"""

import re
from collections.abc import Collection, Mapping

IDENTIFIER = r"^[^\W\d]\w*$"

TOKEN = re.compile(r"\{\{|\}\}|\{([^\W\d]\w*)\}")
_NEAR_MISS = re.compile(r"\{\s*(?:\w+(?:\s*[.\[!]\S*?|:[^\s}]\S*?)?)?\s*\}|\{[^\W\d]\w*$")


def placeholders(template: str) -> tuple[str, ...]:
    """Names in braces, each once, in order; ``{{`` and ``}}`` are escapes."""
    names = (match.group(1) for match in TOKEN.finditer(template))
    return tuple(dict.fromkeys(name for name in names if name))


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The template with values for its placeholders, and with its escapes resolved.

    Raises:
        KeyError: A placeholder has no value.
    """
    n_open = 0

    def text(match: re.Match[str]) -> str:
        nonlocal n_open
        if match[1]:
            return fields[match[1]]
        if match[0] == "{{":
            n_open += 1
            return "{"
        if not n_open:
            return "}}"
        n_open -= 1
        return "}"

    return TOKEN.sub(text, template)


def escaped(text: str) -> str:
    """The template that ``filled`` makes this text of, whatever the values."""
    n_open, pieces = 0, []
    for character in text:
        if character == "{":
            n_open += 1
            pieces.append("{{")
        elif character == "}" and n_open:
            n_open -= 1
            pieces.append("}}")
        else:
            pieces.append(character)
    return "".join(pieces)


def without_literal(template: str, literal: Collection[str]) -> str:
    """The template with an escape around names in braces that are meant to stay there."""
    return TOKEN.sub(lambda match: f"{{{match[0]}}}" if match[1] in literal else match[0], template)


def malformed_placeholders(template: str) -> tuple[str, ...]:
    """Pieces that are placeholders in other template languages only: ``{}``, ``{ name }``, ``{a.b}``, ``{x:>8}``."""
    return tuple(dict.fromkeys(match.group() for match in _NEAR_MISS.finditer(TOKEN.sub("\0", template))))
