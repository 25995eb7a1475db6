"""How many attempts may be under way at once: fewer after every 429, slowly more after every success."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable


class Limiter:
    """Slots for attempts, by additive increase and multiplicative decrease (Chiu and Jain, 1989).

    To be used inside one event loop only.

    Args:
        most: Slots at the start, and never more.
        clock: Monotonic seconds.
        sleep: Waits so many seconds of that clock.
    """

    def __init__(self, most: int, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._most = most
        self._limit = float(most)
        self._clock = clock
        self._sleep = sleep
        self._used = 0
        self._round = 0
        self._paused_until = -float("inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Slots now, at least 1."""
        return int(self._limit)

    async def acquire(self, *, first: bool = False) -> int:
        """Wait for a slot, and for the end of a pause.

        Args:
            first: Ahead of everyone who waits; for retries.

        Returns:
            The round, to be handed to ``throttle``.
        """
        if self._used < self.limit and not self._waiting:
            self._used += 1
        else:
            await self._queue(first)
        try:
            while (wait_s := self._paused_until - self._clock()) > 0:
                await self._sleep(wait_s)
        except BaseException:
            self.release()
            raise
        return self._round

    def release(self) -> None:
        """Give the slot to the next one."""
        self._used -= 1
        self._wake()

    def succeed(self) -> None:
        """Allow one slot more per round of successes."""
        self._limit = min(float(self._most), self._limit + 1 / self._limit)
        self._wake()

    def throttle(self, seen_round: int, pause_s: float) -> None:
        """Halve the slots and let nothing start for ``pause_s`` seconds.

        A burst of refusals halves once: only an attempt that began after the last halving can cause the next.
        """
        if seen_round == self._round:
            self._limit = max(1.0, self._limit / 2)
            self._round += 1
        self._paused_until = max(self._paused_until, self._clock() + pause_s)

    async def _queue(self, first: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def _wake(self) -> None:
        while self._waiting and self._used < self.limit:
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self._used += 1
                turn.set_result(None)
