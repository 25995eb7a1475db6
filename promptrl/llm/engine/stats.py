"""Counters of one engine, for the live view."""

import statistics
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from promptrl.llm.base import Completion, CompletionError
from promptrl.llm.engine.tally import Tally

_LATENCIES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What an engine has done so far.

    Attributes:
        calls: Requests answered or given up.
        cached: Those that needed no attempt of their own.
        paid: Attempts sent.
        retried: Those that repeated a failed one.
        failed: Requests given up after their retries, by kind.
        faults: Answers with a fault, by its name, those of the cache left out.
        in_flight: Attempts under way.
        concurrency: Attempts that may be under way now.
        prompt_tokens: Reported for paid answers.
        completion_tokens: Likewise.
        cost_usd: None when the cost of any paid answer is unknown.
        latency_p50_s: Median over the last 1,000 paid answers; None before the first.
        latency_p95_s: Likewise, 95th percentile.
    """

    calls: int
    cached: int
    paid: int
    retried: int
    failed: Mapping[str, int]
    faults: Mapping[str, int]
    in_flight: int
    concurrency: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None


class EngineCounts:
    """The counters behind ``EngineStats``; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tally = Tally()
        self._in_flight = 0
        self._failed: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    def count_cached(self) -> None:
        """Count an answer that needed no attempt of its own."""
        with self._lock:
            self._tally.cached += 1

    @contextmanager
    def attempt(self, is_retry: bool) -> Iterator[None]:
        """Count one attempt, which is in flight inside the context."""
        with self._lock:
            self._tally.count_attempt(is_retry=is_retry)
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def count_answer(self, answer: Completion | CompletionError) -> None:
        """Count a request that was asked and is now answered or given up."""
        with self._lock:
            if isinstance(answer, CompletionError):
                self._failed[answer.kind] += 1
                return
            self._tally.count_answer(answer)
            if answer.fault is not None:
                self._faults[answer.fault] += 1
            self._latencies.append(answer.latency_s)

    def snapshot(self, *, concurrency: int) -> EngineStats:
        """The counters of this moment, taken together; ``concurrency`` is what the limiter allows now."""
        with self._lock:
            p50, p95 = _percentiles(self._latencies)
            return EngineStats(
                calls=self._tally.cached + self._tally.answered + self._failed.total(),
                cached=self._tally.cached,
                paid=self._tally.paid,
                retried=self._tally.retried,
                failed=dict(self._failed),
                faults=dict(self._faults),
                in_flight=self._in_flight,
                concurrency=concurrency,
                prompt_tokens=self._tally.prompt_tokens,
                completion_tokens=self._tally.completion_tokens,
                cost_usd=self._tally.cost_usd,
                latency_p50_s=p50,
                latency_p95_s=p95,
            )


def _percentiles(latencies: deque[float]) -> tuple[float | None, float | None]:
    if not latencies:
        return None, None
    cuts = statistics.quantiles([*latencies, latencies[-1]], n=20, method="inclusive")
    return statistics.median(latencies), cuts[18]
