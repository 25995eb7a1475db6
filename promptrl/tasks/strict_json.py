"""Reads JSON more strictly than Python does: a key given twice, NaN and Infinity are no JSON."""

import json
from typing import Any


class NotJsonError(ValueError):
    """A text is not the JSON that was expected; the message says why."""


def read_json(text: str) -> Any:
    """Read a text that is JSON as a whole.

    Raises:
        NotJsonError: A key is there twice, or a number is none.
        ValueError: It is no JSON at all: ``json.JSONDecodeError`` with the place, or a number with too many digits.
        RecursionError: It nests too deeply.
    """
    return _DECODER.decode(text)


def read_json_at(text: str, position: int) -> tuple[Any, int]:
    """Read the JSON value that begins at a position of a text; raises what ``read_json`` does.

    Returns:
        value: What was read.
        end: Where it ends.
    """
    return _DECODER.raw_decode(text, position)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise NotJsonError(f"the key {key!r} is there twice")
        value[key] = item
    return value


def _refuse_constant(name: str) -> Any:
    raise NotJsonError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
