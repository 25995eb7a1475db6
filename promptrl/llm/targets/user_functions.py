"""Imports the functions of a user's that a config names: code that they trust."""

import hashlib
import importlib.machinery
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from promptrl.errors import ConfigError, Problem
from promptrl.llm.base import excerpt

GIVEN = "given"
"""Stands for a module in the name of a function that a program handed over: nobody else can look it up."""


def load_function(name: str, folder: Path | None, key: str = "target.function") -> Callable[..., Any]:
    """Import a function of the user's.

    A module in ``folder`` goes before one of the same name that was imported from elsewhere; that does not hold for
    the modules it imports in turn, unless it imports them relatively.

    Args:
        name: ``module:function``.
        folder: Where the module is looked for first, beside what is installed; stays on ``sys.path``.
        key: Config key to blame.

    Raises:
        ConfigError: It can't be imported.
    """
    module_name, separator, attribute = name.partition(":")
    if not (separator and module_name and attribute):
        raise ConfigError([Problem(key, f"got {name!r}, expected module:function")])
    if module_name == GIVEN:
        hint = "give it again: promptrl.resume(run, target=..., metrics=...)"
        raise ConfigError([Problem(key, f"{attribute} was handed to promptrl.train by a program", hint)])
    try:
        function = getattr(_load_module(module_name, folder.resolve() if folder else None), attribute)
    except Exception as error:
        message = f"{name} can't be imported: {type(error).__name__}: {excerpt(str(error))}"
        raise ConfigError([Problem(key, message)]) from error
    if not callable(function):
        raise ConfigError([Problem(key, f"{name} is not a function")])
    return function  # type: ignore[no-any-return]  # ``callable`` says no more of an Any


def check_call(function: Callable[..., Any], arguments: Sequence[str], name: str, key: str) -> None:
    """Make sure that a function can be called with these arguments, by place, before any call is paid for.

    Raises:
        ConfigError: It can't.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some functions written in C nobody knows
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        message = f"{name} can't be called with ({', '.join(arguments)}): {error}"
        raise ConfigError([Problem(key, message)]) from error


def _load_module(name: str, folder: Path | None) -> ModuleType:
    if folder is None:
        return importlib.import_module(name)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    place = folder.joinpath(*name.split("."))
    own = next((path for path in _files_at(place) if path.is_file()), None)
    if own is None or own.resolve() == _origin(name):
        return importlib.import_module(name)
    top, dot, rest = name.partition(".")
    alias = f"{top}_{hashlib.sha256(bytes(folder)).hexdigest()[:12]}"
    if alias not in sys.modules:
        _load_as(alias, folder / top)
    return importlib.import_module(f"{alias}{dot}{rest}")


def _files_at(place: Path) -> tuple[Path, Path]:
    """The files that Python takes a module from: the package goes first."""
    return place / "__init__.py", place.with_name(f"{place.name}.py")


def _origin(name: str) -> Path | None:
    """The file that an import of this name gives; None when it gives none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec and spec.origin else None


def _load_as(alias: str, place: Path) -> None:
    """Import a module, a package, or a folder of modules without ``__init__.py`` under another name than its own."""
    own = next((path for path in _files_at(place) if path.is_file()), None)
    if own is not None:
        spec = importlib.util.spec_from_file_location(alias, own)
    else:
        spec = importlib.machinery.ModuleSpec(alias, None, is_package=True)
        spec.submodule_search_locations = [str(place)]
    assert spec is not None  # noqa: S101 - a .py file always has one
    sys.modules[alias] = importlib.util.module_from_spec(spec)
    try:
        if spec.loader is not None:
            spec.loader.exec_module(sys.modules[alias])
    except BaseException:
        del sys.modules[alias]
        raise
