"""The engine within its budget: no limit is exceeded, and each engine spends from its own."""

import threading
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import BudgetExhaustedError, ConfigError
from promptrl.llm.base import Completion, Purpose, TransientError
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.prices import Price
from tests.llm.engine.engine_in_process import Overlap, echo, engine_over
from tests.servers.stub_target import FakeTime, StubTarget, ask


def test_a_batch_that_the_budget_cuts_is_answered_in_order() -> None:
    """Also where purposes with shares of their own alternate: what comes after the first refusal is not asked."""
    target, budget = StubTarget(echo), Budget(max_calls=4)
    budget.reserve_share("test", 1)
    purposes: list[Purpose] = ["search", "test", "search", "test", "search"]
    with pytest.raises(BudgetExhaustedError, match="for test, 2 were not made"):
        engine_over(target, budget).run([ask(f"q{n}", purpose=p) for n, p in enumerate(purposes)])
    assert sorted(target.asked) == ["q0", "q1", "q2"]
    assert budget.spent.total == 3


def test_calls_that_do_not_suffice_answer_the_first_requests() -> None:
    """The limit is exact, and the error names it."""
    budget, target = Budget(max_calls=3), StubTarget(echo)
    answered = []
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_calls"):
        answered.extend(index for index, _ in engine_over(target, budget).stream([ask(f"q{n}") for n in range(5)]))
    assert sorted(answered) == [0, 1, 2]
    assert (budget.spent.total, len(target.asked)) == (3, 3)


def test_tokens_are_never_exceeded_under_concurrency() -> None:
    """Reservations wait for each other; at the end less than one reservation is left unused."""
    most, bound = 1000, 1 + 8 + 8
    paid: list[int] = []

    def answer(text: str, attempt: int) -> Completion:
        paid.append(10)
        return Completion(text, prompt_tokens=7, completion_tokens=3)

    budget = Budget(max_calls=None, max_tokens=most)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_tokens"):
        engine_over(StubTarget(answer), budget, concurrency=64).run([ask("q", repeat=n) for n in range(500)])
    assert most - bound < sum(paid) <= most


def test_dollars_are_never_exceeded_when_answers_are_as_dear_as_possible() -> None:
    """The bound is what they cost, so as many fit as the division says."""
    price = Price(1e6, 1e6)
    target = StubTarget(lambda text, _: Completion(text, prompt_tokens=9, completion_tokens=8))
    budget = Budget(max_calls=None, max_usd=100.0)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_usd"):
        engine_over(target, budget, price=price).run([ask("q", repeat=n) for n in range(50)])
    assert target.asked["q"] == 100 // 17
    assert budget.spent.cost_usd == 17 * (100 // 17)


def test_an_unknown_usage_is_an_unknown_cost() -> None:
    """None, never 0."""
    budget = Budget(max_calls=None)
    engine = engine_over(StubTarget(lambda text, _: Completion(text)), budget, price=Price(1, 1))
    (answer,) = engine.run([ask("a")])
    assert answer.cost_usd is None
    assert budget.spent.cost_usd is engine.stats.cost_usd is None


@pytest.mark.parametrize(("failures", "is_billed", "times"), [(0, True, 0), (2, True, 2), (2, False, 0)])
@pytest.mark.parametrize("tells_usage", [True, False])
def test_an_answer_holds_what_a_limit_was_charged_for_it(
    failures: int, is_billed: bool, times: int, tells_usage: bool
) -> None:
    """Failed attempts that may be billed at their most, and itself where it tells no usage: plans count on it."""
    bound, price = 1 + 8 + 8, Price(1e6, 1e6)

    def answer(text: str, attempt: int) -> Completion | Exception:
        if attempt <= failures:
            return TransientError("server", "no", 0.0, may_be_billed=is_billed)
        return Completion(text, 4, 3) if tells_usage else Completion(text)

    budget = Budget(max_calls=None, max_tokens=1000)
    (got,) = engine_over(StubTarget(answer), budget, price=price).run([ask("q")])
    assert isinstance(got, Completion)
    assert got.charged_tokens == times * bound + (7 if tells_usage else bound)
    assert got.charged_usd == got.charged_tokens
    assert got.untold_tokens == got.charged_tokens - (7 if tells_usage else 0)


def test_without_a_limit_an_answer_is_as_the_target_gave_it() -> None:
    """Nothing is charged, so nothing is noted."""
    (got,) = engine_over(StubTarget(lambda text, _: Completion(text)), Budget(max_calls=None)).run([ask("q")])
    assert got == Completion("q")


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
    target = StubTarget(echo)
    with pytest.raises(ConfigError) as caught:
        engine_over(target, Budget(max_calls=None, **limits)).run([ask("a", params=params)])
    assert [problem.key for problem in caught.value.problems] == [key]
    assert not target.asked


def test_when_minutes_are_over_nothing_starts(fake_time: FakeTime) -> None:
    """Not even a request that waits for its retry."""
    budget = Budget(max_calls=None, max_minutes=1, clock=fake_time.clock)
    target = StubTarget(lambda *_: TransientError("server", "sick", retry_after_s=40.0))
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes"):
        engine_over(target, budget, fake_time).run([ask("a")])
    assert target.asked["a"] == 2
    fake_time.now_s = 61
    with pytest.raises(BudgetExhaustedError):
        engine_over(target, budget, fake_time).run([ask("b")])
    assert target.asked["b"] == 0
    assert budget.spent.total == 0


def test_what_is_in_flight_when_minutes_end_is_cancelled() -> None:
    """With the real clock: the target would never answer."""
    target, budget = Overlap(), Budget(max_calls=None, max_minutes=0.1 / 60)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes"):
        engine_over(target, budget).run([ask("a"), ask("b")])
    assert target.cancelled == len(target.begun) == 2
    assert target.now == 0


def test_engines_with_budgets_of_their_own_share_slots_and_answers(tmp_path: Path) -> None:
    """Together they have no more in flight than allowed; a question of both is asked once, and counted for each."""
    target, budgets = Overlap(), [Budget(max_calls=None) for _ in range(2)]
    with Cache(tmp_path / "c") as cache:
        first = engine_over(target, budgets[0], cache=cache, concurrency=3)
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
    first = engine_over(target, poor, concurrency=4)
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
