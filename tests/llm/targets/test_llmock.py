"""The engine against llmock: somebody else's server, which breaks as real ones do and judges how its clients behave.

The judge looks at the time between attempts, so these tests do wait, for fractions of a second. ``test_faults.py`` has
every fault, against a server of ours.
"""

from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Fail

from promptrl.errors import TargetError
from promptrl.llm.base import Completion
from promptrl.llm.engine.batch import Answer
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.targets.openai_client import OpenAITarget
from tests.servers.stub_target import ask


def ask_all(questions: int, budget: Budget | None = None, **fields: Any) -> list[Answer]:
    """Ask the server that the fixture has named in the environment, as a user's config would."""
    target = OpenAITarget("gpt-4o-mini")
    with Engine(target, budget=budget or Budget(max_calls=None), cache=None, **fields) as engine:
        return engine.run([ask(f"question {n}") for n in range(questions)])


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_failure_that_may_pass_is_waited_out(llmock: LLMock, status: int) -> None:
    """As long as the server asks, and then the answer is as good as any."""
    llmock.fail(status, times=2, retry_after=0.2).reply("42", times=None)
    budget = Budget(max_calls=None)
    answers = ask_all(2, budget)
    assert [answer.text for answer in answers if isinstance(answer, Completion)] == ["42", "42"]
    assert (budget.spent.paid, budget.spent.retried, len(llmock.requests)) == (4, 2, 4)
    llmock.assert_resilient(strict=True)


def test_waits_grow_where_the_server_names_none(llmock: LLMock) -> None:
    """Neither at once nor at a fixed pace."""
    llmock.fail(500, times=3)
    assert isinstance(ask_all(1)[0], Completion)
    ends = [request.ended_at for request in llmock.requests]
    begins = [request.started_at for request in llmock.requests]
    waits = [begin - end for begin, end in zip(begins[1:], ends[:-1], strict=True)]
    assert len(waits) == 3
    assert waits == sorted(waits)
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_can_not_be_cured_is_asked_once(llmock: LLMock, status: int) -> None:
    """And ends the run."""
    llmock.fail(status, times=None)
    with pytest.raises(TargetError, match=str(status)):
        ask_all(1)
    assert len(llmock.requests) == 1
    llmock.assert_resilient(strict=True)


def test_a_prompt_that_is_too_long_is_data(llmock: LLMock) -> None:
    """In the words of the provider."""
    llmock.context_overflow()
    (answer,) = ask_all(1)
    assert isinstance(answer, Completion)
    assert answer.fault == "context_overflow"
    llmock.assert_resilient(strict=True)


def test_a_real_quota_is_kept_after_the_first_refusal(llmock: LLMock) -> None:
    """The bucket of 30 a minute holds 30: the next question waits as long as it takes to refill."""
    llmock.limits(rpm=30)
    assert all(isinstance(answer, Completion) for answer in ask_all(31))
    assert [request.status for request in llmock.requests].count(429) == 1
    llmock.assert_resilient(strict=True)


def test_an_answer_that_takes_too_long_is_asked_for_again(llmock: LLMock) -> None:
    """And whatever the first attempt would have said is lost."""
    llmock.delay(3.0)
    budget = Budget(max_calls=None)
    assert isinstance(ask_all(1, budget, timeout_s=1.2)[0], Completion)
    assert (budget.spent.paid, budget.spent.retried) == (2, 1)


def test_a_mixed_storm_loses_nothing(llmock: LLMock) -> None:
    """Refusals, outages and bad gateways in turn, over questions that are asked together."""
    faults = [Fail(429, retry_after=0.3), Fail(500), Fail(503, retry_after=0.2), Fail(502), Fail(529, retry_after=0.1)]
    llmock.add(*faults * 3)
    answers = ask_all(24, concurrency=8)
    assert all(isinstance(answer, Completion) and answer.fault is None for answer in answers)
    assert len(llmock.requests) == 24 + 15
    llmock.assert_resilient()
