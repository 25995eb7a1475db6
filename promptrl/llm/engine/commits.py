"""Answers on their way from the event loop to the cache: gathered during a commit, then committed at once."""

import asyncio

from promptrl.errors import TargetError
from promptrl.llm.base import Completion
from promptrl.llm.engine.cache import Cache


class Commits:
    """Commits answers in batches; the event loop never waits for SQLite. To be used inside one event loop only."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._gathered = _Gathered()
        self._is_writing = False

    async def put(self, key: str, completion: Completion) -> None:
        """Return when the answer is committed.

        Raises:
            TargetError: The cache can't be written.
        """
        gathered = self._gathered
        gathered.completions[key] = completion
        if not self._is_writing:
            self._write()
        await gathered.done.wait()
        if gathered.error is not None:
            raise TargetError(f"cache {self._cache.path} can't be written: {gathered.error}") from gathered.error

    def _write(self) -> None:
        gathered, self._gathered = self._gathered, _Gathered()
        self._is_writing = True
        loop = asyncio.get_running_loop()
        self._cache.put_soon(
            gathered.completions, lambda error: loop.call_soon_threadsafe(self._written, gathered, error)
        )

    def _written(self, gathered: "_Gathered", error: Exception | None) -> None:
        gathered.error = error
        gathered.done.set()
        self._is_writing = False
        if self._gathered.completions:
            self._write()


class _Gathered:
    def __init__(self) -> None:
        self.completions: dict[str, Completion] = {}
        self.done = asyncio.Event()
        self.error: Exception | None = None
