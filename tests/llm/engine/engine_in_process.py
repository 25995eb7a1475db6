"""An engine over a target in this process, and a target that answers when it is let."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

from promptrl.errors import TargetError
from promptrl.llm.base import Completion, Messages, Target
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from tests.servers.stub_target import FakeTime


def echo(text: str, attempt: int) -> Completion:
    """The question in capitals."""
    return Completion(text.upper(), prompt_tokens=5, completion_tokens=2, latency_s=0.25)


def engine_over(target: Target, budget: Budget | None = None, time: FakeTime | None = None, **fields: Any) -> Engine:
    """An engine on a clock of its own, without a cache and without limits unless given."""
    time = time or FakeTime()
    fields.setdefault("cache", None)
    return Engine(target, budget=budget or Budget(max_calls=None), clock=time.clock, sleep=time.sleep, **fields)


class Overlap:
    """Answers nothing until it is opened.

    Args:
        refuses: A question that is refused at once.

    Attributes:
        begun: Questions in the order in which they came.
        most: Most calls under way at once.
        cancelled: Calls that were cancelled.
    """

    identity = "overlap"

    def __init__(self, refuses: str = "") -> None:
        self.begun: list[str] = []
        self.now = self.most = self.cancelled = 0
        self._refuses = refuses
        self._change = threading.Condition()
        self._opened = asyncio.Event()

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Wait for ``open``."""
        with self._change:
            self.begun.append(messages[-1].content)
            self.now += 1
            self.most = max(self.most, self.now)
            self._change.notify_all()
        try:
            if messages[-1].content == self._refuses:
                raise TargetError("refused")
            await self._opened.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1
        return Completion(messages[-1].content)

    def wait_for(self, begun: int) -> None:
        """Return when so many calls were begun."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.begun) >= begun, timeout=10)

    def open(self) -> None:
        """Let every call answer, from now on."""
        background_loop().call_soon_threadsafe(self._opened.set)

    async def aclose(self) -> None:
        """Nothing to do."""
