"""What a target is: the values that go in and out of a model, and the errors it may raise.

A target turns one list of chat messages into one completion, once. It neither retries nor caches nor counts:
the engine does (``engine/``).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from promptrl.errors import TargetError, show
from promptrl.safe_text import printable

Role = Literal["system", "user", "assistant"]
Purpose = str
"""What a call is for: the name of a share of the budget, such as "search" or "judge"."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message, as every target takes it; ``content`` is sent as it is, braces and all."""

    role: Role
    content: str


Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a target.

    Attributes:
        text: What the model wrote; hostile text, never formatted or printed raw.
        prompt_tokens: As the server counts them; None when it does not say.
        completion_tokens: Likewise.
        latency_s: Seconds from sending to the last byte, without waiting in a queue of ours.
        cost_usd: None when no price is known, never 0 for "unknown".
        finish_reason: As the server names it ("stop", "length", ...), if it does.
        fault: Why this completion is bad although the call worked ("empty", "no_answer", "only_thoughts"), or that the
            question was refused (one of ``REFUSALS``); such a completion is data and scores 0. None for a good one.
        is_cached: True when nothing was paid for it in this run.
        untold_tokens: Charged under a limit beyond those told: the most that failed attempts before it can have cost,
            and that it can have cost itself where it tells no tokens.
        untold_usd: Likewise in dollars.
    """

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float = 0.0
    cost_usd: float | None = None
    finish_reason: str | None = None
    fault: str | None = None
    is_cached: bool = False
    untold_tokens: int = 0
    untold_usd: float = 0.0

    @property
    def charged_tokens(self) -> int:
        """What a limit on tokens is charged for it."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0) + self.untold_tokens

    @property
    def charged_usd(self) -> float:
        """What a limit on dollars is charged for it."""
        return (self.cost_usd or 0.0) + self.untold_usd

    def at_cost(self, cost_usd: float) -> "Completion":
        """This answer with its cost; ``dataclasses.replace`` takes a fifth of the time of a cache hit."""
        return Completion(
            text=self.text,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            latency_s=self.latency_s,
            cost_usd=cost_usd,
            finish_reason=self.finish_reason,
            fault=self.fault,
            is_cached=self.is_cached,
            untold_tokens=self.untold_tokens,
            untold_usd=self.untold_usd,
        )


MOST_TOKENS = 10**12
"""No answer has more: a larger count is a fault of who counts."""


def is_token_count(value: object) -> bool:
    """Whether this can be the number of tokens of a prompt or an answer."""
    return type(value) is int and 0 <= value <= MOST_TOKENS


def checked(answer: object, giver: str) -> Completion:
    """The answer of a target if it is sound: what code of the user's gives back may hold anything.

    Raises:
        TargetError: A field holds something else than ``Completion`` says; names it.
    """
    if not isinstance(answer, Completion):
        raise TargetError(f"{giver} gave {type(answer).__name__}, expected a Completion")
    for name, value in (("text", answer.text), ("finish_reason", answer.finish_reason), ("fault", answer.fault)):
        if not isinstance(value, str) and (value is not None or name == "text"):
            raise _misfit(giver, name, value, "text")
    for name, count in (("prompt_tokens", answer.prompt_tokens), ("completion_tokens", answer.completion_tokens)):
        if count is not None and not is_token_count(count):
            raise _misfit(giver, name, count, f"a whole number from 0 to {MOST_TOKENS:.0e}")
    for name, amount in (("latency_s", answer.latency_s), ("cost_usd", answer.cost_usd)):
        if amount is None and name == "cost_usd":
            continue
        if not isinstance(amount, int | float) or not 0 <= amount < math.inf:
            raise _misfit(giver, name, amount, "a number of at least 0")
    return answer


def _misfit(giver: str, name: str, value: object, expected: str) -> TargetError:
    return TargetError(f"{giver} gave a completion whose {name} is {excerpt(show(value), 80)}, expected {expected}")


REFUSALS = frozenset({"content_filter", "context_overflow", "refused"})
"""Faults of a question that a server does not take: for its content, its length, or for reasons of its own."""


def refused(fault: str) -> Completion:
    """What comes of a question that was refused before the model saw it: nothing, and nobody charges for it."""
    return Completion("", 0, 0, cost_usd=0.0, fault=fault)


@dataclass(frozen=True, slots=True)
class CompletionError:
    """A call that failed for reasons of transport after its retries: missing data, never a score of 0.

    Attributes:
        kind: Short name of the cause ("timeout", "connection", "rate_limit", "server", "blocked", "budget").
        message: For people; holds no secret.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask.

    Attributes:
        messages: The rendered prompt.
        params: Sampling parameters by the OpenAI names (``temperature``, ``max_tokens``, ...); JSON values.
        repeat: Which of several answers to the same question (0, 1, ...).
        purpose: What the call is for: the budget keeps shares by purpose.
    """

    messages: Messages
    params: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 0
    purpose: Purpose = "search"


@runtime_checkable
class Target(Protocol):
    """A model that can be asked. Implementations: one file each in ``targets/``."""

    @property
    def identity(self) -> str:
        """Text that changes whenever the answers may change (kind, model, endpoint); part of the cache key."""

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Ask once.

        Raises:
            TransientError: A retry may help.
            TargetError: It can't be cured; the run stops.
        """

    async def aclose(self) -> None:
        """Free connections and threads; called once, after the last ``complete`` has ended."""


@runtime_checkable
class RepeatingTarget(Protocol):
    """A target that can tell its answers to the same question apart by number; logged answers do."""

    async def complete_repeat(self, messages: Messages, params: Mapping[str, Any], repeat: int) -> Completion:
        """As ``Target.complete``, for the answer number ``repeat`` (0, 1, ...)."""


@runtime_checkable
class RenamingTarget(Protocol):
    """A target that learns other names of parameters from its server."""

    def sent_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters by the names under which they are sent by now."""


class QuestionRefusedError(TargetError):
    """The server refuses a question and does not say whether for what is in it, or for what all questions share.

    Once another one was answered it is data of this question alone, the fault "refused"; else it ends the run.
    """


BLOCKED = "blocked"
"""Kind of a missing answer: see ``QuestionBlockedError``."""


class QuestionBlockedError(TargetError):
    """Something refuses a question without a word of the API: a firewall before it, or a key that is no good any more.

    Once another one was answered this one is missing, with the kind "blocked"; else it ends the run.
    """


class TransientError(Exception):
    """One attempt failed in a way that a retry may cure (408, 409, 429, 5xx, resets, timeouts, DNS).

    Args:
        kind: As in ``CompletionError.kind``.
        message: For people; holds no secret.
        retry_after_s: What the server asked for, seconds; None when it did not say.
        may_be_billed: False when it is certain that nobody charges for the attempt (refused, never sent).
    """

    def __init__(
        self, kind: str, message: str, retry_after_s: float | None = None, *, may_be_billed: bool = True
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_s = retry_after_s
        self.may_be_billed = may_be_billed


def excerpt(text: str, limit: int = 200) -> str:
    """One printable line of hostile text, at most ``limit`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
