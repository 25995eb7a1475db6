"""What counts as a placeholder in a user template, for checks without data."""

import re

IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NEAR_MISS = re.compile(r"\{\s*(?:\w+(?:\s*[.\[!]\S*?|:[^\s}]\S*?)?)?\s*\}|\{[A-Za-z_]\w*$")


def placeholders(template: str) -> tuple[str, ...]:
    """Names in braces, each once, in order; ``{{`` and ``}}`` are escapes."""
    names = (match.group(1) for match in _TOKEN.finditer(template))
    return tuple(dict.fromkeys(name for name in names if name))


def malformed_placeholders(template: str) -> tuple[str, ...]:
    """Pieces that are placeholders in other template languages only: ``{}``, ``{ name }``, ``{a.b}``, ``{x:>8}``."""
    return tuple(dict.fromkeys(match.group() for match in _NEAR_MISS.finditer(_TOKEN.sub("\0", template))))
