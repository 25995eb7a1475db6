"""How much may be sent in a minute, where a server allows only so much."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_WINDOW_S = 60.0


@dataclass(slots=True)
class Sent:
    """An attempt within the last minute, and the tokens that count for it: first their bound, then their number."""

    at_s: float
    tokens: int


class Pace:
    """Keeps requests and tokens of every 60 seconds within limits; to be used inside one event loop only.

    Args:
        requests_per_minute: None for no limit, as for the other.
        tokens_per_minute: Prompt and completion tokens. A request that is larger by itself is sent alone.
        clock: Monotonic seconds.
        sleep: Waits so many seconds of that clock.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._most_requests = requests_per_minute
        self._most_tokens = tokens_per_minute
        self._clock = clock
        self._sleep = sleep
        self._sent: deque[Sent] = deque()
        self._turn = asyncio.Lock()

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._most_requests is not None or self._most_tokens is not None

    async def take(self, tokens: int) -> Sent:
        """Wait until an attempt of at most so many tokens may be sent; first come, first served."""
        async with self._turn:
            while not self._fits(tokens):
                await self._sleep(self._sent[0].at_s + _WINDOW_S - self._clock())
            sent = Sent(self._clock(), tokens)
            self._sent.append(sent)
            return sent

    def _fits(self, tokens: int) -> bool:
        while self._sent and self._sent[0].at_s + _WINDOW_S <= self._clock():
            self._sent.popleft()
        if not self._sent:
            return True
        if self._most_requests is not None and len(self._sent) >= self._most_requests:
            return False
        used = sum(sent.tokens for sent in self._sent) if self._most_tokens is not None else 0
        return self._most_tokens is None or used + tokens <= self._most_tokens
