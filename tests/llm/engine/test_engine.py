"""The engine over a target in this process: order, sharing, concurrency, what ends a batch, what is counted."""

import contextlib
import dataclasses
import gc
import signal
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import TargetError
from promptrl.llm.base import Completion, Messages
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.prices import Price
from tests.llm.engine.engine_in_process import Overlap, echo, engine_over
from tests.servers.stub_target import StubTarget, ask


def test_answers_come_in_the_order_of_the_requests() -> None:
    """Whatever the order in which they arrive."""
    with engine_over(StubTarget(echo)) as engine:
        answers = engine.run([ask(f"q{n}") for n in range(200)])
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == [f"Q{n}" for n in range(200)]


def test_an_empty_batch_asks_nothing() -> None:
    """And gives nothing."""
    assert engine_over(StubTarget(echo)).run([]) == []


def test_equal_requests_of_a_batch_are_asked_once() -> None:
    """Each counts as a call, one is paid, only one has a cost."""
    budget, target = Budget(max_calls=10), StubTarget(echo)
    answers = engine_over(target, budget).run([ask("a"), ask("b"), ask("a"), ask("a", repeat=1)])
    assert target.asked == {"a": 2, "b": 1}
    assert [answer.is_cached for answer in answers if isinstance(answer, Completion)] == [False, False, True, False]
    assert (budget.spent.total, budget.spent.paid, budget.spent.cached) == (4, 3, 1)


def test_equal_requests_of_two_threads_are_asked_once() -> None:
    """A second batch joins the first; a third one that joins and fails takes nothing from the others."""
    target = Overlap(refuses="bad")
    engine, answers = engine_over(target), []
    threads = []
    for batch, begun in (([ask("a")], 1), ([ask("a"), ask("b")], 2)):
        thread = threading.Thread(target=lambda batch=batch: answers.extend(engine.run(batch)))
        thread.start()
        threads.append(thread)
        target.wait_for(begun)
    with pytest.raises(TargetError):
        engine.run([ask("a"), ask("bad")])
    target.open()
    for thread in threads:
        thread.join(10)
    assert sorted(answer.text for answer in answers) == ["a", "a", "b"]
    assert sorted(target.begun) == ["a", "b", "bad"]


def test_concurrency_is_bounded() -> None:
    """No more attempts at once than allowed."""
    target = Overlap()
    engine = engine_over(target, concurrency=3)
    thread = threading.Thread(target=lambda: engine.run([ask(f"q{n}") for n in range(20)]))
    thread.start()
    target.wait_for(3)
    target.open()
    thread.join(10)
    assert (target.most, len(target.begun)) == (3, 20)


def test_a_cost_changes_nothing_else_of_an_answer() -> None:
    """All other fields stay, whatever a later version adds."""
    fields = ("a", 1, 2, 3.0, None, "stop", "empty", True, 5, 6.0)
    assert len(fields) == len(dataclasses.fields(Completion))
    answer = Completion(*fields)
    assert answer.at_cost(4.0) == dataclasses.replace(answer, cost_usd=4.0)


def test_a_target_error_stops_the_batch_and_keeps_what_was_answered(tmp_path: Path) -> None:
    """The rest is not asked, answers are in the cache, unanswered calls are given back."""
    target = StubTarget(lambda text, _: TargetError("401") if text == "q5" else echo(text, 1))
    budget = Budget(max_calls=None)
    with Cache(tmp_path / "c") as cache:
        answered = []
        with pytest.raises(TargetError, match="401"):
            answered.extend(
                index
                for index, _ in engine_over(target, budget, cache=cache, concurrency=1).stream(
                    [ask(f"q{n}") for n in range(100)]
                )
            )
        assert set(answered) >= set(range(5))
        assert cache.stats().answers == len(answered) == budget.spent.total
    assert len(target.asked) < 12  # a few were about to start


def test_a_bug_in_a_target_is_not_swallowed() -> None:
    """It reaches the caller as it is."""
    with pytest.raises(ZeroDivisionError):
        engine_over(StubTarget(lambda *_: ZeroDivisionError("bug"))).run([ask("a"), ask("b")])


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C interrupts also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_in_the_callers_thread_cancels_what_is_under_way() -> None:
    """As Ctrl-C does; the calls are given back and the engine still works."""
    target, budget = Overlap(), Budget(max_calls=None)
    main = threading.get_ident()

    def interrupt() -> None:
        target.wait_for(2)
        signal.pthread_kill(main, signal.SIGINT)

    engine = engine_over(target, budget)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        engine.run([ask("a"), ask("b")])
    thread.join()
    assert (target.cancelled, target.now, engine.stats.in_flight, budget.spent.total) == (2, 0, 0, 0)
    target.open()
    assert len(engine.run([ask("a")])) == 1


def test_what_fails_after_the_caller_has_left_is_not_told_by_asyncio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two things fail on a full disk, the caller's file and the cache: the first is raised, no traceback is shown."""
    has_left = threading.Event()
    with Cache(tmp_path / "c") as cache:
        commit = cache._commit

        def fail_later(writes: Sequence[Any]) -> None:
            if any(completion.text == "Q1" for write in writes for completion in write.completions.values()):
                has_left.wait()
                raise sqlite3.OperationalError("database or disk is full")
            commit(writes)

        monkeypatch.setattr(cache, "_commit", fail_later)
        stream = engine_over(StubTarget(echo), cache=cache, concurrency=1).stream([ask("q0"), ask("q1")])
        next(stream)
        threading.Timer(0.1, has_left.set).start()
        stream.close()
        del stream
        gc.collect()
    assert caplog.text == ""


def test_a_closed_stream_cancels_the_rest() -> None:
    """What was handed out stays counted."""
    budget, target = Budget(max_calls=None), StubTarget(echo)
    engine = engine_over(target, budget, concurrency=1)
    with contextlib.closing(engine.stream([ask(f"q{n}") for n in range(2000)])) as stream:
        next(stream)
    assert len(target.asked) < 2000
    assert budget.spent.total == 1


def test_a_seed_moves_on_with_the_repeat() -> None:
    """Otherwise every repeat would be the same answer."""
    seeds: list[int] = []

    class Seeds(StubTarget):
        async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
            seeds.append(params["seed"])
            return Completion("x")

    engine_over(Seeds(echo)).run([ask("a", params={"seed": 5}, repeat=n) for n in range(3)])
    assert sorted(seeds) == [5, 6, 7]


def test_stats_tell_what_happened() -> None:
    """Counts, tokens, money and the spread of the latency."""
    engine = engine_over(StubTarget(echo), price=Price(1.0, 1.0))
    assert engine.stats.latency_p50_s is None
    engine.run([ask("a"), ask("b"), ask("a")])
    stats = engine.stats
    assert (stats.calls, stats.cached, stats.paid, stats.failed, stats.in_flight) == (3, 1, 2, {}, 0)
    assert (stats.prompt_tokens, stats.completion_tokens, stats.cost_usd) == (10, 4, pytest.approx(14e-6))
    assert (stats.latency_p50_s, stats.latency_p95_s) == (0.25, 0.25)


def test_an_engine_closes_its_target() -> None:
    """On leaving the context."""
    target = StubTarget(echo)
    with engine_over(target):
        assert not target.is_closed
    assert target.is_closed
