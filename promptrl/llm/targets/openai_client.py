"""Asks an endpoint that speaks the OpenAI chat protocol, through the ``openai`` client.

All of the client's errors are translated here. The client never retries; the engine does. Neither the key nor a header
value taken from the environment is ever part of a message or an answer, not even when the server sends it back: they
are scrubbed from every text, and the client's own exceptions, which hold the request with its headers, are not chained.
"""

import contextlib
import email.utils
import functools
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import openai

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.base import MOST_TOKENS, Completion, Messages, TransientError, excerpt
from promptrl.llm.targets.base_url import is_local, url_problems
from promptrl.llm.targets.definition import RESERVED_PARAMS

_DEFAULT_URL = "https://api.openai.com/v1"
_DUMMY_KEY = "none"
_OWN_PARAMS = frozenset(RESERVED_PARAMS)
_KINDS = {408: "timeout", 409: "conflict", 429: "rate_limit", 503: "overloaded", 529: "overloaded"}
_POOL_SIZE = 16
"""Connections of one client: it looks through all of its connections at every request, which grows dear from here."""
_OVERFLOW = re.compile(
    r"context.?(length|window|size)|maximum.{0,20}(context|prompt|input|model) ?(length|tokens)"
    r"|(prompt|input) is too long|too many (input )?tokens|token count.{0,30}exceeds",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content.?(filter|policy|management)|ResponsibleAI", re.IGNORECASE)
_NO_QUOTA = re.compile(r"insufficient_quota|billing_hard_limit|exceeded your current quota", re.IGNORECASE)
_KEY_LIKE = re.compile(r"\b(sk-|Bearer\s+)[^\s\"',}]+")
_MAX_TOKENS_RENAMED = re.compile(r"max_tokens.{0,80}max_completion_tokens", re.IGNORECASE | re.DOTALL)
_UNSUPPORTED = re.compile(
    r"(?:unsupported|unrecognized|unknown|unexpected)(?:[^']{0,40}'(?:body\.)?|[^:]{0,40}supplied: )(\w+)",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 8
"""Shorter values of headers (a region, a tenant's number) are no secret, and may well stand in an answer."""
_THOUGHTS_END = "</think>"
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})


