"""What counts as a placeholder in a user template: ``{identifier}``, where ``{{`` and ``}}`` stand for one brace."""

import re

IDENTIFIER = r"^[^\W\d]\w*$"

TOKEN = re.compile(r"\{\{|\}\}|\{([^\W\d]\w*)\}")
_NEAR_MISS = re.compile(r"\{\s*(?:\w+(?:\s*[.\[!]\S*?|:[^\s}]\S*?)?)?\s*\}|\{[^\W\d]\w*$")


def placeholders(template: str) -> tuple[str, ...]:
    """Names in braces, each once, in order; ``{{`` and ``}}`` are escapes."""
    names = (match.group(1) for match in TOKEN.finditer(template))
    return tuple(dict.fromkeys(name for name in names if name))


def malformed_placeholders(template: str) -> tuple[str, ...]:
    """Pieces that are placeholders in other template languages only: ``{}``, ``{ name }``, ``{a.b}``, ``{x:>8}``."""
    return tuple(dict.fromkeys(match.group() for match in _NEAR_MISS.finditer(TOKEN.sub("\0", template))))
