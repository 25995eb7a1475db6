"""The engine: every call to a model goes through here.

It answers a batch of requests from the cache, by joining an equal request that is under way, or by asking the target,
with bounded concurrency, retries and a hard budget. An answer is committed to the cache, or given to whoever keeps it
where the cache does not, before its slot is free. The calls run in the background loop while the caller's thread waits.
"""

import asyncio
import contextlib
import copy
import functools
import itertools
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, cast

from promptrl.errors import BudgetExhaustedError, ConfigError, Problem
from promptrl.llm.base import Completion, CompletionError, Request, Target
from promptrl.llm.engine.attempts import Attempts, Trace
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.batch import Answer, Batch, Flight, Keep
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache, cache_key
from promptrl.llm.engine.commits import Commits
from promptrl.llm.engine.concurrency import Limiter
from promptrl.llm.engine.prices import Price
from promptrl.llm.engine.rate_limit import Pace
from promptrl.llm.engine.stats import EngineCounts, EngineStats
from promptrl.llm.engine.stop import StopSignal

KeepOne = Callable[[int, Completion], object]
"""``Keep`` for the request with this index."""

_MAX_MISSING = 0.05
_CLOSE_S = 10.0


class Engine:
    """Asks one target; may be used from several threads, and shares its budget and cache with other engines.

    Args:
        target: The model; closed with the engine.
        budget: What may be spent.
        cache: Answers of this and earlier runs; None for no cache.
        concurrency: Attempts under way at most.
        requests_per_minute: Attempts sent in any 60 seconds at most; None for no limit.
        tokens_per_minute: Prompt and completion tokens in any 60 seconds at most; None for no limit.
        max_retries: Further attempts after one that failed for a transient reason.
        timeout_s: For one attempt.
        price: For answers whose cost the target does not tell.
        stop: Whether the run is to end; None: it never is.
        waiting: Entered by the thread that asks while it can only wait for answers.
        trace: Called with every attempt, in the background loop.
        clock: Monotonic seconds, for waiting before retries.
        sleep: Waits so many seconds of that clock.

    Raises:
        ConfigError: Dollars are limited and the price is unknown.
    """

    def __init__(
        self,
        target: Target,
        *,
        budget: Budget,
        cache: Cache | None,
        concurrency: int = 16,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_retries: int = 5,
        timeout_s: float = 60,
        price: Price | None = None,
        stop: StopSignal | None = None,
        waiting: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        trace: Trace | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.target = target
        self._cache = cache
        self._commits = Commits(cache) if cache is not None else None
        self._concurrency = concurrency
        self._stop = stop or StopSignal()
        self._waiting = waiting
        self._limiter = Limiter(concurrency, clock=clock, sleep=sleep)
        self._flights: dict[str, Flight] = {}
        self._price = price
        self._make_attempts = functools.partial(
            Attempts,
            target,
            price=price,
            limiter=self._limiter,
            pace=Pace(requests_per_minute, tokens_per_minute, clock=clock, sleep=sleep),
            stop=self._stop,
            max_retries=max_retries,
            timeout_s=timeout_s,
            trace=trace,
            sleep=sleep,
        )
        self._spend_from(budget)

    def with_budget(self, budget: Budget) -> "Engine":
        """Another engine with a budget and counters of its own, and the same target, slots, pace, cache and flights.

        It lives as long as this one, which closes the target.

        Raises:
            ConfigError: Dollars are limited and the price is unknown.
        """
        other = copy.copy(self)
        other._spend_from(budget)
        return other

    def _spend_from(self, budget: Budget) -> None:
        if budget.max_usd is not None and self._price is None:
            raise ConfigError([Problem("target.price", "unknown, but budget.max_usd can't be kept without it")])
        self._budget = budget
        self._counts = EngineCounts()
        self._attempts = self._make_attempts(budget=budget, counts=self._counts)

    def run(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch, in order.

        Raises:
            TargetError: As for ``stream``; what was answered before is in the cache.
            BudgetExhaustedError: Likewise.
        """
        answers: list[Answer | None] = [None] * len(requests)
        with contextlib.closing(self.stream(requests)) as stream:
            for index, answer in stream:
                answers[index] = answer
        return cast(list[Answer], answers)

    def stream(
        self, requests: Sequence[Request], keep: KeepOne = lambda index, completion: None
    ) -> Generator[tuple[int, Answer], None, None]:
        """Answer a batch, each request as soon as its answer is known and committed.

        Calls are taken from the budget in the order of the requests; when they do not suffice, the first ones are
        answered and the error comes last. A request without a completion gives its call back. Closing the iterator, or
        an exception in the thread that waits for it, cancels what is under way.

        Args:
            requests: The batch.
            keep: Puts an answer that the cache does not take on disk; it is yielded later, when others may be in
                flight already.

        Yields:
            Index of the request, its answer.

        Raises:
            TargetError: The target can't be used; or more than 5 % of the batch, and more requests than may be under
                way at once, failed after their retries; those that were blocked do not count.
            BudgetExhaustedError: Calls, tokens, dollars or minutes ran out.
            StopRequestedError: The run is to end; what was in flight is answered.
        """
        self._stop.check()
        for purpose in {request.purpose for request in requests}:
            self._budget.check_time(purpose)
        admitted = self._take_calls(requests)
        unanswered = set(range(admitted))
        try:
            with contextlib.closing(self._answers(requests[:admitted], keep)) as answers:
                for index, answer in answers:
                    if isinstance(answer, Completion):
                        unanswered.discard(index)
                    yield index, answer
        finally:
            for index in unanswered:
                self._budget.return_calls(requests[index].purpose, 1)
        if admitted < len(requests):
            purpose = requests[admitted].purpose
            self._budget.exhaust("calls", f"none left for {purpose}, {len(requests) - admitted} were not made")

    def most_cost(self, request: Request) -> tuple[int, float]:
        """Most tokens and dollars that one attempt at a request can cost.

        Raises:
            ConfigError: The budget limits them, and the request does not limit its answer.
        """
        return self._attempts.most_cost(request)

    @property
    def stats(self) -> EngineStats:
        """A snapshot of the counters."""
        return self._counts.snapshot(concurrency=self._limiter.limit)

    def close(self) -> None:
        """Close the target; the budget and the cache belong to the caller."""
        asyncio.run_coroutine_threadsafe(self.target.aclose(), background_loop()).result(_CLOSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_calls(self, requests: Sequence[Request]) -> int:
        admitted = 0
        for purpose, group in itertools.groupby(request.purpose for request in requests):
            wanted = sum(1 for _ in group)
            granted = self._budget.take_calls(purpose, wanted)
            admitted += granted
            if granted < wanted:
                break
        return admitted

    def _answers(self, requests: Sequence[Request], keep: KeepOne) -> Generator[tuple[int, Answer], None, None]:
        identity = self.target.identity
        indices: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            indices.setdefault(cache_key(identity, request), []).append(index)
        questions = {key: requests[where[0]] for key, where in indices.items()}
        known = self._look_up(questions)
        for key, completion in known.items():
            for index in indices[key]:
                yield index, self._used_again(completion)
        missing = {key: request for key, request in questions.items() if key not in known}
        if not missing:
            return

        def keep_all(key: str, completion: Completion) -> None:
            for position, index in enumerate(indices[key]):
                keep(index, replace(completion, is_cached=True) if position else completion)

        batch = Batch(
            missing,
            lambda key, request: self._answer(key, request, functools.partial(keep_all, key)),
            is_in_flight=self._is_in_flight,
            most_missing=max(_MAX_MISSING * len(requests), self._concurrency),
            stop=self._stop,
            waiting=self._waiting,
        )
        with contextlib.closing(batch.answers()) as answers:
            for key, answer in answers:
                for position, index in enumerate(indices[key]):
                    yield index, self._used_again(answer) if position else answer

    def _look_up(self, questions: Mapping[str, Request]) -> dict[str, Completion]:
        cache = self._cache
        if cache is None:
            return {}
        known = cache.get_many([key for key, request in questions.items() if cache.accepts(request)])
        return {key: self._attempts.priced(completion) for key, completion in known.items()}

    def _used_again(self, answer: Answer) -> Answer:
        if isinstance(answer, CompletionError):
            return answer
        self._budget.count_cached(1)
        self._counts.count_cached()
        return answer if answer.is_cached else replace(answer, is_cached=True)

    def _is_in_flight(self, key: str) -> bool:
        flight = self._flights.get(key)
        return flight is not None and (flight.is_sent or flight.is_answered)

    async def _answer(self, key: str, request: Request, keep: Keep) -> Answer:
        while (flight := self._flights.get(key)) is not None and not flight.is_over:
            try:
                return self._used_again(await flight.wait(lambda found: keep(replace(found, is_cached=True))))
            except BudgetExhaustedError:
                if flight.payer is self._budget:
                    raise
        flight = Flight(key, self._budget, functools.partial(self._ask_and_commit, request))
        self._flights[key] = flight
        try:
            return await flight.wait(keep)
        finally:
            if self._flights.get(key) is flight and flight.is_over:
                del self._flights[key]

    async def _ask_and_commit(self, request: Request, flight: Flight) -> Answer:
        answer = await self._attempts.ask(request, flight, self._commit)
        self._counts.count_answer(answer)
        return answer

    async def _commit(self, flight: Flight, request: Request, completion: Completion) -> None:
        if self._commits is not None and self._cache is not None and self._cache.accepts(request):
            await self._commits.put(flight.key, completion)
        else:
            flight.keep(self._attempts.priced(completion))
