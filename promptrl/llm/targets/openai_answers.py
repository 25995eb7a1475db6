"""Reads what a server answers with status 200: a completion, or a failure that stands in its place or beside it."""

import json
from collections.abc import Mapping
from typing import Any

from promptrl.llm.base import Completion, is_token_count
from promptrl.llm.targets.openai_faults import Failure, read_failure

UPSTREAM = 502
"""The status of a failure that names none."""
_FAILED = ("error", "failed", "abort", "cancelled", "canceled", "insufficient_system_resource", "timeout")
"""Words of reasons for which an answer ended before it was one."""
_FILTERED = ("content_filter", "safety", "recitation", "prohibited_content", "blocklist", "sensitive", "spii")
_CUT_OFF = frozenset({"max_tokens", "max_output_tokens", "model_length"})
"""Other names of the reason "length"."""


class NotAnAnswerError(ValueError):
    """The body is no chat completion; the message says what is wrong with it."""


def read_body(body: str) -> Any:
    """The JSON value of a body.

    Raises:
        NotAnAnswerError: It is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAnAnswerError(f"the answer is not JSON ({error})") from None


def read_answer(body: str, latency_s: float) -> Completion | Failure:
    """Take the completion out of a body; or the failure, wherever it stands.

    Raises:
        NotAnAnswerError: There is neither.
    """
    answer = read_body(body)
    answer = _mapping(answer[0] if isinstance(answer, list) and answer else answer)
    choices = answer.get("choices")
    # gateways send their upstream's failure with status 200, also beside half an answer
    if _is_failure(answer.get("error")):
        return _failure(answer["error"], body)
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    failure = choice.get("error") or _mapping(choice.get("message")).get("error")
    if _is_failure(failure) or any(word in _reason(choice) for word in _FAILED):
        return _failure(failure, json.dumps(choice))
    if not isinstance(choice.get("message"), dict):
        raise NotAnAnswerError("not a chat completion")
    return _completion(choice, _mapping(answer.get("usage")), latency_s)


def _completion(choice: Mapping[str, Any], usage: Mapping[str, Any], latency_s: float) -> Completion:
    reason = _reason(choice)
    text, fault = _said(choice["message"])
    is_filtered = any(word in reason for word in _FILTERED)
    return Completion(
        text=text,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        latency_s=latency_s,
        finish_reason=_finish_reason(choice),
        fault="content_filter" if is_filtered else fault,
    )


def _is_failure(error: object) -> bool:
    """Whether there is one: some servers send the place of an error without anything in it."""
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _failure(error: object, body: str) -> Failure:
    code = _mapping(error).get("code")
    return read_failure(code if type(code) is int and 400 <= code < 600 else UPSTREAM, body, {})


def _finish_reason(choice: Mapping[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    if _reason(choice) in _CUT_OFF:
        return "length"
    return reason if isinstance(reason, str) else None


def _reason(choice: Mapping[str, Any]) -> str:
    """Why the answer ended, lower case; some servers wrap it up, and gateways may know only their upstream's."""
    reason = choice.get("finish_reason") or choice.get("native_finish_reason")
    reason = _mapping(reason).get("type", reason)
    return reason.lower() if isinstance(reason, str) else ""


def _said(message: Mapping[str, Any]) -> tuple[str, str | None]:
    """What the message says, and what is wrong with it, if anything."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [_mapping(part).get("text") for part in content]
        content = "".join(part for part in parts if isinstance(part, str))
    if content is None:
        content = message.get("refusal")
    has_thoughts = bool(message.get("reasoning_content") or message.get("reasoning"))
    if not isinstance(content, str):
        return "", "only_thoughts" if has_thoughts else "empty"
    return content, "only_thoughts" if has_thoughts and not content else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and is_token_count(value) else None
