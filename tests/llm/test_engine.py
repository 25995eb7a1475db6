"""The engine over a target in this process: order, sharing, retries, budget, cancellation."""

import asyncio
import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from servers.stub_target import FakeTime, StubTarget, ask

from promptrl.errors import BudgetExhaustedError, ConfigError, TargetError
from promptrl.llm.background import background_loop
from promptrl.llm.base import Completion, CompletionError, Messages, Purpose, Target, TransientError
from promptrl.llm.budget import Budget
from promptrl.llm.cache import Cache
from promptrl.llm.engine import Engine
from promptrl.llm.prices import Price


def _echo(text: str, attempt: int) -> Completion:
    return Completion(text.upper(), prompt_tokens=5, completion_tokens=2, latency_s=0.25)


def _engine(target: Target, budget: Budget | None = None, time: FakeTime | None = None, **fields: Any) -> Engine:
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


def test_answers_come_in_the_order_of_the_requests() -> None:
    """Whatever the order in which they arrive."""
    with _engine(StubTarget(_echo)) as engine:
        answers = engine.run([ask(f"q{n}") for n in range(200)])
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == [f"Q{n}" for n in range(200)]


def test_an_empty_batch_asks_nothing() -> None:
    """And gives nothing."""
    assert _engine(StubTarget(_echo)).run([]) == []


def test_equal_requests_of_a_batch_are_asked_once() -> None:
    """Each counts as a call, one is paid, only one has a cost."""
    budget, target = Budget(max_calls=10), StubTarget(_echo)
    answers = _engine(target, budget).run([ask("a"), ask("b"), ask("a"), ask("a", repeat=1)])
    assert target.asked == {"a": 2, "b": 1}
    assert [answer.is_cached for answer in answers if isinstance(answer, Completion)] == [False, False, True, False]
    assert (budget.spent.total, budget.spent.paid, budget.spent.cached) == (4, 3, 1)


def test_equal_requests_of_two_threads_are_asked_once() -> None:
    """A second batch joins the first; a third one that joins and fails takes nothing from the others."""
    target = Overlap(refuses="bad")
    engine, answers = _engine(target), []
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
    engine = _engine(target, concurrency=3)
    thread = threading.Thread(target=lambda: engine.run([ask(f"q{n}") for n in range(20)]))
    thread.start()
    target.wait_for(3)
    target.open()
    thread.join(10)
    assert (target.most, len(target.begun)) == (3, 20)


def test_a_cost_changes_nothing_else_of_an_answer() -> None:
    """All other fields stay, whatever a later version adds."""
    fields = ("a", 1, 2, 3.0, None, "stop", "empty", True)
    assert len(fields) == len(dataclasses.fields(Completion))
    answer = Completion(*fields)
    assert answer.at_cost(4.0) == dataclasses.replace(answer, cost_usd=4.0)


def test_a_batch_that_the_budget_cuts_is_answered_in_order() -> None:
    """Also where purposes with shares of their own alternate: what comes after the first refusal is not asked."""
    target, budget = StubTarget(_echo), Budget(max_calls=4)
    budget.reserve_share("test", 1)
    purposes: list[Purpose] = ["search", "test", "search", "test", "search"]
    with pytest.raises(BudgetExhaustedError, match="for test, 2 were not made"):
        _engine(target, budget).run([ask(f"q{n}", purpose=p) for n, p in enumerate(purposes)])
    assert sorted(target.asked) == ["q0", "q1", "q2"]
    assert budget.spent.total == 3


def test_a_cached_answer_counts_as_a_call_and_is_not_paid(tmp_path: Path) -> None:
    """A second run takes the same course for free, with the same cost figures for its reward."""
    requests = [ask("a"), ask("b")]
    price = Price(1.0, 10.0)
    with Cache(tmp_path / "c") as cache:
        first = _engine(StubTarget(_echo), cache=cache, price=price).run(requests)
        target, budget = StubTarget(_echo), Budget(max_calls=2, max_usd=1)
        second = _engine(target, budget, cache=cache, price=price).run(requests)
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
            target = StubTarget(_echo)
            for _ in range(2):
                _engine(target, cache=cache).run([request])
            assert target.asked["a"] == asked


