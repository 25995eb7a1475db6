"""One batch of requests under way in the background loop, and its answers in the caller's thread."""

import asyncio
import contextlib
import queue
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any

from promptrl.errors import TargetError
from promptrl.llm.background import background_loop
from promptrl.llm.base import Completion, CompletionError, Request

Answer = Completion | CompletionError

_CANCEL_S = 10.0
_POLL_S = 0.2


class Flight:
    """One question under way, for everyone who waits for its answer; cancelled when the last of them leaves.

    Args:
        find: Finds the answer; sets ``is_answered`` of the flight when only the commit is left to do.

    Attributes:
        is_answered: Whether the answer is paid for and on its way to the cache: then nothing is cancelled any more.
    """

    def __init__(self, find: Callable[["Flight"], Coroutine[Any, Any, Answer]]) -> None:
        self.is_answered = False
        self._is_abandoned = False
        self._waiters = 0
        self._task = asyncio.create_task(find(self))

    @property
    def is_over(self) -> bool:
        """Whether it can't be joined any more."""
        return self._is_abandoned or self._task.done()

    async def wait(self) -> Answer:
        """Wait for the answer; raises what finding it raises."""
        self._waiters += 1
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self.is_answered:
                return await asyncio.shield(self._task)
            raise
        finally:
            self._waiters -= 1
            if not self._waiters and not self._task.done():
                self._is_abandoned = True
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=_CANCEL_S)


class Batch:
    """Asks for many answers at once and hands them out as they arrive.

    Args:
        requests: By key.
        answer: Finds the answer to one of them, inside the loop.
        most_missing: With more errors than this among the answers the target counts as unavailable.
    """

    def __init__(
        self,
        requests: Mapping[str, Request],
        answer: Callable[[str, Request], Awaitable[Answer]],
        *,
        most_missing: float,
    ) -> None:
        self._requests = requests
        self._answer = answer
        self._most_missing = most_missing
        self._missing = 0
        self._outbox: queue.SimpleQueue[tuple[str, Answer] | None] = queue.SimpleQueue()
        self._task: asyncio.Task[None] | None = None

    def answers(self) -> Generator[tuple[str, Answer], None, None]:
        """Ask all; leaving early, also by an exception in this thread, cancels what is under way and waits for it.

        Yields:
            Key, answer; in the order of arrival.

        Raises:
            TargetError: From the first request that met it, or because too many answers are missing.
            BudgetExhaustedError: From the first request that met it.
        """
        is_over = False
        try:
            background_loop().call_soon_threadsafe(self._start)
            while (item := self._next()) is not None:
                yield item
            is_over = True
        finally:
            if not is_over:
                self._cancel_and_wait()
        if self._task is not None:
            self._task.result()

    def _next(self) -> tuple[str, Answer] | None:
        while True:  # a signal that comes just before a wait without end would be seen only after it
            with contextlib.suppress(queue.Empty):
                return self._outbox.get(timeout=_POLL_S)

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._ask_all())
        self._task.add_done_callback(lambda _: self._outbox.put(None))

    def _cancel_and_wait(self) -> None:
        background_loop().call_soon_threadsafe(lambda: self._task and self._task.cancel())
        with contextlib.suppress(queue.Empty):
            while self._outbox.get(timeout=_CANCEL_S) is not None:
                pass

    async def _ask_all(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for key, request in self._requests.items():
                    group.create_task(self._ask(key, request))
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
        else:
            return
        raise first  # outside of the handler, so that it carries no group as its context

    async def _ask(self, key: str, request: Request) -> None:
        answer = await self._answer(key, request)
        self._outbox.put((key, answer))
        if isinstance(answer, CompletionError):
            self._missing += 1
            if self._missing > self._most_missing:
                raise TargetError(f"{self._missing} calls failed after their retries, the last: {answer.message}")
