"""Keeps keys out of texts of a server that sends them back, as they are, in part, or in another notation."""

import base64
import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

HIDDEN = "***"
_SHORTEST_CUT = 8
"""A shorter piece of a key says little of it, and may well stand in a message by chance."""
_SHORTEST_IN_ANSWER = 8
"""Shorter values of headers (a region, a tenant's number) are no secret, and may well stand in an answer."""
_SHORTEST_CUT_IN_ANSWER = 12
_KEY_LIKE = re.compile(r"\b(sk-|Bearer\s+)[^\s\"',}]+")
_UNIT = re.compile(r"%[0-9a-f]{2}|&#?\w{1,8};|\\u[0-9a-f]{4}|\\.|.", re.IGNORECASE | re.DOTALL)
"""One character, in any of the notations in which it may come back."""


class Echoes:
    """Hides secrets.

    Args:
        secrets: Keys, and values of headers.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = [form for secret in secrets if secret for form in _forms(secret)]

    def hidden_in_message(self, text: str) -> str:
        """The text without any of them, and without what looks like a key."""
        return _KEY_LIKE.sub(HIDDEN, self._hidden(text, self._forms, _SHORTEST_CUT))

    def hidden_in_answer(self, text: str) -> str:
        """The text without those that are long enough not to stand there by chance."""
        forms = [form for form in self._forms if len(form) >= _SHORTEST_IN_ANSWER]
        return self._hidden(text, forms, _SHORTEST_CUT_IN_ANSWER)

    @staticmethod
    def _hidden(text: str, forms: Iterable[str], shortest: int) -> str:
        units = _UNIT.findall(text) if re.search(r"[%&\\]", text) else list(text)
        plain = "".join(_read(unit) for unit in units) if len(units) != len(text) else text
        hidden = bytearray(len(units))
        for form in forms:
            for start, end in _places(form, plain, min(shortest, len(form))):
                hidden[start:end] = b"\1" * (end - start)
        if not any(hidden):
            return text
        shown = (HIDDEN if not (at and hidden[at - 1]) else "" for at in range(len(units)))
        return "".join(mark if hidden[at] else units[at] for at, mark in enumerate(shown))


def _places(form: str, text: str, size: int) -> Iterator[tuple[int, int]]:
    """Where pieces of a secret of at least so many characters stand."""
    step = max(1, size // 2)
    if not any(form[at : at + step] in text for at in range(0, len(form) - step + 1, step)):
        return  # a piece of this size holds one of these whole
    for at in range(len(form) - size + 1):
        piece, start = form[at : at + size], -1
        while (start := text.find(piece, start + 1)) >= 0:
            yield start, start + size


def _read(unit: str) -> str:
    """The one character that a unit stands for."""
    if len(unit) == 1:
        return unit
    if unit[0] == "%":
        return unquote_to_bytes(unit).decode("latin-1")
    if unit[0] == "&":
        read = html.unescape(unit)
        return read if len(read) == 1 else "\0"
    return chr(int(unit[2:], 16)) if len(unit) == 6 else unit[1]


def _forms(secret: str) -> Iterator[str]:
    """The secret itself, and as base64 (wherever it begins in what was encoded) and in hexadecimal digits."""
    yield secret
    content = secret.encode("utf-8", "replace")
    yield content.hex()
    yield content.hex().upper()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + content).decode().rstrip("=")
        whole = encoded[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        yield whole
        yield whole.replace("+", "-").replace("/", "_")
