"""The ``python`` target: a function of the user's own, which is code that they trust."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from promptrl.errors import PromptrlError, TargetError
from promptrl.llm.base import Completion, Messages, Target, TransientError, checked, excerpt
from promptrl.llm.targets.definition import CalledTargetDefinition
from promptrl.llm.targets.function_identity import contents_hash, source_hash
from promptrl.llm.targets.user_functions import check_call, load_function
from promptrl.settings import FunctionName

TargetAnswer = str | Mapping[str, Any] | Completion
TargetFunction = Callable[[list[dict[str, str]], dict[str, Any]], TargetAnswer | Awaitable[TargetAnswer]]

_ANSWER_FIELDS = ("text", "prompt_tokens", "completion_tokens", "cost_usd", "finish_reason")
_THREADS = 256


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
        ConfigError: The function can't be imported, or not be called in this way.
    """

    def __init__(self, function: str | TargetFunction, *, folder: Path | None = None) -> None:
        self._function = load_function(function, folder) if isinstance(function, str) else function
        self._name = function if isinstance(function, str) else getattr(function, "__name__", type(function).__name__)
        check_call(self._function, ("messages", "params"), self._name, "target.function")
        self._is_async = inspect.iscoroutinefunction(self._function)
        held = "" if isinstance(function, str) else f":{contents_hash(function)}"
        self._identity = f"python:{self._name}:{source_hash(self._function, folder)}{held}"
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
