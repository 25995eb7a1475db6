"""Reads the JSON files of run folders, and says which file is damaged and where, before anyone relies on it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptrl.errors import RunFolderError

LARGEST = 1e15
"""Every number that we write is smaller; a larger one can't be shown or added up."""


@dataclass(frozen=True, slots=True)
class Nullable:
    """What may be null.

    Attributes:
        shape: What it is else.
    """

    shape: "Shape"


Shape = type | frozenset[str] | Nullable | list["Shape"] | Mapping[str, "Shape"]
"""What a part of a file looks like: a type (``float`` stands for any number), one of some words, a list, an object.

An object has all these keys, save those that end in a question mark, and may have others.
"""


def read_object(path: Path, shape: Shape) -> dict[str, Any]:
    """The object in a JSON file; empty when the file is missing.

    Raises:
        RunFolderError: The file is there, and not whole.
    """
    return dict(_read(path, shape, {}))


def read_list(path: Path, shape: Shape) -> list[Any]:
    """The list in a JSON file; empty when the file is missing.

    Raises:
        RunFolderError: The file is there, and not whole.
    """
    return list(_read(path, [shape], []))


def read_lines(path: Path, shape: Shape) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file, none when it is missing; a torn last line is left out.

    Raises:
        RunFolderError: Another line is not whole.
    """
    lines = _content(path).split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        yield _understood(line, shape, f"{path}, line {number}")


def read_text(path: Path) -> str:
    """A text file; empty when it is missing.

    Raises:
        RunFolderError: It is there, and is no text.
    """
    try:
        return _content(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(str(path), f"is not UTF-8 text (byte {error.start})") from error


def damaged(place: str, fault: str) -> RunFolderError:
    """The error to raise for a file that is not as it was written."""
    return RunFolderError(f"the run folder is damaged: {place} {fault}")


def _read(path: Path, shape: Shape, missing: Any) -> Any:
    if not path.exists():
        return missing
    return _understood(_content(path), shape, str(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise damaged(str(path), f"can't be read: {error.strerror}") from error


def _understood(content: bytes, shape: Shape, place: str) -> Any:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(place, f"is not JSON: {error}") from error
    check(value, shape, place)
    return value


def check(value: Any, shape: Shape, place: str) -> None:
    """Make sure that a value looks as it should.

    Raises:
        RunFolderError: It does not.
    """
    if fault := _fault(value, shape, ""):
        raise damaged(place, fault)


def _fault(value: Any, shape: Shape, key: str) -> str:
    """What is wrong with a value, or with the first wrong thing in it; empty when nothing is."""
    if isinstance(shape, Nullable):
        return "" if value is None else _fault(value, shape.shape, key)
    if isinstance(shape, Mapping):
        return _fault_of_object(value, shape, key)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _wrong(key, "a list")
        faults = (_fault(part, shape[0], f"{key}.{at}".lstrip(".")) for at, part in enumerate(value))
        return next(filter(None, faults), "")
    if isinstance(shape, frozenset):
        return "" if isinstance(value, str) and value in shape else _wrong(key, f"one of {', '.join(sorted(shape))}")
    if shape in (int, float):
        types = (int, float) if shape is float else (int,)
        is_right = isinstance(value, types) and not isinstance(value, bool) and abs(value) < LARGEST
        return "" if is_right else _wrong(key, "a number")
    return "" if isinstance(value, shape) else _wrong(key, f"of type {shape.__name__}")


def _fault_of_object(value: Any, shape: Mapping[str, Shape], key: str) -> str:
    if not isinstance(value, dict):
        return _wrong(key, "an object")
    for name, part in shape.items():
        inner = f"{key}.{name}".strip(".?")
        known = name.removesuffix("?")
        if known in value:
            if fault := _fault(value[known], part, inner):
                return fault
        elif known == name:
            return f"lacks {inner}"
    return ""


def _wrong(key: str, expected: str) -> str:
    return f"holds something else at {key}, expected {expected}" if key else f"holds something else than {expected}"
