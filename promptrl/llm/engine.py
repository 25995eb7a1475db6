"""The engine: every call to a model goes through here.

It answers a batch of requests from the cache, by joining an equal request that is under way, or by asking the target,
with bounded concurrency, retries and a hard budget. An answer is committed to the cache before it is handed out. The
calls run in the background loop while the caller's thread waits.
"""

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, cast

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.background import background_loop
from promptrl.llm.base import Completion, CompletionError, RepeatingTarget, Request, Target, TransientError
from promptrl.llm.batch import Answer, Batch, Flight
from promptrl.llm.budget import Budget, Reservation, completion_token_bound, prompt_token_bound
from promptrl.llm.cache import Cache, cache_key
from promptrl.llm.limiter import Limiter
from promptrl.llm.prices import Price
from promptrl.llm.stats import EngineCounts, EngineStats

_BACKOFF_S = 0.5
_RATE_LIMIT_BACKOFF_S = 2.0
"""Doubled five times this waits out a limit that is counted per minute."""
_MAX_BACKOFF_S = 60.0
_MAX_RETRY_AFTER_S = 300.0
"""A server that asks for more (a daily quota) is not waited for."""
_JITTER = 0.25
_MAX_MISSING = 0.05
_CLOSE_S = 10.0


class Engine:
    """Asks one target; may be used from several threads, and shares its budget and cache with other engines.

    Args:
        target: The model; closed with the engine.
        budget: What may be spent.
        cache: Answers of this and earlier runs; None for no cache.
        concurrency: Attempts under way at most.
        max_retries: Further attempts after one that failed for a transient reason.
        timeout_s: For one attempt.
        price: For answers whose cost the target does not tell.
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
        max_retries: int = 5,
        timeout_s: float = 60,
        price: Price | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if budget.max_usd is not None and price is None:
            raise ConfigError([Problem("target.price", "unknown, but budget.max_usd can't be kept without it")])
        self.target = target
        self._budget = budget
        self._cache = cache
        self._concurrency = concurrency
        self._max_retries = max_retries
        self._timeout_s = timeout_s
        self._price = price
        self._sleep = sleep
        self._limiter = Limiter(concurrency, clock=clock, sleep=sleep)
        self._jitter = random.Random()
        self._flights: dict[str, Flight] = {}
        self._counts = EngineCounts()

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

    def stream(self, requests: Sequence[Request]) -> Generator[tuple[int, Answer], None, None]:
        """Answer a batch, each request as soon as its answer is known and committed.

        Calls are taken from the budget in the order of the requests; when they do not suffice, the first ones are
        answered and the error comes last. A request without a completion gives its call back. Closing the iterator, or
        an exception in the thread that waits for it, cancels what is under way.

        Yields:
            Index of the request, its answer.

        Raises:
            TargetError: The target can't be used; or more than 5 % of the batch, and more requests than may be under
                way at once, failed after their retries.
            BudgetExhaustedError: Calls, tokens, dollars or minutes ran out.
        """
        for purpose in {request.purpose for request in requests}:
            self._budget.check_time(purpose)
        admitted = self._take_calls(requests)
        unanswered = set(range(admitted))
        try:
            with contextlib.closing(self._answers(requests[:admitted])) as answers:
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
        for admitted, request in enumerate(requests):
            if not self._budget.take_calls(request.purpose, 1):
                return admitted
        return len(requests)

    def _answers(self, requests: Sequence[Request]) -> Generator[tuple[int, Answer], None, None]:
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
        most_missing = max(_MAX_MISSING * len(requests), self._concurrency)
        with contextlib.closing(Batch(missing, self._answer, most_missing=most_missing).answers()) as answers:
            for key, answer in answers:
                for position, index in enumerate(indices[key]):
                    yield index, self._used_again(answer) if position else answer

    def _look_up(self, questions: Mapping[str, Request]) -> dict[str, Completion]:
        cache = self._cache
        if cache is None:
            return {}
        known = cache.get_many([key for key, request in questions.items() if cache.accepts(request)])
        return {key: self._priced(completion) for key, completion in known.items()}

    def _used_again(self, answer: Answer) -> Answer:
        if isinstance(answer, CompletionError):
            return answer
        self._budget.count_cached(1)
        self._counts.count_cached()
        return replace(answer, is_cached=True)

    async def _answer(self, key: str, request: Request) -> Answer:
        flight = self._flights.get(key)
        if flight is not None and not flight.is_over:
            return self._used_again(await flight.wait())
        flight = Flight(functools.partial(self._ask_and_commit, key, request))
        self._flights[key] = flight
        try:
            return await flight.wait()
        finally:
            if self._flights.get(key) is flight and flight.is_over:
                del self._flights[key]

    async def _ask_and_commit(self, key: str, request: Request, flight: Flight) -> Answer:
        answer = await self._ask(request)
        flight.is_answered = True
        if isinstance(answer, Completion):
            await self._commit(key, request, answer)
            answer = self._priced(answer)
        self._counts.count_answer(answer)
        return answer

    async def _commit(self, key: str, request: Request, completion: Completion) -> None:
        if self._cache is None or not self._cache.accepts(request):
            return
        committed = self._cache.put(key, completion)
        try:
            await asyncio.wrap_future(committed)
        except Exception as error:
            raise TargetError(f"cache {self._cache.path} can't be written: {error}") from error

    async def _ask(self, request: Request) -> Answer:
        attempt = 0
        while True:
            round_ = await self._limiter.acquire(first=attempt > 0)
            try:
                completion = await self._attempt(request, is_retry=attempt > 0)
                self._limiter.succeed()
                return completion
            except TransientError as error:
                failure, wait_s = error, self._wait_s(error, attempt)
                if error.kind == "rate_limit":
                    self._limiter.throttle(round_, min(wait_s, _MAX_RETRY_AFTER_S))
            finally:
                self._limiter.release()
            attempt += 1
            if attempt > self._max_retries or wait_s > _MAX_RETRY_AFTER_S:
                return CompletionError(failure.kind, f"{failure.message} (attempts: {attempt})")
            self._budget.check_time(request.purpose, wait_s)
            if failure.kind != "rate_limit":  # after a 429 the limiter holds everyone back, this request too
                await self._sleep(wait_s)

    def _wait_s(self, error: TransientError, attempt: int) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s
        first_s = _RATE_LIMIT_BACKOFF_S if error.kind == "rate_limit" else _BACKOFF_S
        return min(_MAX_BACKOFF_S, first_s * 2.0**attempt) * (1 + _JITTER * self._jitter.random())

    async def _attempt(self, request: Request, *, is_retry: bool) -> Completion:
        reservation = await self._reserve(request, is_retry=is_retry)
        try:
            with self._counts.attempt(is_retry):
                completion = await self._complete(request)
        except TransientError as error:
            self._budget.settle(reservation, may_be_billed=error.may_be_billed)
            raise
        except TargetError:
            self._budget.settle(reservation)
            raise
        except BaseException:
            self._budget.settle(reservation, may_be_billed=True)
            raise
        self._budget.settle(reservation, self._priced(completion))
        return completion

    async def _complete(self, request: Request) -> Completion:
        params = dict(request.params)
        if request.repeat and params.get("seed") is not None:
            params["seed"] += request.repeat
        seconds_left = self._budget.seconds_left(request.purpose)
        try:
            async with asyncio.timeout(min(self._timeout_s, seconds_left)):
                if isinstance(self.target, RepeatingTarget):
                    return await self.target.complete_repeat(request.messages, params, request.repeat)
                return await self.target.complete(request.messages, params)
        except TimeoutError as error:
            self._budget.check_time(request.purpose)
            raise TransientError("timeout", f"no answer within {self._timeout_s:g} s") from error

    async def _reserve(self, request: Request, *, is_retry: bool) -> Reservation:
        tokens, cost_usd = self._bounds(request)
        loop = asyncio.get_running_loop()
        while True:
            settled = asyncio.Event()
            reservation = self._budget.reserve(
                request.purpose,
                tokens=tokens,
                cost_usd=cost_usd,
                is_retry=is_retry,
                on_settled=functools.partial(loop.call_soon_threadsafe, settled.set),
            )
            if reservation is not None:
                return reservation
            await settled.wait()

    def _bounds(self, request: Request) -> tuple[int, float]:
        prompt, completion = prompt_token_bound(request.messages), completion_token_bound(request.params)
        if completion is None and (self._budget.max_tokens is not None or self._budget.max_usd is not None):
            message = "missing, but budget.max_tokens and budget.max_usd can't be kept without it"
            raise ConfigError([Problem("target.params.max_tokens", message)])
        completion = completion or 0
        return prompt + completion, self._price.cost_usd(prompt, completion) if self._price else 0.0

    def _priced(self, completion: Completion) -> Completion:
        prompt, answer = completion.prompt_tokens, completion.completion_tokens
        if completion.cost_usd is not None or self._price is None or prompt is None or answer is None:
            return completion
        return replace(completion, cost_usd=self._price.cost_usd(prompt, answer))
