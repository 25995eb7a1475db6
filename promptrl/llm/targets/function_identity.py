"""Tells functions of a user's from each other, so that no answer of one model is taken for that of another."""

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any
from uuid import uuid4

from promptrl.llm.targets.imported_files import imported_files

_MAX_DEPTH = 4
"""Of what is told apart in a function that holds functions; one may hold itself."""


def source_hash(function: Callable[..., Any], folder: Path | None) -> str:
    """Of the file that holds the function and of those of the user's that it imports; else of the function alone."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(function)) if inspect.isroutine(function) else None
        if path and Path(path).is_file():
            imported = imported_files(Path(path), folder)
            return _digest(b"\0".join(file.read_bytes() for file in (Path(path), *imported)))
        if inspect.isroutine(function):
            return _digest(inspect.getsource(function).encode())
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is not None:
            return _digest(_code(code).encode())
    return "unknown"


def contents_hash(function: object) -> str:
    """What a function that was handed over is besides its file: its code, and what it holds.

    Plain values and functions are told by what they say. Anything else is like nothing but itself, in this process
    alone: an answer of one model must never be taken for that of another.
    """
    return _digest(_contents(function).encode())


def _contents(value: object) -> str:
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return repr([_contents(item) for item in value])
    if isinstance(value, dict):
        return repr([(_contents(key), _contents(item)) for key, item in value.items()])
    if isinstance(value, partial):
        return repr([_contents(item) for item in (value.func, value.args, value.keywords)])
    if isinstance(value, FunctionType):
        cells = [_cell(cell) for cell in value.__closure__ or ()]
        held = [_contents(item) for item in (value.__defaults__, value.__kwdefaults__)]
        return repr([value.__qualname__, _code(value.__code__), cells, held])
    return uuid4().hex


def lasting_identity(value: object) -> str:
    """The same in every process for what a program hands over again: its name, and the text that it holds.

    Code may be mended in between, a counter go on, a client be another of its class; text may be a secret, so it is
    not shown.
    """
    name = getattr(value, "__name__", type(value).__name__)
    return f"{name}:{_digest(_lasting(value, 0).encode('utf-8', 'backslashreplace'))}"


def _lasting(value: object, depth: int) -> str:
    held: list[object] = []
    match value:
        case str():
            return repr(value)
        case tuple():
            held = list(value)
        case partial():
            held = [value.func, value.args, *value.keywords, *value.keywords.values()]
        case MethodType():
            held = [value.__func__, value.__self__]
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or () if not _is_unfilled(cell)]
            keywords = value.__kwdefaults__ or {}
            held = [value.__name__, *cells, value.__defaults__, *keywords.values()]
    below = [_lasting(item, depth + 1) for item in held] if depth < _MAX_DEPTH else []
    return repr([type(value).__qualname__, *below])


def _is_unfilled(cell: CellType) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True


def _cell(cell: CellType) -> str:
    try:
        return _contents(cell.cell_contents)
    except (ValueError, RecursionError):  # not filled yet, or a function that holds itself
        return uuid4().hex


def _code(code: CodeType) -> str:
    """The same for the same code in every process."""
    return repr((code.co_code.hex(), [_constant(item) for item in code.co_consts], code.co_names))


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:16]
