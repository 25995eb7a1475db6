"""The budget keeps every limit exactly."""

import sys
import threading

import pytest

from promptrl.errors import BudgetExhaustedError
from promptrl.llm.base import Completion, Message, Purpose
from promptrl.llm.engine.budget import TURNS, Budget
from promptrl.llm.engine.reservations import completion_token_bound, prompt_token_bound
from tests.servers.stub_target import FakeTime


def test_take_calls_grants_no_more_than_is_left() -> None:
    """The last batch is cut, not refused."""
    budget = Budget(max_calls=5)
    assert [budget.take_calls("search", 3), budget.take_calls("search", 3), budget.take_calls("search", 1)] == [3, 2, 0]
    assert budget.spent.total == 5


def test_calls_are_exact_under_threads() -> None:
    """Eight threads together get exactly what there is."""
    budget = Budget(max_calls=500)
    granted: list[int] = []

    def take() -> None:
        granted.append(sum(budget.take_calls("search", 1) for _ in range(200)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 500 == budget.spent.calls["search"]


def test_a_share_is_out_of_reach_for_the_search() -> None:
    """Test calls are there when the search is over, and the test uses no others."""
    budget = Budget(max_calls=10)
    budget.reserve_share("test", 4)
    assert (budget.calls_left("search"), budget.calls_left("test"), budget.calls_left("judge")) == (6, 4, 6)
    assert budget.take_calls("search", 10) == 6
    assert budget.take_calls("test", 10) == 4
    assert budget.calls_left("test") == 0


def test_a_released_share_returns_to_the_rest() -> None:
    """What the finalists did not need, the search can have."""
    budget = Budget(max_calls=10)
    budget.reserve_share("validation", 6)
    budget.take_calls("validation", 2)
    assert budget.release_share("validation") == 4
    assert budget.calls_left("search") == budget.calls_left("validation") == 8
    assert budget.release_share("validation") == 0


def test_returned_calls_go_back_where_they_came_from() -> None:
    """A missing answer costs no call."""
    budget = Budget(max_calls=10)
    budget.reserve_share("test", 4)
    budget.take_calls("test", 3)
    budget.return_calls("test", 2)
    assert budget.calls_left("test") == 3
    assert budget.spent.calls["test"] == 1


def test_a_share_larger_than_the_rest_is_refused() -> None:
    """The message names the key of the config."""
    budget = Budget(max_calls=10)
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_calls.*test"):
        budget.reserve_share("test", 11)


def test_without_a_limit_calls_never_end() -> None:
    """None means no limit."""
    assert Budget(max_calls=None).calls_left("search") == sys.maxsize


def test_tokens_are_reserved_before_and_booked_after() -> None:
    """An answer shorter than its bound frees the difference."""
    budget = Budget(max_calls=None, max_tokens=100)
    first = budget.reserve("search", tokens=60, cost_usd=0)
    assert first is not None
    assert budget.reserve("search", tokens=60, cost_usd=0) is None
    budget.settle(first, Completion("x", prompt_tokens=20, completion_tokens=10))
    second = budget.reserve("search", tokens=60, cost_usd=0)
    assert second is not None
    budget.settle(second, Completion("x", prompt_tokens=30, completion_tokens=10))
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_tokens"):
        budget.reserve("search", tokens=60, cost_usd=0)
    assert (budget.spent.prompt_tokens, budget.spent.completion_tokens, budget.spent.paid) == (50, 20, 2)


def test_a_waiting_reservation_is_woken_when_something_settles() -> None:
    """Whoever got None hears when to try again, once."""
    budget = Budget(max_calls=None, max_usd=1.0)
    first = budget.reserve("search", tokens=1, cost_usd=0.9)
    assert first is not None
    woken: list[str] = []
    assert budget.reserve("search", tokens=1, cost_usd=0.9, on_settled=lambda: woken.append("now")) is None
    assert woken == []
    budget.settle(first)
    second = budget.reserve("search", tokens=1, cost_usd=0.9)
    assert second is not None
    budget.settle(second)
    assert woken == ["now"]


def test_an_answer_without_usage_is_charged_in_full_but_reported_as_unknown() -> None:
    """The limit holds although the server does not say what it counted."""
    budget = Budget(max_calls=None, max_tokens=100, max_usd=1.0)
    reservation = budget.reserve("search", tokens=60, cost_usd=0.6)
    assert reservation is not None
    budget.settle(reservation, Completion("x"))
    assert budget.spent.prompt_tokens == 0
    assert budget.spent.cost_usd is None
    with pytest.raises(BudgetExhaustedError):
        budget.reserve("search", tokens=60, cost_usd=0.1)


@pytest.mark.parametrize(("may_be_billed", "fits_again"), [(True, False), (False, True)])
def test_a_failed_attempt_is_charged_only_when_it_may_be_billed(may_be_billed: bool, fits_again: bool) -> None:
    """A timeout may have cost money, a refusal did not."""
    budget = Budget(max_calls=None, max_usd=1.0)
    reservation = budget.reserve("search", tokens=1, cost_usd=0.6)
    assert reservation is not None
    budget.settle(reservation, may_be_billed=may_be_billed)
    if fits_again:
        assert budget.reserve("search", tokens=1, cost_usd=0.6) is not None
    else:
        with pytest.raises(BudgetExhaustedError, match=r"budget\.max_usd"):
            budget.reserve("search", tokens=1, cost_usd=0.6)


def test_the_search_leaves_tokens_for_the_share_of_the_test() -> None:
    """Once the cost of an answer is known, as much as the test needs is held back."""
    budget = Budget(max_calls=100, max_tokens=1000)
    budget.reserve_share("test", 4)
    for _ in range(5):
        assert budget.calls_left("search") > 0
        _pay_100_tokens(budget, "search")
    assert budget.calls_left("search") == 0
    for _ in range(4):
        _pay_100_tokens(budget, "test")


def test_the_finals_leave_tokens_for_the_share_of_the_test() -> None:
    """Nor do they wait for themselves: what is held back for them is theirs."""
    shares = {"search": 1, "test": 4}
    budget = Budget(max_calls=55, max_tokens=1300, shares_of=lambda calls: shares | {"validation": min(50, calls - 5)})
    budget.reserve_share("test", 4)
    budget.reserve_share("validation", 50)
    budget.take_calls("search", 1)
    _pay_100_tokens(budget, "search")
    assert budget.calls_left("search") == 0
    while budget.take_calls("validation", min(1, budget.calls_left("validation"))):
        _pay_100_tokens(budget, "validation")
    assert budget.calls_used("validation") == 7
    for _ in range(4):
        _pay_100_tokens(budget, "test")


def test_calls_that_the_test_gives_up_are_for_the_search() -> None:
    """As those of a fold whose winner is dear: later searches would find nothing planned for them."""

    def shares_of(calls: int) -> dict[Purpose, int]:
        return {"search": max(0, min(calls, 100) - 60), "test": 60}

    budget = Budget(max_calls=100, max_tokens=2000, shares_of=shares_of)
    budget.reserve_share("test", 60)
    budget.reserve_share("search", 30)
    budget.take_calls("search", 1)
    _pay(budget, "search", 50)
    assert budget.calls_left("search") == 0
    budget.release_share("test")
    budget.reserve_share("test", 2)
    assert budget.calls_left("search") > 20


def test_a_batch_dearer_than_foreseen_is_cut_off_before_it_eats_half_of_the_test() -> None:
    """Its calls were granted at the price of the answers before it."""
    budget = Budget(max_calls=100, max_tokens=2000)
    budget.reserve_share("test", 10)
    _pay(budget, "search", 50)
    assert budget.calls_left("search") > 20
    with pytest.raises(BudgetExhaustedError, match="tokens"):
        _pay_for_twenty(budget)
    assert budget.spent.prompt_tokens < 2000 - 5 * 90


def _pay_for_twenty(budget: Budget) -> None:
    for _ in range(20):
        _pay_100_tokens(budget, "search")


def _pay_100_tokens(budget: Budget, purpose: Purpose) -> None:
    _pay(budget, purpose, 100)


def _pay(budget: Budget, purpose: Purpose, tokens: int) -> None:
    reservation = budget.reserve(purpose, tokens=tokens + 20, cost_usd=0)
    assert reservation is not None
    completion = Completion("x", prompt_tokens=tokens - 10, completion_tokens=10)
    budget.settle(reservation, completion)
    budget.count_used(purpose, completion, (tokens + 20, 0.0))


def test_minutes_end_everything(fake_time: FakeTime) -> None:
    """After the last second nothing may start."""
    budget = Budget(max_calls=None, max_minutes=1, clock=fake_time.clock)
    fake_time.now_s = 59
    budget.check_time("search")
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes"):
        budget.check_time("search", wait_s=2)
    fake_time.now_s = 60
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes"):
        budget.reserve("search", tokens=1, cost_usd=0)


def test_minutes_of_earlier_processes_count(fake_time: FakeTime) -> None:
    """A resumed run has only what is left of its minutes."""
    fake_time.now_s = 1000
    budget = Budget(max_calls=None, max_minutes=10, elapsed_s=590, clock=fake_time.clock)
    assert budget.seconds_left("search") == 10
    fake_time.now_s += 4
    assert budget.elapsed_s == 594
    fake_time.now_s += 6
    with pytest.raises(BudgetExhaustedError, match=r"budget\.max_minutes: 10 minutes are over"):
        budget.check_time("search")


def test_the_search_leaves_minutes_for_the_share_of_the_test(fake_time: FakeTime) -> None:
    """At the pace so far, and never more than half of the time."""
    budget = Budget(max_calls=100, max_minutes=10, clock=fake_time.clock)
    budget.reserve_share("test", 10)
    budget.take_calls("search", 20)
    fake_time.now_s = 60
    assert budget.seconds_left("search") == 600 - 60 - 10 * 3
    assert budget.seconds_left("test") == 540
    fake_time.now_s = 400
    budget.reserve_share("validation", 60)
    assert budget.seconds_left("search") == 600 - 400 - 300


def test_the_finals_leave_minutes_for_the_share_of_the_test(fake_time: FakeTime) -> None:
    """At the pace so far, and never more than a quarter of the time."""
    budget = Budget(max_calls=1000, max_minutes=10, clock=fake_time.clock)
    budget.reserve_share("test", 10)
    budget.reserve_share("validation", 100)
    budget.take_calls("search", 20)
    fake_time.now_s = 60
    assert budget.seconds_left("validation") == 600 - 60 - 10 * 3
    assert budget.seconds_left("test") == 540
    fake_time.now_s = 400
    assert budget.seconds_left("validation") == 600 - 400 - 150


def test_bounds_cover_bytes_and_the_given_limit() -> None:
    """A token has at least one byte; max_completion_tokens goes before max_tokens."""
    assert prompt_token_bound((Message("system", "é"), Message("user", "abc"))) == 2 + 3 + 2 * 8
    assert completion_token_bound({"max_tokens": 7}) == 7
    assert completion_token_bound({"max_tokens": 7, "max_completion_tokens": 9}) == 9
    assert completion_token_bound({"max_tokens": None}) is None


def test_a_misspelt_purpose_is_told_wherever_it_stands() -> None:
    """A share of another name is there once the budget is told of it."""
    budget = Budget(max_calls=10)
    for use in (budget.calls_left, budget.release_share, budget.seconds_left):
        with pytest.raises(ValueError, match=r"no share .* 'serch' \(did you mean search\)"):
            use("serch")
    for take in (budget.take_calls, budget.return_calls, budget.reserve_share):
        with pytest.raises(ValueError, match="'rewriter'"):
            take("rewriter", 1)
    assert Budget(max_calls=10, turns={**TURNS, "rewriter": 2}).take_calls("rewriter", 1) == 1