class OpenAITarget:
    """Asks a chat model over HTTP.

    Parameters are passed on as they are, so ``response_format`` and a server's own ones (``top_k``) work too.
    ``max_tokens`` is sent as ``max_completion_tokens`` once the server has asked for that. What a model thinks before
    it answers is no part of the answer, whether the server sends it apart (``reasoning_content``) or before a
    ``</think>``; an answer of thoughts alone is the fault "only_thoughts".

    Args:
        model: Name as the server knows it.
        base_url: The API's root (``http://localhost:8000/v1``); None means ``OPENAI_BASE_URL`` or OpenAI's own.
        api_key_env: Environment variable with the key; None when the server wants none.
        headers: Further headers: name to the environment variable that holds the value.
        timeout_s: Longest silence of the server; the engine limits the whole attempt.

    Raises:
        ConfigError: The URL can't be used; or a variable is not set, except the key's for a server on this machine or
            network.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str | None = "OPENAI_API_KEY",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60,
    ) -> None:
        self.model = model
        self.base_url = base_url or os.environ.get("OPENAI_BASE_URL") or _DEFAULT_URL
        self._key_name = api_key_env
        problems = [Problem("target.base_url", p.message, p.hint) for p in url_problems(self.base_url)]
        key = _read_key(api_key_env, _DUMMY_KEY if not problems and is_local(self.base_url) else None, problems)
        values = {name: _read_header(name, variable, problems) for name, variable in (headers or {}).items()}
        if problems:
            raise ConfigError(problems)
        self._secrets = sorted({key, *values.values()} - {_DUMMY_KEY, ""}, key=len, reverse=True)
        self._renames_max_tokens = False
        self._make_client = functools.partial(
            openai.AsyncOpenAI,
            api_key=key,
            base_url=self.base_url,
            default_headers=values,
            timeout=timeout_s,
            max_retries=0,
        )
        self._pools: list[_Pool] = []

    @property
    def identity(self) -> str:
        """Changes with the endpoint and the model's name, not with key or headers."""
        return f"openai:{self.base_url.rstrip('/')}:{self.model}"

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Ask once.

        Raises:
            TransientError: Status 408, 409, 429, 5xx, a reset, a timeout, an answer that is no chat completion, or the
                server's wish for another name of ``max_tokens``.
            TargetError: Any other status, unless it says that the prompt is too long or filtered.
            ConfigError: ``params`` holds a name that promptrl sets itself.
        """
        body = self._body(params)
        chat = [{"role": message.role, "content": _encodable(message.content)} for message in messages]
        started = time.perf_counter()
        try:
            with self._pool().used() as client:
                # as ``chat.completions.create``, without its checks of every field and the model it makes of the answer
                question = {"messages": chat, "model": self.model, **body}
                text = await client.post("/chat/completions", cast_to=str, body=question)
        except openai.APIStatusError as error:
            fault = self._translate(error.status_code, _text_of(error), _retry_after_s(error.response.headers), body)
        except openai.APIConnectionError as error:
            fault = self._translate_connection(error)
        else:
            fault = self._completion(text, time.perf_counter() - started)
        if isinstance(fault, Completion):
            return fault
        raise fault

    async def aclose(self) -> None:
        """Close all pools of connections; attempts under way are cut off."""
        for pool in self._pools:
            await pool.client.close()

    def _pool(self) -> "_Pool":
        """The first pool with room, so that connections are used again; one more when all are full."""
        for pool in self._pools:
            if pool.in_use < _POOL_SIZE:
                return pool
        self._pools.append(_Pool(self._make_client()))
        return self._pools[-1]

    def sent_params(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters by the names under which they are sent, as far as the server has asked for others."""
        return self._body(params)

    def _body(self, params: Mapping[str, Any]) -> dict[str, Any]:
        own = sorted(_OWN_PARAMS & set(params))
        if own:
            raise ConfigError([Problem(f"target.params.{name}", "can't be set, promptrl sets it") for name in own])
        body = {name: value for name, value in params.items() if value is not None}
        if self._renames_max_tokens and "max_tokens" in body:
            body["max_completion_tokens"] = body.pop("max_tokens")
        return body

    def _translate(
        self, status: int, text: str, retry_after_s: float | None, body: Mapping[str, Any]
    ) -> Completion | Exception:
        message = f"{self._place()}: {status}: {self._clean(text)}"
        if status == 429 and _NO_QUOTA.search(text):
            return TargetError(message)
        if status in (400, 413, 422, 500) and (status == 413 or _OVERFLOW.search(text)):  # 500: llama.cpp before 2025
            return Completion("", fault="context_overflow")
        if status in _KINDS or status >= 500:
            return TransientError(_KINDS.get(status, "server"), message, retry_after_s, may_be_billed=False)
        if status in (400, 422):
            if "max_tokens" in body and _MAX_TOKENS_RENAMED.search(text):
                self._renames_max_tokens = True
                return TransientError("parameter", message, 0.0, may_be_billed=False)
            if _FILTERED.search(text):
                return Completion("", fault="content_filter")
            if found := _UNSUPPORTED.search(text):
                message += f" (target.params.{found[1]}: null leaves it out)"
        if status in (401, 403):
            message += f" (the key comes from {self._key_name})" if self._key_name else " (no key was sent)"
        return TargetError(message)

    def _translate_connection(self, error: openai.APIConnectionError) -> TransientError:
        cause = error.__cause__
        kind = "timeout" if isinstance(error, openai.APITimeoutError) else "connection"
        detail = f"{type(cause).__name__}: {cause}" if cause else str(error)
        was_sent = type(cause).__name__ not in _NEVER_SENT
        return TransientError(kind, f"{self._place()}: {self._clean(detail)}", may_be_billed=was_sent)

    def _completion(self, text: str, latency_s: float) -> Completion | Exception:
        try:
            answer = json.loads(text)
        except ValueError as error:
            return TransientError("server", f"{self._place()}: the answer is not JSON ({error}): {self._clean(text)}")
        answer = _mapping(answer)
        choices, failure = answer.get("choices", "missing"), answer.get("error")
        if failure and (not choices or choices == "missing"):  # gateways send their upstream's failure with status 200
            code = failure.get("code") if isinstance(failure, dict) else None
            return self._translate(code if isinstance(code, int) else 502, str(failure), None, {})
        usage = _mapping(answer.get("usage"))
        tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        if not choices:
            return Completion("", *tokens, latency_s, fault="empty")
        choice = _mapping(choices[0]) if isinstance(choices, list) else {}
        if not isinstance(choice.get("message"), dict):
            return TransientError("server", f"{self._place()}: not a chat completion: {self._clean(text)}")
        finish_reason = choice.get("finish_reason")
        said, fault = _said(choice["message"])
        return Completion(
            text=self._scrub(said),
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            latency_s=latency_s,
            finish_reason=self._scrub(finish_reason) if isinstance(finish_reason, str) else None,
            fault="content_filter" if finish_reason == "content_filter" else fault,
        )

    def _place(self) -> str:
        return f"{self.model} at {self.base_url}"

    def _scrub(self, text: str) -> str:
        """What was said, without secrets long enough not to stand there by chance."""
        for secret in self._secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return text

    def _clean(self, text: str) -> str:
        """A line for a message, without any secret, also where it is written with the escapes of JSON."""
        for secret in self._secrets:
            text = re.sub("".join(map(_escaped, secret)), "***", text)
        return excerpt(_KEY_LIKE.sub("***", text), 300)


