"""Searches text for patterns of the user's, which may take for ever on what a model writes."""

from functools import lru_cache
from typing import Any

import regex

PATTERN_TIMEOUT_S = 5.0
"""Seconds of computing that a search may take; a good pattern takes milliseconds."""


class PatternError(ValueError):
    """It is no regular expression; the text says why."""


@lru_cache(maxsize=256)
def compiled(pattern: str, *, ignore_case: bool = False) -> Any:
    """The pattern as the ``regex`` package reads it, which is as Python's ``re`` does.

    Raises:
        PatternError: It can't be read.
    """
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise PatternError(str(error)) from error


def search(pattern: str, text: str, *, ignore_case: bool = False) -> Any:
    """The first match of a pattern in a text; None when there is none.

    Raises:
        TimeoutError: It took more than ``PATTERN_TIMEOUT_S``; says so.
    """
    try:
        return compiled(pattern, ignore_case=ignore_case).search(text, timeout=PATTERN_TIMEOUT_S)
    except TimeoutError as error:
        raise TimeoutError(f"the pattern {pattern!r:.80} took more than {PATTERN_TIMEOUT_S:g} s") from error
