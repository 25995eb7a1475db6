"""Asks one question until it is answered or given up: slots, pace, reservation, time limit, retries.

What a fault does:

================================================================== =====================================================
refused, reset, truncated, no answer in time, 408, 409, 5xx, ...   retried after 0.5, 1, 2 ... s (or Retry-After);
not JSON, not a chat completion, a failure in a 200                after ``max_retries`` the answer is missing, never 0
429                                                                the same after 2, 4, 8 ... s, and everyone waits
429, 503, 529, no answer in time                                   also halves the concurrency; answers restore it
429 without quota, 401, 402, 403, 404 and the like,                stops the run with exit code 4
400 and 422 before anything was answered
403 and the like that don't speak of key or model, pages,          missing, never 0, not retried: a firewall, or a key
while others are answered                                          that was revoked, which the others will show
prompt too long (400, 413), prompt or answer filtered,             data: score 0, the fault is the reason
400 and 422 of one question while others are answered,
no text, thoughts alone, cut off before the answer
answers of a megabyte, NUL, lone surrogates                        kept as they are, escaped wherever they are shown
================================================================== =====================================================

Tokens and dollars of an attempt without an answer are charged in full, unless it was refused or answered by an error.
"""

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.base import (
    BLOCKED,
    Completion,
    CompletionError,
    QuestionBlockedError,
    QuestionRefusedError,
    RepeatingTarget,
    Request,
    Target,
    TransientError,
    checked,
    refused,
)
from promptrl.llm.engine.batch import Answer, Flight
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.concurrency import Limiter
from promptrl.llm.engine.prices import Price
from promptrl.llm.engine.rate_limit import Pace
from promptrl.llm.engine.reservations import Reservation, completion_token_bound, prompt_token_bound
from promptrl.llm.engine.stats import EngineCounts
from promptrl.llm.engine.stop import StopSignal
from promptrl.llm.thoughts import answered

Trace = Callable[[Mapping[str, Any]], None]
"""Takes note of an attempt; holds no secret and no text of prompt or answer."""

Commit = Callable[[Flight, Request, Completion], Awaitable[None]]
"""Returns when the answer to the question of this flight is on disk."""

_BACKOFF_S = 0.5
_RATE_LIMIT_BACKOFF_S = 2.0
"""Doubled five times this waits out a limit that is counted per minute."""
_MAX_BACKOFF_S = 60.0
_MAX_RETRY_AFTER_S = 300.0
"""A server that asks for more (a daily quota) is not waited for."""
_JITTER = 0.25
_FIREWALL = "or a firewall before the server does not let this question pass"
_OVERLOAD = frozenset({"rate_limit", "overloaded", "timeout"})
"""Faults after which fewer questions are asked at once."""


