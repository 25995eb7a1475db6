"""Where the engine's answers are kept: in the cache, or by whoever asks where the cache does not take them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from promptrl.errors import TargetError
from promptrl.llm.base import Completion, CompletionError, TransientError
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.prices import Price
from tests.llm.engine.engine_in_process import Overlap, echo, engine_over
from tests.servers.stub_target import StubTarget, ask


def test_a_cached_answer_counts_as_a_call_and_is_not_paid(tmp_path: Path) -> None:
    """A second run takes the same course for free, with the same cost figures for its reward."""
    requests = [ask("a"), ask("b")]
    price = Price(1.0, 10.0)
    with Cache(tmp_path / "c") as cache:
        first = engine_over(StubTarget(echo), cache=cache, price=price).run(requests)
        target, budget = StubTarget(echo), Budget(max_calls=2, max_usd=1)
        second = engine_over(target, budget, cache=cache, price=price).run(requests)
    assert not target.asked
    assert [(a.text, a.cost_usd) for a in first] == [(a.text, a.cost_usd) for a in second]
    assert first[0].cost_usd == pytest.approx((5 * 1 + 2 * 10) / 1e6)
    assert all(answer.is_cached for answer in second)
    assert (budget.spent.total, budget.spent.paid, budget.spent.cached, budget.spent.cost_usd) == (2, 0, 2, 0.0)


def test_a_sampled_answer_is_asked_again(tmp_path: Path) -> None:
    """Unless the cache keeps everything."""
    request = ask("a", params={"temperature": 1})
    for mode, asked in (("deterministic", 2), ("all", 1)):
        with Cache(tmp_path / mode, mode=mode) as cache:
            target = StubTarget(echo)
            for _ in range(2):
                engine_over(target, cache=cache).run([request])
            assert target.asked["a"] == asked


def test_an_answer_is_in_the_cache_before_it_is_handed_out(tmp_path: Path) -> None:
    """Someone else who opens the file sees every answer that the search has seen."""
    with Cache(tmp_path / "c") as cache, Cache(tmp_path / "c") as other:
        engine = engine_over(StubTarget(echo), cache=cache, concurrency=2)
        for count, _ in enumerate(engine.stream([ask(f"q{n}") for n in range(20)]), start=1):
            assert other.stats().answers >= count


@pytest.mark.parametrize("has_cache", [False, True])
def test_an_answer_that_no_cache_takes_is_kept_before_its_slot_is_free(tmp_path: Path, has_cache: bool) -> None:
    """Also when nobody takes it from the stream meanwhile."""
    kept: list[tuple[int, str]] = []
    kept_by_then: list[int] = []
    all_kept = threading.Event()

    def answer(text: str, attempt: int) -> Completion:
        kept_by_then.append(len(kept))
        return Completion(text, 1, 1)

    def keep(index: int, completion: Completion) -> None:
        kept.append((index, completion.text))
        if len(kept) == 5:
            all_kept.set()

    with contextlib.ExitStack() as stack:
        cache = stack.enter_context(Cache(tmp_path / "c.sqlite")) if has_cache else None
        engine = stack.enter_context(engine_over(StubTarget(answer), cache=cache, concurrency=1))
        requests = [ask(f"q{n}", params={"temperature": 1}) for n in range(5)]
        stream = stack.enter_context(contextlib.closing(engine.stream(requests, keep)))
        next(stream)
        assert all_kept.wait(10)
    assert kept == [(n, f"q{n}") for n in range(5)]
    assert kept_by_then == [0, 1, 2, 3, 4]


def test_what_the_cache_takes_need_not_be_kept(tmp_path: Path) -> None:
    """It would be written twice."""
    kept: list[int] = []
    with Cache(tmp_path / "c.sqlite") as cache, engine_over(StubTarget(echo), cache=cache) as engine:
        requests = [ask("q0"), ask("q1", params={"temperature": 1}), ask("q2")]
        list(engine.stream(requests, lambda index, _: kept.append(index)))
    assert kept == [1]


def test_everyone_who_waits_for_an_answer_keeps_it() -> None:
    """Who did not pay keeps it as one that cost nothing, and who has left keeps nothing."""
    target = Overlap(refuses="bad")
    engine, threads = engine_over(target), []
    kept: dict[str, list[tuple[int, bool]]] = {"payer": [], "joined": [], "left": []}

    def listen(who: str, *texts: str) -> None:
        list(engine.stream([ask(text) for text in texts], lambda index, c: kept[who].append((index, c.is_cached))))

    for who, texts, begun in (("payer", "aa", 1), ("joined", "ab", 2)):
        threads.append(threading.Thread(target=listen, args=(who, *texts)))
        threads[-1].start()
        target.wait_for(begun)
    with pytest.raises(TargetError):
        listen("left", "a", "bad")
    target.open()
    for thread in threads:
        thread.join(10)
    assert kept["payer"] == [(0, False), (1, True)]
    assert sorted(kept["joined"]) == [(0, True), (1, False)]
    assert kept["left"] == []


class SlowCache(Cache):
    """Commits nothing until it is let."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.given = threading.Event()
        self.may_commit = threading.Event()

    def put_soon(self, completions: Mapping[str, Completion], on_done: Callable[[Exception | None], object]) -> None:
        """Wait in a thread of its own."""
        put_soon = super().put_soon

        def commit() -> None:
            assert self.may_commit.wait(10)
            put_soon(completions, on_done)

        self.given.set()
        threading.Thread(target=commit).start()


def test_a_slot_is_free_when_the_answer_is_committed(tmp_path: Path) -> None:
    """So a kill loses no more answers than there are slots."""
    target = StubTarget(echo)
    with SlowCache(tmp_path / "c") as cache:
        engine = engine_over(target, cache=cache, concurrency=1)
        thread = threading.Thread(target=engine.run, args=([ask("a"), ask("b")],))
        thread.start()
        assert cache.given.wait(10)
        turns_of_loop = [asyncio.run_coroutine_threadsafe(asyncio.sleep(0), background_loop()) for _ in range(20)]
        assert [turn.result(10) for turn in turns_of_loop] == [None] * 20
        assert target.asked.total() == 1
        cache.may_commit.set()
        thread.join(10)
        assert target.asked.total() == cache.stats().answers == 2


def test_a_cache_that_can_not_be_written_stops_the_run_with_exit_4(tmp_path: Path) -> None:
    """An answer that would be lost by a kill is not used."""
    with Cache(tmp_path / "c") as cache:
        engine = engine_over(StubTarget(echo), cache=cache)
        cache._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(TargetError, match="can't be written: attempt to write a readonly database") as caught:
            engine.run([ask("a"), ask("b")])
    assert caught.value.exit_code == 4


def test_a_bad_completion_is_kept_and_an_error_is_not(tmp_path: Path) -> None:
    """The one was paid for, the other says nothing."""
    answers = {"bad": Completion("", fault="empty"), "down": TransientError("server", "500")}
    with Cache(tmp_path / "c") as cache:
        results = engine_over(StubTarget(lambda text, _: answers[text]), cache=cache).run([ask("bad"), ask("down")])
        assert cache.stats().answers == 1
    assert results[0] == answers["bad"]
    assert isinstance(results[1], CompletionError)
