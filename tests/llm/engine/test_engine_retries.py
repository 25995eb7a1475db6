"""What the engine does about attempts that fail: it waits, asks again, asks less at once, gives up."""

import pytest

from promptrl.errors import TargetError
from promptrl.llm.base import CompletionError, TransientError
from promptrl.llm.engine.budget import Budget
from tests.llm.engine.engine_in_process import Overlap, echo, engine_over
from tests.servers.stub_target import FakeTime, StubTarget, ask


def test_a_transient_error_is_retried_with_growing_waits(fake_time: FakeTime) -> None:
    """Exponential, with at most a quarter of jitter."""
    target = StubTarget(lambda text, attempt: TransientError("server", "500") if attempt < 5 else echo(text, attempt))
    budget = Budget(max_calls=None)
    engine = engine_over(target, budget, fake_time)
    assert engine.run([ask("a")]) == [echo("a", 5)]
    for slept, base in zip(fake_time.slept, (0.5, 1, 2, 4), strict=True):
        assert base <= slept <= 1.25 * base
    assert (budget.spent.total, budget.spent.paid, budget.spent.retried) == (1, 5, 4)
    assert engine.stats.retried == 4


def test_retry_after_is_honoured(fake_time: FakeTime) -> None:
    """Exactly as long as the server said, for everyone."""
    faults = {"a": TransientError("rate_limit", "429", retry_after_s=7.0)}
    target = StubTarget(lambda text, attempt: faults.pop(text) if text in faults else echo(text, attempt))
    engine = engine_over(target, time=fake_time, concurrency=1)
    engine.run([ask("a"), ask("b")])
    assert fake_time.slept == [7.0]
    assert target.asked == {"a": 2, "b": 1}


def test_a_429_halves_the_concurrency(fake_time: FakeTime) -> None:
    """And it is slow to grow back."""
    target = StubTarget(
        lambda text, attempt: TransientError("rate_limit", "429") if attempt == 1 and text == "q0" else echo(text, 1)
    )
    engine = engine_over(target, time=fake_time, concurrency=16)
    engine.run([ask(f"q{n}") for n in range(16)])
    assert 8 <= engine.stats.concurrency < 11
    assert fake_time.now_s >= 2


@pytest.mark.parametrize("kind", ["overloaded", "timeout"])
def test_a_slow_server_is_asked_less_at_once(fake_time: FakeTime, kind: str) -> None:
    """Without a pause for those that it did not refuse."""
    target = StubTarget(
        lambda text, attempt: TransientError(kind, "busy") if attempt == 1 and text == "q0" else echo(text, 1)
    )
    engine = engine_over(target, time=fake_time, concurrency=16)
    engine.run([ask(f"q{n}") for n in range(16)])
    assert 8 <= engine.stats.concurrency < 11
    assert len(fake_time.slept) == 1
    assert fake_time.now_s < 1


def test_five_retries_outlast_a_limit_per_minute(fake_time: FakeTime) -> None:
    """A server that allows nothing for a minute and does not say so."""
    target = StubTarget(lambda text, _: TransientError("rate_limit", "429") if fake_time.now_s < 60 else echo(text, 1))
    assert engine_over(target, time=fake_time).run([ask("a")]) == [echo("a", 1)]


def test_a_very_long_retry_after_is_not_waited_for(fake_time: FakeTime) -> None:
    """A daily quota is a missing answer now, not a run that hangs."""
    target = StubTarget(lambda *_: TransientError("rate_limit", "429", retry_after_s=86_400.0))
    (answer,) = engine_over(target, time=fake_time).run([ask("a")])
    assert isinstance(answer, CompletionError)
    assert fake_time.slept == []


def test_a_request_that_keeps_failing_is_an_error_and_gives_its_call_back(fake_time: FakeTime) -> None:
    """Others of the batch are not harmed."""
    target = StubTarget(lambda text, attempt: TransientError("server", "sick") if text == "a" else echo(text, attempt))
    budget = Budget(max_calls=2)
    engine = engine_over(target, budget, fake_time, max_retries=2)
    failed, good = engine.run([ask("a"), ask("b")])
    assert failed == CompletionError("server", "sick (attempts: 3)")
    assert good == echo("b", 1)
    assert (budget.spent.total, budget.spent.paid) == (1, 4)
    assert engine.stats.failed == {"server": 1}


def test_a_dead_server_stops_a_large_batch_early(fake_time: FakeTime) -> None:
    """Not every one of a thousand requests waits for its retries."""
    target = StubTarget(lambda *_: TransientError("connection", "refused"))
    with pytest.raises(TargetError, match="refused"):
        engine_over(target, time=fake_time, concurrency=4).run([ask(f"q{n}") for n in range(1000)])
    assert len(target.asked) < 100


def test_an_attempt_that_takes_too_long_is_a_timeout(fake_time: FakeTime) -> None:
    """Also for a target that has no time limit of its own."""
    target = Overlap()
    (answer,) = engine_over(target, time=fake_time, timeout_s=0.01, max_retries=1).run([ask("a")])
    assert isinstance(answer, CompletionError)
    assert (answer.kind, target.cancelled) == ("timeout", 2)
