"""Limits per minute, by a clock that only moves when someone waits."""

import asyncio
import itertools

import pytest

from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.rate_limit import Pace
from promptrl.llm.targets.openai_client import OpenAITarget
from tests.servers.openai_server import OpenAIServer
from tests.servers.stub_target import FakeTime, ask


def _sent_at(time: FakeTime, requests: int | None, tokens: int | None, sizes: list[int]) -> list[float]:
    """When each of several attempts that wait together may be sent."""
    pace = Pace(requests, tokens, clock=time.clock, sleep=time.sleep)

    async def send_all() -> list[float]:
        return [sent.at_s for sent in await asyncio.gather(*(pace.take(size) for size in sizes))]

    return asyncio.run(send_all())


def test_no_window_of_a_minute_holds_more_requests_than_allowed(fake_time: FakeTime) -> None:
    """And none waits longer than it must."""
    times = _sent_at(fake_time, 10, None, [1] * 35)
    assert times == sorted(times)
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(times[::10]))
    assert times[-1] == 180


def test_no_window_of_a_minute_holds_more_tokens_than_allowed(fake_time: FakeTime) -> None:
    """Counted by the bound of each attempt."""
    sizes = [40, 40, 40, 90, 10, 10]
    assert _sent_at(fake_time, None, 100, sizes) == [0, 0, 60, 120, 120, 180]


def test_a_request_larger_than_the_limit_is_sent_alone(fake_time: FakeTime) -> None:
    """It would wait for ever otherwise."""
    assert _sent_at(fake_time, None, 100, [10, 500, 10]) == [0, 60, 120]


@pytest.mark.parametrize("limit", [{"requests_per_minute": 5}, {"tokens_per_minute": 40}], ids=str)
def test_an_engine_keeps_to_the_limits(fake_time: FakeTime, limit: dict[str, int]) -> None:
    """Tokens that the server reports (4) replace the bound (17), so that six fit into a minute and not two."""
    with OpenAIServer(usage=lambda messages, text: (3, 1)) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        budget = Budget(max_calls=None)
        with Engine(
            target, budget=budget, cache=None, concurrency=1, clock=fake_time.clock, sleep=fake_time.sleep, **limit
        ) as engine:
            engine.run([ask("q", repeat=n) for n in range(20)])
    assert len(server.requests) == 20
    assert fake_time.now_s == 180
