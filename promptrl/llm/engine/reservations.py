"""The most that one attempt can cost: held before it is sent, and noted so that a kill hides none in flight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from promptrl.llm.base import Messages, Purpose

_TEMPLATE_TOKENS_PER_MESSAGE = 8
"""Role names and separators that a chat template adds around a message."""


def prompt_token_bound(messages: Messages) -> int:
    """Most tokens a prompt can have: a token of a byte-level vocabulary holds at least one byte."""
    return sum(len(m.content.encode("utf-8", "replace")) + _TEMPLATE_TOKENS_PER_MESSAGE for m in messages)


def completion_token_bound(params: Mapping[str, Any]) -> int | None:
    """Most tokens an answer can have; None when the parameters set no limit."""
    limits = [params[name] for name in ("max_completion_tokens", "max_tokens") if params.get(name) is not None]
    return int(limits[0]) if limits else None


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most that one attempt can cost, held until it is settled; attempts are numbered from 1."""

    purpose: Purpose
    tokens: int
    cost_usd: float
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Charges:
    """What attempts of earlier processes were charged; those that a kill cut off, the most that they can cost."""

    attempts: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


NoteCharge = Callable[[int, int, float], object]
"""Writes down the number of an attempt, its tokens and dollars; a later note of the same attempt replaces it."""