def test_an_answer_is_in_the_cache_before_it_is_handed_out(tmp_path: Path) -> None:
    """Someone else who opens the file sees every answer that the search has seen."""
    with Cache(tmp_path / "c") as cache, Cache(tmp_path / "c") as other:
        engine = _engine(StubTarget(_echo), cache=cache, concurrency=2)
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
        engine = stack.enter_context(_engine(StubTarget(answer), cache=cache, concurrency=1))
        requests = [ask(f"q{n}", params={"temperature": 1}) for n in range(5)]
        stream = stack.enter_context(contextlib.closing(engine.stream(requests, keep)))
        next(stream)
        assert all_kept.wait(10)
    assert kept == [(n, f"q{n}") for n in range(5)]
    assert kept_by_then == [0, 1, 2, 3, 4]


def test_what_the_cache_takes_need_not_be_kept(tmp_path: Path) -> None:
    """It would be written twice."""
    kept: list[int] = []
    with Cache(tmp_path / "c.sqlite") as cache, _engine(StubTarget(_echo), cache=cache) as engine:
        requests = [ask("q0"), ask("q1", params={"temperature": 1}), ask("q2")]
        list(engine.stream(requests, lambda index, _: kept.append(index)))
    assert kept == [1]


def test_everyone_who_waits_for_an_answer_keeps_it() -> None:
    """Who did not pay keeps it as one that cost nothing, and who has left keeps nothing."""
    target = Overlap(refuses="bad")
    engine, threads = _engine(target), []
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
    target = StubTarget(_echo)
    with SlowCache(tmp_path / "c") as cache:
        engine = _engine(target, cache=cache, concurrency=1)
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
        engine = _engine(StubTarget(_echo), cache=cache)
        cache._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(TargetError, match="can't be written: attempt to write a readonly database") as caught:
            engine.run([ask("a"), ask("b")])
    assert caught.value.exit_code == 4


def test_a_bad_completion_is_kept_and_an_error_is_not(tmp_path: Path) -> None:
    """The one was paid for, the other says nothing."""
    answers = {"bad": Completion("", fault="empty"), "down": TransientError("server", "500")}
    with Cache(tmp_path / "c") as cache:
        results = _engine(StubTarget(lambda text, _: answers[text]), cache=cache).run([ask("bad"), ask("down")])
        assert cache.stats().answers == 1
    assert results[0] == answers["bad"]
    assert isinstance(results[1], CompletionError)


def test_a_transient_error_is_retried_with_growing_waits(fake_time: FakeTime) -> None:
    """Exponential, with at most a quarter of jitter."""
    target = StubTarget(lambda text, attempt: TransientError("server", "500") if attempt < 5 else _echo(text, attempt))
    budget = Budget(max_calls=None)
    engine = _engine(target, budget, fake_time)
    assert engine.run([ask("a")]) == [_echo("a", 5)]
    for slept, base in zip(fake_time.slept, (0.5, 1, 2, 4), strict=True):
        assert base <= slept <= 1.25 * base
    assert (budget.spent.total, budget.spent.paid, budget.spent.retried) == (1, 5, 4)
    assert engine.stats.retried == 4


def test_retry_after_is_honoured(fake_time: FakeTime) -> None:
    """Exactly as long as the server said, for everyone."""
    faults = {"a": TransientError("rate_limit", "429", retry_after_s=7.0)}
    target = StubTarget(lambda text, attempt: faults.pop(text) if text in faults else _echo(text, attempt))
    engine = _engine(target, time=fake_time, concurrency=1)
    engine.run([ask("a"), ask("b")])
    assert fake_time.slept == [7.0]
    assert target.asked == {"a": 2, "b": 1}


