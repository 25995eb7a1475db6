"""Reads what a judge says: a number of points or which answer is better, as JSON if it can, else as it comes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptrl.tasks.strict_json import read_json_at

_BRACE = re.compile(r"\{")
_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*(?:(?:/|of|out of)\s*(\d+))?(?:\s*points?)?\s*\.?\s*", re.IGNORECASE)
_LOOSE = r"""["'*_`]*{key}["'*_`]*\s*(?:[:=]|\bis\b)[\s"'*_`]*"""
_LOOSE_NUMBER = re.compile(_LOOSE.format(key="(?:score|points|grade|rating)") + r"([+-]?\d+(?:\.\d+)?)", re.IGNORECASE)
_LOOSE_CHOICE = re.compile(_LOOSE.format(key="(?:better|winner)") + r"(first|second|equal)\b", re.IGNORECASE)
_SCORE_KEYS = ("score", "points", "grade", "rating")
_CHOICE_KEYS = ("better", "winner")
_CHOICES = {"first": 1.0, "1": 1.0, "second": 0.0, "2": 0.0, "equal": 0.5, "tie": 0.5, "neither": 0.5}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a judge said of one answer.

    Attributes:
        points: The points, or 1, 0 or .5 for the first, the second, neither; None where it could not or did not tell.
        reason: Why, in its words: hostile text.
    """

    points: float | None
    reason: str = ""


def read_points(text: str, most: int) -> Reply:
    """The points from 1 to ``most`` that a judge gave; what is outside of that tells nothing."""
    found = _told(text, _SCORE_KEYS)
    if found is None:
        bare = _NUMBER.fullmatch(text.strip().strip("*_`\"'"))
        number = _points(bare[0] if bare else _only(_LOOSE_NUMBER, text), most)
        return Reply(number)
    return Reply(_points(_value(found, _SCORE_KEYS), most), _reason(found))


def read_choice(text: str) -> Reply:
    """Which of two answers a judge found better: 1 for the first, 0 for the second, .5 where they are equal."""
    found = _told(text, _CHOICE_KEYS)
    if found is None:
        bare = text.strip().strip("*_`\"'.").lower()
        return Reply(_CHOICES.get(bare, _CHOICES.get(str(_only(_LOOSE_CHOICE, text)))))
    return Reply(_CHOICES.get(str(_value(found, _CHOICE_KEYS)).strip().lower()), _reason(found))


def _told(text: str, keys: tuple[str, ...]) -> Mapping[str, Any] | None:
    """The last JSON object in the text that has one of the keys, in lower case: a judge may quote before it answers."""
    last = None
    for found in _objects(text):
        lowered = {str(key).strip().lower(): value for key, value in found.items()}
        if any(key in lowered for key in keys):
            last = lowered
    return last


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text that are in no other; with commas too many, as models write them."""
    text = re.sub(r",(\s*})", r"\1", text)
    at = 0
    while (brace := _BRACE.search(text, at)) is not None:
        try:
            value, at = read_json_at(text, brace.start())
        except (ValueError, RecursionError):
            at = brace.end()
            continue
        if isinstance(value, dict):
            yield value


def _value(found: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next(found[key] for key in keys if key in found)


def _reason(found: Mapping[str, Any]) -> str:
    said = next((found[key] for key in ("reason", "explanation", "why") if found.get(key)), "")
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def _points(value: Any, most: int) -> float | None:
    """A number from 1 to ``most``, written as one or as text such as "4/5"; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    match = _NUMBER.fullmatch(str(value))
    if match is None or (match[2] and int(match[2]) != most):
        return None
    points = float(match[1])
    return points if 1 <= points <= most else None


def _only(pattern: re.Pattern[str], text: str) -> str | None:
    """What a pattern finds in a text where that is one and the same everywhere: of two verdicts none counts."""
    found = {match.lower() for match in pattern.findall(text)}
    return found.pop() if len(found) == 1 else None
