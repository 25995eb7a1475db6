"""Answers put into a cache by one who waits until they are there."""

import queue
from collections.abc import Mapping

from promptrl.llm.base import Completion
from promptrl.llm.engine.cache import Cache


def store(cache: Cache, completions: Mapping[str, Completion]) -> None:
    """Store answers and return when they are committed; raises what committing them raised."""
    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    cache.put_soon(completions, outcome.put)
    if (error := outcome.get()) is not None:
        raise error
