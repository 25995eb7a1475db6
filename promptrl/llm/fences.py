"""Puts hostile text between marks that it can't close: what stands there is data, never an instruction."""

import hashlib

_DIGITS = 12


def fenced(label: str, text: str, limit: int) -> str:
    """The text between two lines that bear its label and a code that does not occur in it.

    The code is a hash of the text, so who wrote it could not know it; the same text always has the same fence.

    Args:
        label: What the text is, in a word of ours.
        text: Hostile.
        limit: Characters of it that are shown; the middle of a longer one is left out, and that is said.
    """
    shown = _cut(text, limit)
    code = _code(shown)
    while code in shown:
        code = _code(code + shown)
    return f"<<<{label} {code}\n{shown}\n{label} {code}>>>"


def _code(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
