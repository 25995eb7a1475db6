"""Slots for attempts: bounded, halved once per burst of refusals, growing with success."""

import asyncio

from promptrl.llm.engine.concurrency import Limiter
from tests.servers.stub_target import FakeTime


def _limiter(most: int, time: FakeTime) -> Limiter:
    return Limiter(most, clock=time.clock, sleep=time.sleep)


def test_no_more_than_the_limit_hold_a_slot(fake_time: FakeTime) -> None:
    """The next one waits for a release."""

    async def story() -> None:
        limiter = _limiter(2, fake_time)
        await limiter.acquire()
        await limiter.acquire()
        third = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        assert not third.done()
        limiter.release()
        await third

    asyncio.run(story())


def test_a_burst_of_refusals_halves_once(fake_time: FakeTime) -> None:
    """Only an attempt that began after the halving can cause another."""

    async def story() -> None:
        limiter = _limiter(16, fake_time)
        rounds = [await limiter.acquire() for _ in range(4)]
        for seen_round in rounds:
            limiter.throttle(seen_round, 0)
        assert limiter.limit == 8
        limiter.throttle(await limiter.acquire(), 0)
        assert limiter.limit == 4

    asyncio.run(story())


def test_slots_grow_back_by_one_per_round_of_successes(fake_time: FakeTime) -> None:
    """Additive increase, up to the start and not past it; never below one."""
    limiter = _limiter(4, fake_time)
    for seen_round in range(5):
        limiter.throttle(seen_round, 0)
    assert limiter.limit == 1
    limiter.succeed()
    assert limiter.limit == 2
    limiter.succeed()
    assert limiter.limit == 2
    for _ in range(50):
        limiter.succeed()
    assert limiter.limit == 4


def test_a_pause_holds_everyone_back(fake_time: FakeTime) -> None:
    """Also those who were not refused."""

    async def story() -> None:
        limiter = _limiter(4, fake_time)
        limiter.throttle(0, 3.0)
        await limiter.acquire()

    asyncio.run(story())
    assert fake_time.slept == [3.0]


def test_a_retry_goes_ahead_of_those_who_wait(fake_time: FakeTime) -> None:
    """So that a request is finished before another one is begun."""

    async def story() -> list[str]:
        limiter, order = _limiter(1, fake_time), []

        async def work(name: str, first: bool) -> None:
            await limiter.acquire(first=first)
            order.append(name)
            limiter.release()

        await limiter.acquire()
        tasks = [asyncio.create_task(work("new", False)), asyncio.create_task(work("retry", True))]
        await asyncio.sleep(0)
        limiter.release()
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(story()) == ["retry", "new"]


def test_a_cancelled_waiter_leaves_no_slot_behind(fake_time: FakeTime) -> None:
    """Cancelled while waiting, or in the moment in which it gets its turn."""

    async def story() -> None:
        limiter = _limiter(1, fake_time)
        await limiter.acquire()
        waiting, granted = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        waiting.cancel()
        limiter.release()
        granted.cancel()
        await asyncio.gather(waiting, granted, return_exceptions=True)
        await asyncio.wait_for(limiter.acquire(), 5)

    asyncio.run(story())