def test_a_429_halves_the_concurrency(fake_time: FakeTime) -> None:
    """And it is slow to grow back."""
    target = StubTarget(
        lambda text, attempt: TransientError("rate_limit", "429") if attempt == 1 and text == "q0" else _echo(text, 1)
    )
    engine = _engine(target, time=fake_time, concurrency=16)
    engine.run([ask(f"q{n}") for n in range(16)])
    assert 8 <= engine.stats.concurrency < 11
    assert fake_time.now_s >= 2


@pytest.mark.parametrize("kind", ["overloaded", "timeout"])
def test_a_slow_server_is_asked_less_at_once(fake_time: FakeTime, kind: str) -> None:
    """Without a pause for those that it did not refuse."""
    target = StubTarget(
        lambda text, attempt: TransientError(kind, "busy") if attempt == 1 and text == "q0" else _echo(text, 1)
    )
    engine = _engine(target, time=fake_time, concurrency=16)
    engine.run([ask(f"q{n}") for n in range(16)])
    assert 8 <= engine.stats.concurrency < 11
    assert len(fake_time.slept) == 1
    assert fake_time.now_s < 1


def test_five_retries_outlast_a_limit_per_minute(fake_time: FakeTime) -> None:
    """A server that allows nothing for a minute and does not say so."""
    target = StubTarget(lambda text, _: TransientError("rate_limit", "429") if fake_time.now_s < 60 else _echo(text, 1))
    assert _engine(target, time=fake_time).run([ask("a")]) == [_echo("a", 1)]


def test_a_very_long_retry_after_is_not_waited_for(fake_time: FakeTime) -> None:
    """A daily quota is a missing answer now, not a run that hangs."""
    target = StubTarget(lambda *_: TransientError("rate_limit", "429", retry_after_s=86_400.0))
    (answer,) = _engine(target, time=fake_time).run([ask("a")])
    assert isinstance(answer, CompletionError)
    assert fake_time.slept == []


def test_a_request_that_keeps_failing_is_an_error_and_gives_its_call_back(fake_time: FakeTime) -> None:
    """Others of the batch are not harmed."""
    target = StubTarget(lambda text, attempt: TransientError("server", "sick") if text == "a" else _echo(text, attempt))
    budget = Budget(max_calls=2)
    engine = _engine(target, budget, fake_time, max_retries=2)
    failed, good = engine.run([ask("a"), ask("b")])
    assert failed == CompletionError("server", "sick (attempts: 3)")
    assert good == _echo("b", 1)
    assert (budget.spent.total, budget.spent.paid) == (1, 4)
    assert engine.stats.failed == {"server": 1}


def test_a_dead_server_stops_a_large_batch_early(fake_time: FakeTime) -> None:
    """Not every one of a thousand requests waits for its retries."""
    target = StubTarget(lambda *_: TransientError("connection", "refused"))
    with pytest.raises(TargetError, match="refused"):
        _engine(target, time=fake_time, concurrency=4).run([ask(f"q{n}") for n in range(1000)])
    assert len(target.asked) < 100


def test_a_target_error_stops_the_batch_and_keeps_what_was_answered(tmp_path: Path) -> None:
    """The rest is not asked, answers are in the cache, unanswered calls are given back."""
    target = StubTarget(lambda text, _: TargetError("401") if text == "q5" else _echo(text, 1))
    budget = Budget(max_calls=None)
    with Cache(tmp_path / "c") as cache:
        answered = []
        with pytest.raises(TargetError, match="401"):
            answered.extend(
                index
                for index, _ in _engine(target, budget, cache=cache, concurrency=1).stream(
                    [ask(f"q{n}") for n in range(100)]
                )
            )
        assert set(answered) >= set(range(5))
        assert cache.stats().answers == len(answered) == budget.spent.total
    assert len(target.asked) < 12  # a few were about to start


def test_a_bug_in_a_target_is_not_swallowed() -> None:
    """It reaches the caller as it is."""
    with pytest.raises(ZeroDivisionError):
        _engine(StubTarget(lambda *_: ZeroDivisionError("bug"))).run([ask("a"), ask("b")])


