"""Reads secrets from the environment, and tells of a variable without repeating what may be a key in its place."""

import os
import re

from promptrl.errors import SECRET, Problem

_WORDS = re.compile(r"(?:[A-Z]{1,20}|[a-z]{1,20})\d{0,3}(?:_(?:[A-Z]{0,20}|[a-z]{0,20})\d{0,3})*|_\w{0,3}")


def named(variable: str) -> str:
    """The name of a variable as a message shows it; one that is no row of words may be a key, and is not repeated."""
    is_name = _WORDS.fullmatch(variable) is not None and not SECRET.search(variable)
    return variable if is_name else "the variable named there"


def read_variable(key: str, variable: str | None, problems: list[Problem], default: str | None = None) -> str:
    """The value of an environment variable, without the blanks around it.

    Args:
        key: Of the config, to blame.
        variable: The name; None = there is none, which is right when there is a default.
        problems: Grows by what is wrong.
        default: What stands for a variable that is not set.

    Returns:
        The value; empty when there is a problem.
    """
    value = os.environ.get(variable or "", "").strip() or default
    if value is None:
        shown = named(variable or "")
        is_shown = shown == variable
        message = f"the environment variable {variable} is not set" if is_shown else "there is no such variable"
        hint = "" if is_shown else "write the name of an environment variable, never the secret itself"
        problems.append(Problem(key, message, hint))
    elif not (value.isascii() and value.isprintable()):
        problems.append(Problem(key, f"{named(variable or '')} holds characters that no key and no header has"))
        return ""
    return value or ""
