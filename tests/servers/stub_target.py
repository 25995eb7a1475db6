"""A target whose answers a test decides, and a clock that only moves when someone sleeps."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from promptrl.llm.base import Completion, Message, Messages, Request


class FakeTime:
    """A clock that moves only when someone sleeps by it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Seconds."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


class StubTarget:
    """Answers ``answer(text of the last message, attempt number for that text)``; an exception given is raised."""

    identity = "stub"

    def __init__(self, answer: Callable[[str, int], Completion | Exception]) -> None:
        self.asked: Counter[str] = Counter()
        self.is_closed = False
        self._answer = answer
        self._lock = threading.Lock()

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Answer after one turn of the loop, so that calls overlap."""
        text = messages[-1].content
        with self._lock:
            self.asked[text] += 1
            attempt = self.asked[text]
        await asyncio.sleep(0)
        answer = self._answer(text, attempt)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Remember it."""
        self.is_closed = True


def ask(text: str, **fields: Any) -> Request:
    """A request with one user message at temperature 0."""
    params = {"temperature": 0, "max_tokens": 8} | fields.pop("params", {})
    return Request((Message("user", text),), params, **fields)
