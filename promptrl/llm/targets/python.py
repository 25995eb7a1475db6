"""The ``python`` target: a function of the user's own, which is code that they trust."""

import asyncio
import hashlib
import importlib.machinery
import importlib.util
import inspect
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar
from uuid import uuid4

from promptrl.errors import ConfigError, Problem, PromptrlError, TargetError
from promptrl.llm.base import Completion, Messages, Target, TransientError, checked, excerpt
from promptrl.llm.targets.definition import CalledTargetDefinition
from promptrl.llm.targets.imported_files import imported_files
from promptrl.settings import FunctionName

GIVEN = "given"
"""Stands for a module in the name of a function that a program handed over: nobody else can look it up."""

TargetAnswer = str | Mapping[str, Any] | Completion
TargetFunction = Callable[[list[dict[str, str]], dict[str, Any]], TargetAnswer | Awaitable[TargetAnswer]]

_ANSWER_FIELDS = ("text", "prompt_tokens", "completion_tokens", "cost_usd", "finish_reason")
_THREADS = 256
_MAX_DEPTH = 4
"""Of what is told apart in a function that holds functions; one may hold itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonTargetDefinition(CalledTargetDefinition):
    """A function of the user's: code that is trusted."""

    summary: ClassVar[str] = "A Python function; code that you trust."

    function: FunctionName

    def open(self, code_folder: Path | None) -> Target:
        """Import the function, from the folder of the config first."""
        return PythonTarget(self.function, folder=code_folder)


class PythonTarget:
    """Calls ``function(messages, params)``.

    The function takes ``messages``, a list of ``{"role": ..., "content": ...}``, and ``params``, a dict, and gives back
    the text, or a dict with ``text`` and, if known, ``prompt_tokens``, ``completion_tokens``, ``cost_usd`` and
    ``finish_reason``, or a ``Completion``. It may be ``async``; a plain function runs in a thread of its own. A
    ``ConnectionError``, ``TimeoutError`` or ``TransientError`` that it raises is retried, any other exception stops the
    run.

    Args:
        function: ``module:function``, or the function itself.
        folder: Where the module is looked for first, beside what is installed; stays on ``sys.path``.

    Raises:
        ConfigError: The function can't be imported.
    """

    def __init__(self, function: str | TargetFunction, *, folder: Path | None = None) -> None:
        self._function = load_function(function, folder) if isinstance(function, str) else function
        self._name = function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)
        self._is_async = inspect.iscoroutinefunction(self._function)
        held = "" if isinstance(function, str) else f":{_digest(_contents(function).encode())}"
        self._identity = f"python:{self._name}:{_source_hash(self._function, folder)}{held}"
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="promptrl-python")

    @property
    def name(self) -> str:
        """What the function is called."""
        return self._name

    @property
    def identity(self) -> str:
        """Changes with the text of the function's module, and of those in the folder that it imports."""
        return self._identity

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Call the function once.

        Raises:
            TransientError: It raised an error that a retry may cure.
            TargetError: It raised another one, or returned something else than described above; names the function.
        """
        chat = [{"role": message.role, "content": message.content} for message in messages]
        started = time.perf_counter()
        with faults_told(self._name):
            answer = await self._call(chat, dict(params))
        return checked(self._completion(answer, time.perf_counter() - started), self._name)

    async def aclose(self) -> None:
        """Let idle threads end; a call that runs can't be stopped and is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _call(self, chat: list[dict[str, str]], params: dict[str, Any]) -> Any:
        if self._is_async:
            answer: Any = self._function(chat, params)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._call_plain, chat, params)
        return await answer if inspect.isawaitable(answer) else answer

    def _call_plain(self, chat: list[dict[str, str]], params: dict[str, Any]) -> Any:
        """Call the function in this thread; what an event loop can't carry (``SystemExit``) is told at once."""
        with faults_told(self._name):
            return self._function(chat, params)

    def _completion(self, answer: Any, latency_s: float) -> Completion:
        if isinstance(answer, Completion):
            return answer if answer.latency_s else replace(answer, latency_s=latency_s)
        fields = {"text": answer} if isinstance(answer, str) else answer
        if not isinstance(fields, dict) or not isinstance(fields.get("text"), str):
            raise TargetError(f"{self._name} returned {type(answer).__name__}, expected str or a dict with text: str")
        unknown = sorted(set(map(str, fields)) - set(_ANSWER_FIELDS))
        if unknown:
            raise TargetError(f"{self._name} returned unknown keys {unknown}, expected {', '.join(_ANSWER_FIELDS)}")
        return Completion(**fields, latency_s=latency_s)


@contextmanager
def faults_told(name: str) -> Iterator[None]:
    """Turn what code of the user's raises into errors of a target; a call that is cancelled from outside is let go.

    Args:
        name: Of the code.

    Raises:
        TransientError: It raised an error that a retry may cure.
        TargetError: It raised another one, ``SystemExit`` and the like among them: they would end the event loop.
    """
    try:
        yield
    except (TransientError, PromptrlError, GeneratorExit):
        raise
    except (ConnectionError, TimeoutError) as error:
        kind = "timeout" if isinstance(error, TimeoutError) else "connection"
        raise TransientError(kind, f"{name}: {excerpt(str(error))}") from error
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        said = f": {excerpt(str(error))}" if str(error) else ""
        raise TargetError(f"{name} raised {type(error).__name__}{said}") from error


def _is_cancelled() -> bool:
    """Whether someone has cancelled the task that runs; a thread outside of an event loop has none."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


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


def _source_hash(function: Callable[..., Any], folder: Path | None) -> str:
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


def _contents(value: object) -> str:
    """What a function that was handed over is besides its file: its code, and what it holds.

    Plain values and functions are told by what they say. Anything else is like nothing but itself, in this process
    alone: an answer of one model must never be taken for that of another.
    """
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
