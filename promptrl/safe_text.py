"""Text from models, data sets and servers made harmless to show and to compare.

A completion may hold terminal commands: every part that shows such text to people uses this one table.
"""

import unicodedata
from itertools import groupby

MOST_MARKS = 30
"""Combining marks on one letter that are sorted, as in the Stream-Safe Text Format (UAX #15); no script has as many."""

_TO_REPLACE = (*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0xD800, 0xE000))
"""What a terminal acts on (C0 but tab and line feed, DEL, C1), and halves of surrogate pairs, which no file takes."""
_TO_DROP = (
    *(0x0D, 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    *(0x200B, *range(0x2060, 0x2065), 0xFEFF, *range(0xE0000, 0xE0080)),
)
"""What moves or turns the text around it, and what is invisible and can hide text.

Zero-width joiners (U+200C, U+200D) stay: scripts and emoji need them.
"""
_TABLE = dict.fromkeys(_TO_REPLACE, "\ufffd") | dict.fromkeys(_TO_DROP)


def has_lone_surrogate(text: str) -> bool:
    """Whether a text holds half of a surrogate pair: no character, and nothing that could be sent or written."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def printable(text: object, limit: int | None = None, *, keep_end: bool = False) -> str:
    """A text without control characters, shortened to about ``limit`` characters; tabs and line feeds stay.

    Args:
        text: Anything.
        limit: None for all of it.
        keep_end: Leave out the middle: an answer is often at the end.
    """
    clean = str(text).translate(_TABLE)
    if limit is None or len(clean) <= limit:
        return clean
    left_out = f"… ({len(clean) - limit:,} characters more)"
    if keep_end:
        return f"{clean[: limit // 2].rstrip()} {left_out} …{clean[-(limit - limit // 2) :].lstrip()}"
    return f"{clean[:limit].rstrip()}{left_out}"


def canonical(text: str) -> str:
    """The text in canonical Unicode (NFKC): a ligature, a full-width letter, an accent become what they look like.

    Of many combining marks in a row the first ``MOST_MARKS`` are kept: the work would grow with the square of their
    number.
    """
    if text.isascii():
        return text
    if len(text) > MOST_MARKS:
        runs = ("".join(run) for _, run in groupby(text, key=lambda character: unicodedata.combining(character) > 0))
        text = "".join(run[:MOST_MARKS] if unicodedata.combining(run[0]) else run for run in runs)
    return unicodedata.normalize("NFKC", text)