class Attempts:
    """Asks questions one by one, for one budget; to be used inside one event loop only.

    Args:
        target: The model.
        budget: Where each attempt is reserved before it is sent.
        price: For answers whose cost the target does not tell.
        limiter: Slots for attempts; shared by all who ask this target, as is ``pace``.
        pace: Limits per minute.
        counts: Counts attempts.
        stop: When it is requested, nothing is retried.
        max_retries: Further attempts after one that failed for a transient reason.
        timeout_s: For one attempt.
        trace: Called with every attempt.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        target: Target,
        *,
        budget: Budget,
        price: Price | None,
        limiter: Limiter,
        pace: Pace,
        counts: EngineCounts,
        stop: StopSignal,
        max_retries: int,
        timeout_s: float,
        trace: Trace | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._target = target
        self._budget = budget
        self._price = price
        self._limiter = limiter
        self._pace = pace
        self._counts = counts
        self._stop = stop
        self._max_retries = max_retries
        self._timeout_s = timeout_s
        self._trace = trace
        self._sleep = sleep
        self._jitter = random.Random()

    async def ask(self, request: Request, flight: Flight, commit: Commit) -> Answer:
        """Ask until there is an answer, at most ``max_retries`` times more than once, and commit it.

        The slot is kept until the answer is committed, so that a kill loses no more answers than there are slots.

        Raises:
            TargetError: The target can't be used, or the answer can't be committed.
            BudgetExhaustedError: Tokens, dollars or minutes do not suffice for one more attempt.
            asyncio.CancelledError: A retry was due, but the run is to end.
        """
        attempt = billed = 0
        while True:
            round_ = await self._limiter.acquire(first=attempt > 0)
            try:
                completion = self._with_untold(request, await self._attempt(request, flight, attempt), billed)
                flight.is_answered = True
                await commit(flight, request, completion)
                self._limiter.succeed()
                return self.priced(completion)
            except QuestionBlockedError as error:
                if not self._budget.has_answers:
                    raise
                return CompletionError(BLOCKED, f"{error}; {_FIREWALL}")
            except TransientError as error:
                failure, wait_s = error, self._wait_s(error, attempt)
                billed += error.may_be_billed
                if error.kind in _OVERLOAD:
                    pause_s = min(wait_s, _MAX_RETRY_AFTER_S) if error.kind == "rate_limit" else 0.0
                    self._limiter.throttle(round_, pause_s)
            finally:
                self._limiter.release()
            attempt += 1
            if attempt > self._max_retries or wait_s > _MAX_RETRY_AFTER_S:
                return CompletionError(failure.kind, f"{failure.message} (attempts: {attempt})")
            if self._stop.is_requested:
                raise asyncio.CancelledError
            self._budget.check_time(request.purpose, wait_s)
            if failure.kind != "rate_limit":  # after a 429 the limiter holds everyone back, this request too
                await self._sleep(wait_s)

    def priced(self, completion: Completion) -> Completion:
        """The answer with its cost, if the price and the tokens are known."""
        prompt, answer = completion.prompt_tokens, completion.completion_tokens
        if completion.cost_usd is not None or self._price is None or prompt is None or answer is None:
            return completion
        return completion.at_cost(self._price.cost_usd(prompt, answer))

    def _with_untold(self, request: Request, completion: Completion, failed: int) -> Completion:
        """The answer with what a limit was charged beyond what it tells, after so many failed attempts."""
        tells_tokens = completion.prompt_tokens is not None and completion.completion_tokens is not None
        tells_cost = self.priced(completion).cost_usd is not None
        if not self._budget.limits_cost or (tells_tokens and tells_cost and not failed):
            return completion
        tokens, cost_usd = self.most_cost(request)
        return replace(
            completion,
            untold_tokens=failed * tokens + (0 if tells_tokens else max(0, tokens - completion.charged_tokens)),
            untold_usd=failed * cost_usd + (0.0 if tells_cost else cost_usd),
        )

    def _wait_s(self, error: TransientError, attempt: int) -> float:
        if error.retry_after_s is not None:  # a server that says 0 again and again is not asked without a pause
            least_s = 0.0 if error.kind == "parameter" else min(_MAX_BACKOFF_S, _BACKOFF_S * 2.0**attempt)
            return max(least_s, error.retry_after_s)
        first_s = _RATE_LIMIT_BACKOFF_S if error.kind == "rate_limit" else _BACKOFF_S
        return min(_MAX_BACKOFF_S, first_s * 2.0**attempt) * (1 + _JITTER * self._jitter.random())

    async def _attempt(self, request: Request, flight: Flight, attempt: int) -> Completion:
        tokens, cost_usd = self.most_cost(request)
        sent = await self._pace.take(tokens) if self._pace.is_limited else None
        reservation = await self._reserve(request, tokens, cost_usd, is_retry=attempt > 0)
        began_s = time.perf_counter()
        flight.is_sent = True
        try:
            with self._counts.attempt(attempt > 0):
                completion = answered(await self._complete_or_refuse(request))
        except TransientError as error:
            flight.is_sent = False
            self._budget.settle(reservation, may_be_billed=error.may_be_billed)
            self._note(flight, request, attempt, began_s, error.kind, error.message)
            raise
        except TargetError as error:
            self._budget.settle(reservation)
            self._note(flight, request, attempt, began_s, "refused", str(error))
            raise
        except BaseException:
            self._budget.settle(reservation, may_be_billed=True)
            self._note(flight, request, attempt, began_s, "cancelled")
            raise
        self._budget.settle(reservation, self.priced(completion))
        if sent is not None and completion.prompt_tokens is not None and completion.completion_tokens is not None:
            sent.tokens = completion.prompt_tokens + completion.completion_tokens
        self._note(flight, request, attempt, began_s, completion.fault or "answered", completion=completion)
        return completion

    async def _complete_or_refuse(self, request: Request) -> Completion:
        try:
            return await self._complete(request)
        except QuestionRefusedError:
            if not self._budget.has_answers:
                raise
            return refused("refused")

    async def _complete(self, request: Request) -> Completion:
        params = dict(request.params)
        if request.repeat and params.get("seed") is not None:
            params["seed"] += request.repeat
        seconds_left = self._budget.seconds_left(request.purpose)
        try:
            async with asyncio.timeout(min(self._timeout_s, seconds_left)):
                if isinstance(self._target, RepeatingTarget):
                    answer = await self._target.complete_repeat(request.messages, params, request.repeat)
                else:
                    answer = await self._target.complete(request.messages, params)
                return checked(answer, self._target.identity)
        except TimeoutError as error:
            self._budget.check_time(request.purpose)
            raise TransientError("timeout", f"no answer within {self._timeout_s:g} s") from error

    async def _reserve(self, request: Request, tokens: int, cost_usd: float, *, is_retry: bool) -> Reservation:
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

    def most_cost(self, request: Request) -> tuple[int, float]:
        """Most tokens and dollars that one attempt can cost."""
        prompt, completion = prompt_token_bound(request.messages), completion_token_bound(request.params)
        if completion is None and self._budget.limits_cost:
            message = "missing, but budget.max_tokens and budget.max_usd can't be kept without it"
            raise ConfigError([Problem("target.params.max_tokens", message)])
        completion = completion or 0
        return prompt + completion, self._price.cost_usd(prompt, completion) if self._price else 0.0

    def _note(
        self,
        flight: Flight,
        request: Request,
        attempt: int,
        began_s: float,
        end: str,
        error: str = "",
        completion: Completion | None = None,
    ) -> None:
        if self._trace is None:
            return
        self._trace(
            {
                "time": time.time(),
                "question": flight.key[:12],
                "purpose": request.purpose,
                "repeat": request.repeat,
                "attempt": attempt + 1,
                "end": end,
                "seconds": round(time.perf_counter() - began_s, 6),
                "concurrency": self._limiter.limit,
                **({"error": error} if error else {}),
                **(
                    {"prompt_tokens": completion.prompt_tokens, "completion_tokens": completion.completion_tokens}
                    if completion
                    else {}
                ),
            }
        )
