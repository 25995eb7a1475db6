"""What a failure that a server reports means: a refusal is data, a fault that may pass is retried, the rest is final.

The status decides, then the codes and the wish for a pause that stand in headers or body; words come last, for they
are those of another people's product and change.
"""

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptrl.llm.targets.definition import RESERVED_PARAMS

FaultKind = Literal[
    "context_overflow", "content_filter", "transient", "final", "undecided", "blocked", "rename_max_tokens"
]
"""The first two are faults of a completion; "undecided": a refusal of this question, or of what all have in common;
"blocked": likewise, but not by the API."""

_KINDS = {
    408: "timeout",
    409: "conflict",
    424: "server",
    425: "server",
    429: "rate_limit",
    498: "overloaded",
    503: "overloaded",
    529: "overloaded",
}
"""Statuses of faults that may pass, with those that servers of models have made up: 424, 498, 529."""
_LONGEST_S = 1e9
_DEEPEST = 8
"""Levels of a body that are looked at."""
_CODE_KEYS = frozenset({"code", "type", "status", "reason"})
_PAUSE_KEYS = {"retrydelay": 1.0, "retryafter": 1.0, "retryafterseconds": 1.0, "retryafterms": 1e-3}
_UNIT_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_OVERFLOW = re.compile(
    r"context.?(length|window|size)|maximum.{0,20}(context|prompt|input|model) ?(length|tokens)"
    r"|(prompt|input) is too long|too many (input )?tokens|token count.{0,30}exceeds",
    re.IGNORECASE,
)
_FILTER_CODES = re.compile(
    r"content.?(filter|policy|management|moderation|exists.?risk)|responsible.?ai|invalid_prompt|data.?inspection"
    r"|moderation|prohibited_content|sensitive_words",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    rf"{_FILTER_CODES.pattern}|content exists risk|(inappropriate|harmful|unsafe|sensitive) content|\bflagged\b",
    re.IGNORECASE,
)
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NO_QUOTA = re.compile(r"insufficient_quota|billing_hard_limit|exceeded your current quota", re.IGNORECASE)
_BUSY_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "overloaded_error"})
_MAX_TOKENS_RENAMED = re.compile(r"max_tokens.{0,80}max_completion_tokens", re.IGNORECASE | re.DOTALL)
_UNSUPPORTED = re.compile(
    r"(?:unsupported|unrecognized|unknown|unexpected)(?:[^']{0,40}'(?:body\.)?|[^:]{0,40}supplied: )(\w+)",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(
    r"(system|developer)\W{0,3}\s*(role|message|prompt|instruction)s?\W.{0,40}"
    r"(not|un)\s?(be )?(supported|enabled|allowed)"
    r"|role.{0,40}(not|un)\s?support(ed)?.{0,20}\W(system|developer)\b",
    re.IGNORECASE,
)
_OF_ALL = re.compile(
    r"\bkeys?\b|\btokens?\b|credential|permission|authenti|authori[sz]|account|billing|payment|credit|balance"
    r"|subscri|\bplan\b|quota|\bregion|countr|territor|organi[sz]ation|\bproject|\bmodels?\b|deployment|suspend|disabled",
    re.IGNORECASE,
)
"""What an API speaks of that refuses whoever asks, or what all questions share."""
_PAGE = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
_OF_THE_KEY = frozenset({401, 402, 407})
_PAUSE_IN_WORDS = re.compile(
    r"(?:retry|try again) (?:in|after) ((?:\d+(?:\.\d+)?\s?(?:ms|h|m|s)[a-z]*\s?)+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What a server said instead of an answer.

    Attributes:
        status: HTTP status, or the code in the body of a 200 that reports an upstream's failure.
        text: Its words, as they came.
        codes: Codes and types in the body, lower case.
        pause_s: Seconds after which it wants to be asked again; None when it does not say.
    """

    status: int
    text: str
    codes: frozenset[str]
    pause_s: float | None

    @property
    def kind(self) -> str:
        """Short name of the cause, for what is retried."""
        return _KINDS.get(self.status, "rate_limit" if self.codes & _BUSY_CODES else "server")

    def verdict(self, params: Mapping[str, Any]) -> FaultKind:
        """What it means for a question that was sent with these parameters."""
        is_of_question = self.status in (400, 403, 413, 422, 451)
        if self.status == 413 or (self.status in (400, 422, 500) and _OVERFLOW.search(self._all_words)):
            return "context_overflow"  # 500: llama.cpp before 2025
        if self.status == 451 or (is_of_question and any(_FILTER_CODES.search(code) for code in self.codes)):
            return "content_filter"
        if self._lacks_quota:
            return "final"
        if self.pause_s is not None or self.codes & _BUSY_CODES or self.status in _KINDS or self.status >= 500:
            return "transient"
        if self.status in _OF_THE_KEY:
            return "final"
        if _PAGE.match(self.text):
            return "blocked"
        return self._verdict_of_words(params) if is_of_question else self._verdict_of_status()

    @property
    def hint(self) -> str:
        """What the user can do about a refusal of what all questions have in common; empty when nothing is known."""
        if _NO_SYSTEM.search(self.text):
            return "this model takes no system message: give prompt.text with its placeholders, which goes to the user"
        found = _UNSUPPORTED.search(self.text)
        is_parameter = found is not None and found[1] not in RESERVED_PARAMS
        return f"target.params.{found[1]}: null leaves it out" if found and is_parameter else ""

    @property
    def _all_words(self) -> str:
        return f"{self.text} {' '.join(self.codes)}"

    @property
    def _lacks_quota(self) -> bool:
        if self.codes & _QUOTA_CODES:
            return True
        says_nothing_else = self.pause_s is None and not self.codes
        return self.status == 429 and says_nothing_else and bool(_NO_QUOTA.search(self.text))

    def _verdict_of_words(self, params: Mapping[str, Any]) -> FaultKind:
        if self.status in (400, 422):
            if "max_tokens" in params and _MAX_TOKENS_RENAMED.search(self.text):
                return "rename_max_tokens"
            if self.hint or _UNSUPPORTED.search(self.text):
                return "final"
        if _FILTERED.search(self.text):
            return "content_filter"
        return "undecided" if self.status in (400, 422) else self._verdict_of_status()

    def _verdict_of_status(self) -> FaultKind:
        return "final" if _OF_ALL.search(self._all_words.replace("_", " ")) else "blocked"


def read_failure(status: int, body: str, headers: Mapping[str, str]) -> Failure:
    """Read what a server said, in whatever form."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    values = list(_values(content))
    codes = frozenset(value.lower() for key, value in values if key in _CODE_KEYS and isinstance(value, str))
    pauses = [
        _pause_in_headers(headers),
        *(_seconds(value, key) for key, value in values if _folded(key) in _PAUSE_KEYS),
    ]
    said = _PAUSE_IN_WORDS.search(body)
    pauses.append(_duration_s(said[1]) if said else None)
    return Failure(status, _words(content) or body, codes, next((pause for pause in pauses if pause is not None), None))


def _values(content: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Keys and plain values of a body, from the outside in."""
    if depth > _DEEPEST:
        return
    if isinstance(content, list):
        for item in content:
            yield from _values(item, depth + 1)
    elif isinstance(content, dict):
        yield from ((key, value) for key, value in content.items() if isinstance(value, str | int | float))
        for value in content.values():
            yield from _values(value, depth + 1)


def _words(content: object) -> str:
    """The message of an error, with its code; empty when it stands in no place that is known."""
    content = content[0] if isinstance(content, list) and content else content
    error = content.get("error", content) if isinstance(content, dict) else content
    if isinstance(error, str):
        return error
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return ""
    code = error.get("code")
    return f"{error['message']} {code}" if isinstance(code, str) else str(error["message"])


def _folded(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "")


def _seconds(value: object, key: str) -> float | None:
    if isinstance(value, str):
        return _duration_s(value) if not _is_number(value) else float(value) * _PAUSE_KEYS[_folded(key)]
    return value * _PAUSE_KEYS[_folded(key)] if isinstance(value, int | float) and 0 <= value < _LONGEST_S else None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()) is not None


def _duration_s(text: str) -> float | None:
    """Seconds in "1.5s", "6m0s" or "120ms"; None when it is none of the kind."""
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)\s?(ms|h|m|s)", text, re.IGNORECASE)
    return sum(float(number) * _UNIT_S[unit.lower()] for number, unit in parts) if parts else None


def _pause_in_headers(headers: Mapping[str, str]) -> float | None:
    for name, seconds in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if _is_number(headers.get(name, "")):
            return float(headers[name]) * seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
