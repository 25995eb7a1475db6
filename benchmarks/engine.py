"""What the engine costs: throughput and CPU time per call against a bare ``AsyncOpenAI`` loop, and cache hits a second.

Both ask the same loopback server, which runs in a process of its own, in turns within one run, so that a busy machine
slows both. The engine runs as in training: budget with all limits, prices, answers committed to SQLite.

    python -m benchmarks.engine
    python -m benchmarks.engine --calls 500 --rounds 3

The aims: throughput at least 0.95 of the bare loop's, CPU time at most 1.3 times its, 20,000 cache hits a second of CPU
time.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openai

from benchmarks.quick_server import quick_server
from benchmarks.storing import store
from promptrl.llm.base import Completion, Message, Request
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.cache import Cache, cache_key
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.prices import Price
from promptrl.llm.targets.openai_client import OpenAITarget

PROMPT = "Classify the ticket. Reply with the category name only. " * 8
LEAST_THROUGHPUT, MOST_CPU, LEAST_HITS_PER_S = 0.95, 1.3, 20_000


@dataclass(frozen=True)
class Measured:
    """Calls per second of wall time, and milliseconds of CPU time per call."""

    calls_per_s: float
    cpu_ms: float


def measure(calls: int, work: Callable[[], object]) -> Measured:
    """Time some work."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    return Measured(calls / wall_s, 1000 * cpu_s / calls)


def bare_loop(base_url: str, calls: int, concurrency: int) -> Measured:
    """As many workers as calls may be in flight, each asking one question after the other."""

    async def ask_all() -> None:
        questions = iter(range(calls))

        async def work(client: openai.AsyncOpenAI) -> None:
            for number in questions:
                answer = await client.chat.completions.create(
                    model="m",
                    messages=[{"role": "system", "content": PROMPT}, {"role": "user", "content": f"q{number}"}],
                    temperature=0,
                    max_tokens=64,
                )
                assert answer.choices[0].message.content == "ok"

        async with openai.AsyncOpenAI(api_key="none", base_url=base_url, max_retries=0) as client:
            await asyncio.gather(*(work(client) for _ in range(concurrency)))

    return measure(calls, lambda: asyncio.run(ask_all()))


def requests(calls: int) -> list[Request]:
    """The same questions."""
    params = {"temperature": 0, "max_tokens": 64}
    return [Request((Message("system", PROMPT), Message("user", f"q{n}")), params) for n in range(calls)]


def engine(base_url: str, calls: int, concurrency: int) -> Measured:
    """One batch, with an empty cache."""
    budget = Budget(max_calls=calls, max_tokens=10**9, max_usd=1e6, max_minutes=60)
    target = OpenAITarget("m", base_url=base_url, api_key_env=None)
    batch = requests(calls)
    with (
        tempfile.TemporaryDirectory() as folder,
        Cache(Path(folder) / "cache.sqlite") as cache,
        Engine(target, budget=budget, cache=cache, concurrency=concurrency, price=Price(1.0, 1.0)) as asked,
    ):

        def work() -> None:
            assert all(isinstance(answer, Completion) and answer.text == "ok" for answer in asked.run(batch))

        return measure(calls, work)


def cache_hits(answers: int, batch: int) -> Measured:
    """Answer every question from a warm cache, in batches as a search makes them."""
    target = OpenAITarget("m", base_url="http://127.0.0.1:9/v1", api_key_env=None)
    questions = requests(answers)
    batches = [questions[start : start + batch] for start in range(0, answers, batch)]
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder) / "cache.sqlite") as cache:
        store(cache, {cache_key(target.identity, r): Completion("ok", 9, 1, 0.1) for r in questions})
        with Engine(target, budget=Budget(max_calls=None), cache=cache, price=Price(1.0, 1.0)) as asked:
            return measure(answers, lambda: [asked.run(b) for b in batches])


@dataclass(frozen=True)
class Compared:
    """Bare loop and engine: medians over the rounds, and the medians of the ratios within a round."""

    bare: Measured
    engine: Measured
    speed: float
    cpu: float

    @property
    def is_good(self) -> bool:
        """Whether both aims are reached."""
        return self.speed >= LEAST_THROUGHPUT and self.cpu <= MOST_CPU


def compare_outcomes(base_url: str, calls: int, concurrency: int, rounds: int) -> Compared:
    """Measure both in turns."""
    bare_loop(base_url, concurrency, concurrency)
    pairs = [(bare_loop(base_url, calls, concurrency), engine(base_url, calls, concurrency)) for _ in range(rounds)]
    middle = [
        Measured(statistics.median(m.calls_per_s for m in side), statistics.median(m.cpu_ms for m in side))
        for side in zip(*pairs, strict=True)
    ]
    speed = statistics.median(ours.calls_per_s / bare.calls_per_s for bare, ours in pairs)
    cpu = statistics.median(ours.cpu_ms / bare.cpu_ms for bare, ours in pairs)
    return Compared(middle[0], middle[1], speed, cpu)


def main() -> int:
    """Print the table; exit code 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="calls of each measurement, fewer at 50 ms")
    parser.add_argument("--rounds", type=int, default=3, help="bare loop and engine in turns; the medians count")
    options = parser.parse_args()
    are_good = []
    print("latency  concurrency  bare calls/s  engine calls/s  ratio  bare CPU ms  engine CPU ms  ratio")
    for latency_s in (0.05, 0.0):
        with quick_server(latency_s) as base_url:
            for concurrency in (1, 16, 64, 256):
                calls = min(options.calls, 60 * concurrency) if latency_s else options.calls
                found = compare_outcomes(base_url, calls, concurrency, options.rounds)
                are_good.append(found.is_good)
                print(
                    f"{1000 * latency_s:4.0f} ms {concurrency:12d} {found.bare.calls_per_s:13,.0f} "
                    f"{found.engine.calls_per_s:15,.0f} {found.speed:6.2f} {found.bare.cpu_ms:12.2f} "
                    f"{found.engine.cpu_ms:14.2f} {found.cpu:6.2f}",
                    flush=True,
                )
    for batch in (64, 1024):
        hits = cache_hits(20_000, batch)
        per_cpu_s = 1000 / hits.cpu_ms  # what an idle core does in a second
        are_good.append(per_cpu_s >= LEAST_HITS_PER_S)
        print(
            f"cache hits in batches of {batch}: {hits.calls_per_s:,.0f} a second, {per_cpu_s:,.0f} a second of CPU time"
        )
    return int(not all(are_good))


if __name__ == "__main__":
    raise SystemExit(main())
