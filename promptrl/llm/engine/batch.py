"""One batch of requests under way in the background loop, and its answers in the caller's thread."""

import asyncio
import contextlib
import queue
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any

from promptrl.errors import TargetError
from promptrl.llm.base import BLOCKED, Completion, CompletionError, Request
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.stop import StopSignal

Answer = Completion | CompletionError

Keep = Callable[[Completion], object]
"""Puts an answer on disk, at once and in the event loop: a short append, nothing that waits."""

GRACE_S = 5.0
"""How long what is in flight may take after the run was asked to end."""
_CANCEL_S = 10.0
_POLL_S = 0.2


class Flight:
    """One question under way, for everyone who waits for its answer; cancelled when the last of them leaves.

    Args:
        key: Of the question.
        payer: The budget that it is asked for.
        find: Finds the answer; sets ``is_sent`` and ``is_answered`` of the flight.

    Attributes:
        is_sent: Whether an attempt is with the server now.
        is_answered: Whether the answer is paid for and on its way to the cache: then nothing is cancelled any more.
    """

    def __init__(self, key: str, payer: Budget, find: Callable[["Flight"], Coroutine[Any, Any, Answer]]) -> None:
        self.key = key
        self.payer = payer
        self.is_sent = self.is_answered = False
        self._is_abandoned = False
        self._keepers: list[Keep] = []
        self._task = asyncio.create_task(find(self))

    @property
    def is_over(self) -> bool:
        """Whether it can't be joined any more."""
        return self._is_abandoned or self._task.done()

    def keep(self, completion: Completion) -> None:
        """Let everyone who waits put the answer on disk."""
        for keep in self._keepers:
            keep(completion)

    async def wait(self, keep: Keep) -> Answer:
        """Wait for the answer; raises what finding it raises."""
        self._keepers.append(keep)
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self.is_answered:
                return await asyncio.shield(self._task)
            raise
        finally:
            self._keepers.remove(keep)
            if not self._keepers and not self._task.done():
                self._is_abandoned = True
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=_CANCEL_S)


class Batch:
    """Asks for many answers at once and hands them out as they arrive.

    Args:
        requests: By key.
        answer: Finds the answer to one of them, inside the loop.
        is_in_flight: Whether the question with this key is with the server, or its answer on the way to the cache.
        most_missing: With more errors than this among the answers the target counts as unavailable.
        stop: When it is requested, what is not in flight is given up, and what is has ``GRACE_S`` seconds.
        waiting: Entered by the caller's thread while there is nothing to do but wait.
    """

    def __init__(
        self,
        requests: Mapping[str, Request],
        answer: Callable[[str, Request], Awaitable[Answer]],
        *,
        is_in_flight: Callable[[str], bool],
        most_missing: float,
        stop: StopSignal,
        waiting: Callable[[], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._requests = requests
        self._answer = answer
        self._is_in_flight = is_in_flight
        self._most_missing = most_missing
        self._missing = 0
        self._stop = stop
        self._waiting = waiting
        self._end_by_s: float | None = None
        self._arrived: list[tuple[str, Answer]] = []
        self._outbox: queue.SimpleQueue[list[tuple[str, Answer]] | None] = queue.SimpleQueue()
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def answers(self) -> Generator[tuple[str, Answer], None, None]:
        """Ask all; leaving early, also by an exception in this thread, cancels what is under way and waits for it.

        Yields:
            Key, answer; in the order of arrival.

        Raises:
            TargetError: From the first request that met it, or because too many answers are missing.
            BudgetExhaustedError: From the first request that met it.
            StopRequestedError: The run is to end; what was in flight is answered.
        """
        is_over = False
        try:
            with self._stop.deferred():
                background_loop().call_soon_threadsafe(self._start)
                while (arrived := self._next()) is not None:
                    yield from arrived
            is_over = True
        finally:
            if not is_over:
                self._cancel_and_wait()
        if self._task is not None and not self._stop.is_requested:
            self._task.result()
        self._stop.check()

    def _next(self) -> list[tuple[str, Answer]] | None:
        while True:  # a signal that comes just before a wait without end would be seen only after it
            if self._end_by_s is None and self._stop.is_requested:
                self._end_by_s = time.monotonic() + GRACE_S
                background_loop().call_soon_threadsafe(self._ask_no_more)
            with contextlib.suppress(queue.Empty):
                return self._outbox.get_nowait()
            if self._end_by_s is not None and time.monotonic() > self._end_by_s:
                self._stop.check()
            with contextlib.suppress(queue.Empty), self._waiting():
                return self._outbox.get(timeout=_POLL_S)

    def _ask_no_more(self) -> None:
        for key, task in self._asked.items():
            if not self._is_in_flight(key):
                task.cancel()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._ask_all())
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        """Hand out the rest; what ended the batch is ours to raise, also where nobody waits for it any more."""
        if not task.cancelled():
            task.exception()
        self._hand_out(is_last=True)

    def _cancel_and_wait(self) -> None:
        background_loop().call_soon_threadsafe(lambda: self._task and self._task.cancel())
        with contextlib.suppress(queue.Empty):
            while self._outbox.get(timeout=_CANCEL_S) is not None:
                pass

    async def _ask_all(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for key, request in self._requests.items():
                    self._asked[key] = group.create_task(self._ask(key, request))
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
        else:
            return
        raise first  # outside of the handler, so that it carries no group as its context

    async def _ask(self, key: str, request: Request) -> None:
        answer = await self._answer(key, request)
        if not self._arrived:  # answers that arrive in one turn of the loop are handed out together
            asyncio.get_running_loop().call_soon(self._hand_out)
        self._arrived.append((key, answer))
        if isinstance(answer, CompletionError) and answer.kind != BLOCKED:  # the server is there and answers others
            self._missing += 1
            if self._missing > self._most_missing:
                raise TargetError(f"{self._missing} calls failed after their retries, the last: {answer.message}")

    def _hand_out(self, *, is_last: bool = False) -> None:
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._outbox.put(arrived)
        if is_last:
            self._outbox.put(None)
