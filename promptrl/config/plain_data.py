"""Turns a config that a program holds into the plain data that a YAML file would hold."""

import numbers
import os
from collections.abc import Mapping
from typing import Any

from promptrl.config.blocks import Issue
from promptrl.config.source import MAX_DEPTH, KeyPath, SourceError

_MAX_BITS = 3000
"""Of a whole number: a YAML file may hold no longer one."""


def plain(value: Any, issues: list[Issue], path: KeyPath = ()) -> Any:
    """The value as dicts, lists, text, numbers, truth values and None; scalars of numpy are numbers, paths text.

    Args:
        value: What the program holds.
        issues: Gains what has no place in a config; None then stands for it.
        path: Where the value stands.

    Raises:
        SourceError: It nests beyond all reason, or holds itself.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # an enum's member is its text
    if len(path) > MAX_DEPTH:
        raise SourceError(Issue(path[:1], f"nests more than {MAX_DEPTH} deep"))
    if isinstance(value, Mapping):
        return {_key(key, issues, path): plain(item, issues, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, issues, (*path, str(position))) for position, item in enumerate(value)]
    return _scalar(value, issues, path)


def _scalar(value: Any, issues: list[Issue], path: KeyPath) -> Any:
    if isinstance(value, os.PathLike) and isinstance(name := os.fspath(value), str):
        return name
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a scalar of numpy or torch
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        whole = int(value)
        return whole if whole.bit_length() <= _MAX_BITS else _refuse(issues, path, "is too large a number")
    if isinstance(value, numbers.Real):
        return float(value)
    expected = "expected text, a number, true or false, None, a list or a mapping"
    return _refuse(issues, path, f"got {type(value).__name__}, {expected}")


def _key(key: object, issues: list[Issue], path: KeyPath) -> str:
    if not isinstance(key, str | int) or isinstance(key, bool):
        _refuse(issues, path, f"holds a key that is {type(key).__name__}, expected text")
    return str.__str__(key) if isinstance(key, str) else str(key)


def _refuse(issues: list[Issue], path: KeyPath, message: str) -> None:
    issues.append(Issue(path, message))
