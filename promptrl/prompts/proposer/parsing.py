"""Reads what a proposer answered: tolerant of what stands around the list, strict with what is in it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptrl.errors import show
from promptrl.llm.base import excerpt
from promptrl.prompts.proposer.proposal import OPS, Proposal

MOST_CHARACTERS = 200_000
"""Of an answer; nobody writes a handful of short rules with more."""
MOST_PROPOSALS = 64
_FENCE = re.compile(r"```[\w-]*\n(.*?)```", re.DOTALL)
_STARTS = re.compile(r"[\[{]")
_MOST_STARTS = 200


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something in an answer's list that is no proposal.

    Attributes:
        item: It, shortened.
        reason: What is wrong with it.
    """

    item: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What was found in an answer.

    Attributes:
        items: In the order of the list.
        fault: Why there is no list; empty where there is one.
    """

    items: tuple[Proposal | Malformed, ...]
    fault: str = ""


def parse_answer(text: str) -> ParsedAnswer:
    """The proposals in an answer: a JSON list of them, bare, in a code fence, amid prose, or one object a line."""
    if len(text) > MOST_CHARACTERS:
        return ParsedAnswer((), f"the answer has {len(text):,} characters, expected at most {MOST_CHARACTERS:,}")
    found = next((items for value in _values(text) if (items := _listed(value)) is not None), None)
    if found is None:
        return ParsedAnswer((), "the answer holds no JSON list of edits")
    return ParsedAnswer(tuple(_item(item) for item in found[:MOST_PROPOSALS]))


def _values(text: str) -> Iterator[Any]:
    """JSON values in the text, the likeliest to be meant first; last the objects that a broken list is left with."""
    for candidate in (text, *_FENCE.findall(text)):
        try:
            yield json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    objects: list[Any] = []
    end = 0
    for start in list(_STARTS.finditer(text))[:_MOST_STARTS]:
        if start.start() < end:
            continue
        try:
            value, end = json.JSONDecoder().raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and "op" in value:
            objects.append(value)
        else:
            yield value
    yield objects or None


def _listed(value: Any) -> list[Any] | None:
    """The list of edits in a value: it itself, the only list in an object, or a single edit."""
    if isinstance(value, list):
        return value if any(isinstance(item, dict) for item in value) else None
    if not isinstance(value, dict):
        return None
    if "op" in value and "text" in value:
        return [value]
    lists = [inner for inner in value.values() if isinstance(inner, list)]
    return _listed(lists[0]) if len(lists) == 1 else None


def _item(item: Any) -> Proposal | Malformed:
    reason = _misfit(item)
    if reason:
        return Malformed(excerpt(json.dumps(item, ensure_ascii=False, default=str)), reason)
    rows = item.get("rows")
    numbers = [n for n in rows if type(n) is int and abs(n) < 10**6] if isinstance(rows, list) else []
    return Proposal(
        slot=item["slot"],
        op=item["op"],
        text=item.get("text") or "",
        hypothesis=excerpt(str(item.get("hypothesis") or ""), 300),
        rows=tuple(numbers),
    )


def _misfit(item: Any) -> str:
    """What is wrong with the form of a proposal; empty when nothing is."""
    if not isinstance(item, Mapping):
        return "is no object"
    if not isinstance(item.get("slot"), str) or not item["slot"]:
        return f"slot: got {show(item.get('slot'))}, expected the name of a part"
    if item.get("op") not in OPS:
        return f"op: got {show(item.get('op'))}, expected one of {', '.join(OPS)}"
    if not isinstance(item.get("text", ""), str | None):
        return f"text: got {show(item.get('text'))}, expected text"
    if bool((item.get("text") or "").strip()) == (item["op"] == "remove"):
        return "text: expected none with remove" if item["op"] == "remove" else "text: is empty"
    return ""
