"""A thousand random trials: whatever fails or is cut off, no limit is exceeded by a single attempt."""

import asyncio
import random
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from promptrl.errors import BudgetExhaustedError, TargetError
from promptrl.llm.base import Completion, Message, Messages, Purpose, Request, TransientError
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.prices import Price
from promptrl.llm.engine.reservations import completion_token_bound, prompt_token_bound
from promptrl.llm.targets.openai_client import OpenAITarget
from tests.servers.openai_server import Fault, OpenAIServer
from tests.servers.stub_target import FakeTime

PRICE = Price(2.0, 8.0)
TRIALS = 1000


class Biller:
    """A server in this process that bills by rules of its own; what nobody is told it bills at the most it can be.

    Attributes:
        attempts: Requests seen.
        tokens: Billed.
        usd: Billed.
    """

    identity = "biller"

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._fault_share = rng.choice([0.0, 0.1, 0.5])
        self.attempts = self.tokens = 0
        self.usd = 0.0

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Answer, fail, or hang a little; the loop is one thread, so the sums need no lock."""
        self.attempts += 1
        prompt, answer = prompt_token_bound(messages), completion_token_bound(params) or 0
        fate = self._rng.random()
        for _ in range(self._rng.randrange(3)):
            await asyncio.sleep(0)
        if fate < self._fault_share / 3:
            raise TransientError("server", "500", may_be_billed=False)
        if fate < self._fault_share:
            self._bill(prompt, answer)
            raise TransientError(self._rng.choice(["connection", "timeout", "rate_limit"]), "lost", 0.0)
        if self._rng.random() < 0.1:
            self._bill(prompt, answer)
            return Completion("no usage told")
        if self._rng.random() < 0.7:
            prompt, answer = self._rng.randint(0, prompt), self._rng.randint(0, answer)
        self._bill(prompt, answer)
        return Completion("ok", prompt, answer)

    async def aclose(self) -> None:
        """Nothing to do."""

    def _bill(self, prompt: int, answer: int) -> None:
        self.tokens += prompt + answer
        self.usd += PRICE.cost_usd(prompt, answer)


def _requests(rng: random.Random) -> list[Request]:
    return [
        Request(
            (Message("user", "é" * rng.randint(1, 60)),),
            {"temperature": 0, "max_tokens": rng.randint(1, 100)},
            repeat,
            rng.choice(("search", "search", "validation", "judge")),
        )
        for repeat in range(rng.randint(1, 25))
    ]


def _ask(engine: Engine, requests: list[Request], stop_after: int, limits_hit: set[str]) -> None:
    """Ask a batch, and leave it early when it has given so many answers; faults are what the trial is about."""
    try:
        with_answers = engine.stream(requests)
        for count, _ in enumerate(with_answers, start=1):
            if count == stop_after:
                with_answers.close()
    except BudgetExhaustedError as error:
        limits_hit.add(str(error).partition(":")[0])
    except TargetError:
        pass


def _trial(seed: int) -> tuple[Budget, Biller, set[str]]:
    rng = random.Random(seed)
    budget = Budget(
        max_calls=rng.choice([None, rng.randint(1, 40)]),
        max_tokens=rng.choice([None, rng.randint(50, 3000)]),
        max_usd=rng.choice([None, rng.uniform(1e-4, 1e-2)]),
    )
    share: Purpose = "validation"
    if budget.max_calls is not None and rng.random() < 0.5:
        budget.reserve_share(share, rng.randint(0, budget.max_calls))
    target, time = Biller(rng), FakeTime()
    engine = Engine(
        target,
        budget=budget,
        cache=None,
        concurrency=rng.choice([1, 4, 32]),
        max_retries=rng.randint(0, 3),
        price=PRICE,
        clock=time.clock,
        sleep=time.sleep,
    )
    limits_hit: set[str] = set()
    batches = [_requests(rng) for _ in range(rng.randint(1, 3))]
    threads = [
        threading.Thread(target=_ask, args=(engine, batch, rng.choice([0, 0, 0, rng.randint(1, 10)]), limits_hit))
        for batch in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return budget, target, limits_hit


def test_no_limit_is_exceeded_in_a_thousand_random_trials() -> None:
    """Calls, tokens and dollars, with several batches at once, faults, unknown usage, and batches that are left."""
    limits_hit: set[str] = set()
    within = 0
    for seed in range(TRIALS):
        budget, target, hit = _trial(seed)
        spent = budget.spent
        assert spent.paid == target.attempts, seed
        assert budget.max_calls is None or spent.total <= budget.max_calls, seed
        assert budget.max_tokens is None or target.tokens <= budget.max_tokens, seed
        assert budget.max_usd is None or target.usd <= budget.max_usd * (1 + 1e-9), seed
        limits_hit |= hit
        within += not hit
    assert limits_hit == {"budget.max_calls", "budget.max_tokens", "budget.max_usd"}
    assert within


@pytest.mark.parametrize("seed", range(5))
def test_a_server_over_http_sees_no_more_than_the_budget(seed: int) -> None:
    """It counts tokens as dear as they can be, also for answers that were lost on the way."""
    rng = random.Random(seed)
    faults = [rng.choice([None, None, Fault(500), Fault(kind="reset"), Fault(kind="cut")]) for _ in range(200)]
    budget, time = Budget(max_calls=60, max_tokens=rng.randint(500, 2500)), FakeTime()
    with OpenAIServer(lambda *_: "word " * 20, faults) as server:
        target = OpenAITarget("m", base_url=server.base_url, api_key_env=None)
        with Engine(target, budget=budget, cache=None, concurrency=8, clock=time.clock, sleep=time.sleep) as engine:
            _ask(engine, [Request((Message("user", f"q{n}"),), {"max_tokens": 20}) for n in range(80)], 0, set())
        billed = sum(
            len(request.body["messages"][0]["content"]) + 20
            for request, fault in zip(server.requests, faults, strict=False)
            if fault is None or fault.kind != "reply"
        )
    assert len(server.requests) == budget.spent.paid
    assert budget.spent.total <= 60
    assert billed <= (budget.max_tokens or 0)
