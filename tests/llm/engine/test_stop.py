"""Ending early: what is in flight is finished, nothing new is asked."""

import asyncio
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import StopRequestedError
from promptrl.llm.base import Completion, Messages, TransientError
from promptrl.llm.engine import batch
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.stop import StopSignal
from tests.servers.stub_target import FakeTime, StubTarget, ask


class Gate:
    """Answers nothing until it is opened."""

    identity = "gate"

    def __init__(self) -> None:
        self.begun = 0
        self._change = threading.Condition()
        self._opened = asyncio.Event()

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Wait for ``open``."""
        with self._change:
            self.begun += 1
            self._change.notify_all()
        await self._opened.wait()
        return Completion("late")

    def wait_for(self, begun: int) -> None:
        """Return when so many calls were begun."""
        with self._change:
            assert self._change.wait_for(lambda: self.begun >= begun, timeout=10)

    def open(self) -> None:
        """Let every call answer."""
        background_loop().call_soon_threadsafe(self._opened.set)

    async def aclose(self) -> None:
        """Nothing to do."""


class Asking:
    """A batch of twenty requests, two at once, under way in a thread of its own."""

    def __init__(self, target: Gate, stop: StopSignal, cache: Cache) -> None:
        self.budget = Budget(max_calls=None)
        self.engine = Engine(target, budget=self.budget, cache=cache, concurrency=2, stop=stop)
        self.answered: list[int] = []
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            for index, _ in self.engine.stream([ask(f"q{n}") for n in range(20)]):
                self.answered.append(index)
        except BaseException as error:
            self.error = error

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("wish", ["signal", "file"])
def test_what_is_in_flight_is_finished_and_committed(
    tmp_path: Path, wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two were with the server: their answers are handed out, the other eighteen are never asked."""
    target, stop, is_noticed = Gate(), StopSignal(), threading.Event()
    ask_no_more = batch.Batch._ask_no_more

    def notice(asked: batch.Batch) -> None:
        ask_no_more(asked)
        is_noticed.set()

    monkeypatch.setattr(batch.Batch, "_ask_no_more", notice)
    with Cache(tmp_path / "c") as cache, stop.by_file(tmp_path / "STOP"):
        asking = Asking(target, stop, cache)
        target.wait_for(2)
        if wish == "file":
            (tmp_path / "STOP").touch()
        else:
            stop.request(signal.SIGTERM)
        assert is_noticed.wait(10)
        target.open()
        asking.join()
        assert cache.stats().answers == 2
    assert isinstance(asking.error, StopRequestedError)
    assert asking.error.exit_code == (130 if wish == "file" else 143)
    assert (asking.answered, target.begun) == ([0, 1], 2)
    assert (asking.budget.spent.total, asking.budget.spent.paid) == (2, 2)
    assert not (tmp_path / "STOP").exists()


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the grace what is in flight is cancelled."""
    monkeypatch.setattr(batch, "GRACE_S", 0.1)
    target, stop = Gate(), StopSignal()
    with Cache(tmp_path / "c") as cache:
        asking = Asking(target, stop, cache)
        target.wait_for(2)
        stop.request(signal.SIGINT)
        asking.join()
    assert isinstance(asking.error, StopRequestedError)
    assert asking.answered == []
    assert asking.engine.stats.in_flight == 0


def test_answers_that_wait_to_be_taken_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though whoever takes them is slower than the grace, and there is no cache."""
    monkeypatch.setattr(batch, "GRACE_S", -1.0)
    stop, budget = StopSignal(), Budget(max_calls=None)
    target = StubTarget(lambda text, attempt: Completion(text))
    engine = Engine(target, budget=budget, cache=None, concurrency=2, stop=stop)
    taken: list[int] = []

    def take_slowly() -> None:
        for index, _ in engine.stream([ask(f"q{n}") for n in range(20)]):
            taken.append(index)
            while engine.stats.calls < 20:
                threading.Event().wait(0.01)
            stop.request(signal.SIGINT)

    with pytest.raises(StopRequestedError):
        take_slowly()
    assert sorted(taken) == list(range(20))
    assert budget.spent.total == 20


def test_nothing_is_retried_after_the_wish_to_end(fake_time: FakeTime) -> None:
    """A request that fails then is left for the resumed run."""
    stop = StopSignal()

    def answer(text: str, attempt: int) -> TransientError:
        stop.request(signal.SIGINT)
        return TransientError("server", "sick")

    target = StubTarget(answer)
    budget = Budget(max_calls=None)
    engine = Engine(target, budget=budget, cache=None, stop=stop, clock=fake_time.clock, sleep=fake_time.sleep)
    with pytest.raises(StopRequestedError):
        engine.run([ask("a")])
    assert (target.asked["a"], budget.spent.total) == (1, 0)
    with pytest.raises(StopRequestedError):
        engine.run([ask("b")])
    assert target.asked["b"] == 0


def test_a_file_from_before_does_not_end_anything(tmp_path: Path) -> None:
    """Whoever resumes a stopped run wants it to go on."""
    file = tmp_path / "STOP"
    file.touch()
    with (stop := StopSignal()).by_file(file):
        stop.check()
        assert not file.exists()