class _Pool:
    """A client of the ``openai`` package and how many requests use it now."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self.client = client
        self.in_use = 0

    @contextlib.contextmanager
    def used(self) -> Iterator[openai.AsyncOpenAI]:
        self.in_use += 1
        try:
            yield self.client
        finally:
            self.in_use -= 1


def _read_key(variable: str | None, default: str | None, problems: list[Problem]) -> str:
    if variable is None:
        return _DUMMY_KEY
    key = os.environ.get(variable, "").strip() or default
    if key is None:
        problems.append(Problem("target.api_key_env", f"the environment variable {variable} is not set"))
    elif not (key.isascii() and key.isprintable()):
        problems.append(Problem("target.api_key_env", f"{variable} holds characters that no key has"))
    return key or ""


def _read_header(name: str, variable: str, problems: list[Problem]) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        problems.append(Problem(f"target.headers.{name}", f"the environment variable {variable} is not set"))
    elif not (value.isascii() and value.isprintable()):
        problems.append(Problem(f"target.headers.{name}", f"{variable} holds characters that no header has"))
    return value


def _escaped(char: str) -> str:
    """A pattern for a character as such, or with one of the escapes that JSON has for it."""
    return rf"(?:\\?{re.escape(char)}|\\u(?i:{ord(char):04x}))"


def _text_of(error: openai.APIStatusError) -> str:
    has_message = isinstance(error.body, dict) and isinstance(error.body.get("message"), str)
    return f"{error.message} {error.code or ''}" if has_message else f"{error.message} {error.response.text}"


def _said(message: Mapping[str, Any]) -> tuple[str, str | None]:
    """What the message says, without thoughts; and what is wrong with it, if anything."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [_mapping(part).get("text") for part in content]
        content = "".join(part for part in parts if isinstance(part, str))
    if content is None:
        content = message.get("refusal")
    has_thoughts = bool(message.get("reasoning_content") or message.get("reasoning"))
    if not isinstance(content, str):
        return "", "only_thoughts" if has_thoughts else "empty"
    _, end, answer = content.partition(_THOUGHTS_END)
    if end:
        return answer.lstrip(), None
    if (not content and has_thoughts) or content.lstrip().startswith("<think>"):
        return "", "only_thoughts"
    return content, None


def _encodable(text: str) -> str:
    """The text with lone surrogates, which no server can read, replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    for name, seconds in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * seconds)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError):
        return None