def test_calls_that_do_not_suffice_answer_the_first_requests() -> None:
    """The limit is exact, and the error names it."""
    budget, target = Budget(max_calls=3), StubTarget(_echo)
    answered = []
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_calls"):
        answered.extend(index for index, _ in _engine(target, budget).stream([ask(f"q{n}") for n in range(5)]))
    assert sorted(answered) == [0, 1, 2]
    assert (budget.spent.total, len(target.asked), budget.stop_reason) == (3, 3, "calls")


def test_tokens_are_never_exceeded_under_concurrency() -> None:
    """Reservations wait for each other; at the end less than one reservation is left unused."""
    most, bound = 1000, 1 + 8 + 8
    paid: list[int] = []

    def answer(text: str, attempt: int) -> Completion:
        paid.append(10)
        return Completion(text, prompt_tokens=7, completion_tokens=3)

    budget = Budget(max_calls=None, max_tokens=most)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_tokens"):
        _engine(StubTarget(answer), budget, concurrency=64).run([ask("q", repeat=n) for n in range(500)])
    assert most - bound < sum(paid) <= most
    assert budget.stop_reason == "tokens"


def test_dollars_are_never_exceeded_when_answers_are_as_dear_as_possible() -> None:
    """The bound is what they cost, so as many fit as the division says."""
    price = Price(1e6, 1e6)
    target = StubTarget(lambda text, _: Completion(text, prompt_tokens=9, completion_tokens=8))
    budget = Budget(max_calls=None, max_usd=100.0)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_usd"):
        _engine(target, budget, price=price).run([ask("q", repeat=n) for n in range(50)])
    assert target.asked["q"] == 100 // 17
    assert budget.spent.cost_usd == 17 * (100 // 17)


def test_an_unknown_usage_is_an_unknown_cost() -> None:
    """None, never 0."""
    budget = Budget(max_calls=None)
    engine = _engine(StubTarget(lambda text, _: Completion(text)), budget, price=Price(1, 1))
    (answer,) = engine.run([ask("a")])
    assert answer.cost_usd is None
    assert budget.spent.cost_usd is engine.stats.cost_usd is None


@pytest.mark.parametrize(
    ("limits", "params", "key"),
    [
        ({"max_usd": 1.0}, {}, "target.price"),
        ({"max_tokens": 9}, {"max_tokens": None}, "target.params.max_tokens"),
    ],
)
def test_a_limit_that_could_not_be_kept_is_a_config_error(
    limits: dict[str, Any], params: dict[str, Any], key: str
) -> None:
    """Before anything is asked."""
    target = StubTarget(_echo)
    with pytest.raises(ConfigError) as caught:
        _engine(target, Budget(max_calls=None, **limits)).run([ask("a", params=params)])
    assert [problem.key for problem in caught.value.problems] == [key]
    assert not target.asked


def test_when_minutes_are_over_nothing_starts(fake_time: FakeTime) -> None:
    """Not even a request that waits for its retry."""
    budget = Budget(max_calls=None, max_minutes=1, clock=fake_time.clock)
    target = StubTarget(lambda *_: TransientError("server", "sick", retry_after_s=40.0))
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes"):
        _engine(target, budget, fake_time).run([ask("a")])
    assert target.asked["a"] == 2
    fake_time.now_s = 61
    with pytest.raises(BudgetExhaustedError):
        _engine(target, budget, fake_time).run([ask("b")])
    assert target.asked["b"] == 0
    assert budget.spent.total == 0


def test_what_is_in_flight_when_minutes_end_is_cancelled() -> None:
    """With the real clock: the target would never answer."""
    target, budget = Overlap(), Budget(max_calls=None, max_minutes=0.1 / 60)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes"):
        _engine(target, budget).run([ask("a"), ask("b")])
    assert target.cancelled == len(target.begun) == 2
    assert target.now == 0


def test_an_attempt_that_takes_too_long_is_a_timeout(fake_time: FakeTime) -> None:
    """Also for a target that has no time limit of its own."""
    target = Overlap()
    (answer,) = _engine(target, time=fake_time, timeout_s=0.01, max_retries=1).run([ask("a")])
    assert isinstance(answer, CompletionError)
    assert (answer.kind, target.cancelled) == ("timeout", 2)


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

    engine = _engine(target, budget)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        engine.run([ask("a"), ask("b")])
    thread.join()
    assert (target.cancelled, target.now, engine.stats.in_flight, budget.spent.total) == (2, 0, 0, 0)
    target.open()
    assert len(engine.run([ask("a")])) == 1


def test_a_closed_stream_cancels_the_rest() -> None:
    """What was handed out stays counted."""
    budget, target = Budget(max_calls=None), StubTarget(_echo)
    engine = _engine(target, budget, concurrency=1)
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

    _engine(Seeds(_echo)).run([ask("a", params={"seed": 5}, repeat=n) for n in range(3)])
    assert sorted(seeds) == [5, 6, 7]


def test_stats_tell_what_happened() -> None:
    """Counts, tokens, money and the spread of the latency."""
    engine = _engine(StubTarget(_echo), price=Price(1.0, 1.0))
    assert engine.stats.latency_p50_s is None
    engine.run([ask("a"), ask("b"), ask("a")])
    stats = engine.stats
    assert (stats.calls, stats.cached, stats.paid, stats.failed, stats.in_flight) == (3, 1, 2, {}, 0)
    assert (stats.prompt_tokens, stats.completion_tokens, stats.cost_usd) == (10, 4, pytest.approx(14e-6))
    assert (stats.latency_p50_s, stats.latency_p95_s) == (0.25, 0.25)


def test_an_engine_closes_its_target() -> None:
    """On leaving the context."""
    target = StubTarget(_echo)
    with _engine(target):
        assert not target.is_closed
    assert target.is_closed


def test_engines_with_budgets_of_their_own_share_slots_and_answers(tmp_path: Path) -> None:
    """Together they have no more in flight than allowed; a question of both is asked once, and counted for each."""
    target, budgets = Overlap(), [Budget(max_calls=None) for _ in range(2)]
    with Cache(tmp_path / "c") as cache:
        first = _engine(target, budgets[0], cache=cache, concurrency=3)
        second = first.with_budget(budgets[1])
        threads = [
            threading.Thread(target=engine.run, args=([ask(f"{name}{n}") for n in range(10)] + [ask("both")],))
            for engine, name in ((first, "a"), (second, "b"))
        ]
        for thread in threads:
            thread.start()
        target.wait_for(3)
        target.open()
        for thread in threads:
            thread.join(10)
    assert (target.most, len(target.begun)) == (3, 21)
    assert [budget.spent.total for budget in budgets] == [11, 11]
    assert sum(budget.spent.paid for budget in budgets) == 21
    assert (first.stats.calls, second.stats.calls) == (11, 11)


def test_a_budget_that_ends_is_not_the_end_of_another_engines() -> None:
    """It had joined the first one's question, and asks for itself then."""
    poor, rich = Budget(max_calls=None, max_tokens=20), Budget(max_calls=None)
    target = Overlap()
    first = _engine(target, poor, concurrency=4)
    second = first.with_budget(rich)
    errors: list[BaseException] = []
    answers: list[object] = []

    def ask_poorly() -> None:
        try:
            first.run([ask("a"), ask("b")])  # one fits at a time: the other waits for what the first one costs
        except BudgetExhaustedError as error:
            errors.append(error)

    threads = [
        threading.Thread(target=ask_poorly),
        threading.Thread(target=lambda: answers.extend(second.run([ask("a"), ask("b")]))),
    ]
    threads[0].start()
    target.wait_for(1)
    threads[1].start()
    target.open()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 1
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == ["a", "b"]
    assert rich.stop_reason is None
