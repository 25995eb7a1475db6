"""Asks an endpoint that speaks the OpenAI chat protocol, through the ``openai`` client.

All of the client's errors are translated here. The client never retries; the engine does. Neither the key nor a header
value taken from the environment is ever part of a message or an answer, not even when the server sends it back: they
are hidden in every text, and the client's own exceptions, which hold the request with its headers, are not chained.
"""

import contextlib
import functools
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import openai

from promptrl.errors import ConfigError, Problem, TargetError
from promptrl.llm.base import (
    Completion,
    Messages,
    QuestionBlockedError,
    QuestionRefusedError,
    TransientError,
    excerpt,
    refused,
)
from promptrl.llm.targets.base_url import is_local, proxy_of, url_problems
from promptrl.llm.targets.definition import RESERVED_PARAMS
from promptrl.llm.targets.echoes import Echoes
from promptrl.llm.targets.openai_answers import NotAnAnswerError, read_answer
from promptrl.llm.targets.openai_faults import Failure, read_failure
from promptrl.llm.targets.openai_transport import RedirectedError, make_http_client
from promptrl.llm.targets.variables import named, read_variable

_DEFAULT_URL = "https://api.openai.com/v1"
_DUMMY_KEY = "none"
_OWN_PARAMS = frozenset(RESERVED_PARAMS)
_POOL_SIZE = 16
"""Connections of one client: it looks through all of its connections at every request, which grows dear from here."""
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"})


class OpenAITarget:
    """Asks a chat model over HTTP.

    Parameters are passed on as they are, so ``response_format`` and a server's own ones (``top_k``) work too.
    ``max_tokens`` is sent as ``max_completion_tokens`` once the server has asked for that. Thoughts that the server
    sends apart (``reasoning_content``) are no part of the answer; an answer of thoughts alone is the fault
    "only_thoughts". No redirect to another origin is followed: it would get the key and the prompts.

    Args:
        model: Name as the server knows it.
        base_url: The API's root (``http://localhost:8000/v1``); None means ``OPENAI_BASE_URL`` or OpenAI's own.
        api_key_env: Environment variable with the key; None when the server wants none.
        headers: Further headers: name to the environment variable that holds the value.
        query: What follows the ``?`` of every address, as ``api-version`` for Azure.
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
        query: Mapping[str, str] | None = None,
        timeout_s: float = 60,
    ) -> None:
        self.model = model
        self.base_url = base_url or os.environ.get("OPENAI_BASE_URL") or _DEFAULT_URL
        self._key_name = api_key_env
        problems = [Problem("target.base_url", p.message, p.hint) for p in url_problems(self.base_url)]
        needs_no_key = api_key_env is None or (not problems and is_local(self.base_url))
        key = read_variable("target.api_key_env", api_key_env, problems, default=_DUMMY_KEY if needs_no_key else None)
        values = {
            name: read_variable(f"target.headers.{name}", variable, problems)
            for name, variable in (headers or {}).items()
        }
        if problems:
            raise ConfigError(problems)
        self._echoes = Echoes({key, *values.values()} - {_DUMMY_KEY})
        self._query = dict(query or {})
        self._renames_max_tokens = False
        self._make_client = functools.partial(
            openai.AsyncOpenAI,
            api_key=key,
            base_url=self.base_url,
            default_headers=values,
            default_query=self._query,
            timeout=timeout_s,
            max_retries=0,
        )
        self._timeout_s = timeout_s
        self._pools: list[_Pool] = []

    @property
    def identity(self) -> str:
        """Changes with the endpoint and the model's name, not with key or headers."""
        query = f"?{urlencode(sorted(self._query.items()))}" if self._query else ""
        return f"openai:{self.base_url.rstrip('/')}{query}:{self.model}"

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Ask once.

        Raises:
            TransientError: Status 408, 409, 429, 5xx, a reset, a timeout, an answer that is no chat completion or
                reports a failure, or the server's wish for another name of ``max_tokens``.
            QuestionRefusedError: Status 400 or 422, and nothing says whether it is about this question alone.
            QuestionBlockedError: Another status, or a page, that may be a firewall's.
            TargetError: Any other status, unless it says that the prompt is too long or filtered; or a redirect.
            ConfigError: ``params`` holds a name that promptrl sets itself.
        """
        body = self._body(params)
        chat = [{"role": message.role, "content": encodable(message.content)} for message in messages]
        # as ``chat.completions.create``, without its checks of every field and the model it makes of the answer
        return await self._ask("/chat/completions", {"messages": chat, "model": self.model, **body}, body)

    async def _ask(self, path: str, question: Mapping[str, Any], body: Mapping[str, Any]) -> Completion:
        """Send a question and read the answer; raises as ``complete`` does.

        Args:
            path: Of the endpoint, below the API's root.
            question: What is sent.
            body: The part of it that came from the parameters, for what the server says of them.
        """
        started = time.perf_counter()
        try:
            with self._pool().used() as client:
                text = await client.post(path, cast_to=str, body=question)
        except openai.APIStatusError as error:
            said = read_failure(error.status_code, error.response.text, error.response.headers)
            end = self._translate(said, body)
        except openai.APIConnectionError as error:
            end = self._translate_connection(error)
        except RedirectedError as error:
            end = self._redirected(error)
        else:
            end = self._read(text, time.perf_counter() - started, body)
        if isinstance(end, Completion):
            return end
        raise end

    async def aclose(self) -> None:
        """Close all pools of connections; attempts under way are cut off."""
        for pool in self._pools:
            await pool.client.close()

    def _pool(self) -> "_Pool":
        """The first pool with room, so that connections are used again; one more when all are full."""
        for pool in self._pools:
            if pool.in_use < _POOL_SIZE:
                return pool
        http_client = make_http_client(self._timeout_s)
        self._pools.append(_Pool(self._make_client(http_client=http_client)))
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

    def _translate(self, failure: Failure, params: Mapping[str, Any]) -> Completion | Exception:
        verdict = failure.verdict(params)
        message = f"{self._place()}: {failure.status}: {self._clean(failure.text)}"
        if verdict in ("context_overflow", "content_filter"):
            return refused(verdict)
        if verdict == "transient":
            return TransientError(failure.kind, message, failure.pause_s, may_be_billed=False)
        if verdict == "rename_max_tokens":
            self._renames_max_tokens = True
            return TransientError("parameter", message, 0.0, may_be_billed=False)
        if verdict == "undecided":
            return QuestionRefusedError(message)
        hint = failure.hint or self._hint_of_status(failure)
        kind = QuestionBlockedError if verdict == "blocked" else TargetError
        return kind(f"{message} ({hint})" if hint else message)

    def _hint_of_status(self, failure: Failure) -> str:
        if failure.status in (401, 403):
            if not self._key_name:
                return "no key was sent"
            doubt = "" if failure.status == 401 else ": it may lack a right, or be revoked"
            return f"the key comes from {named(self._key_name)}{doubt}"
        path = urlsplit(self.base_url).path
        is_bare = failure.status in (404, 405) and not re.search(
            rf"model|\b{re.escape(self.model)}\b", failure.text, re.I
        )
        if is_bare and not path.strip("/"):
            return "there is no such path: most servers want /v1 at the end of target.base_url"
        return "there is no such path: target.base_url must be the API's root" if is_bare else ""

    def _redirected(self, error: RedirectedError) -> TargetError:
        message = f"{self._place()}: {error.status}: it sends on to {self._clean(error.origin)}"
        way_out = "not followed, for it would get the key and the prompts; if it is right, write it as target.base_url"
        return TargetError(f"{message} ({way_out})")

    def _translate_connection(self, error: openai.APIConnectionError) -> Exception:
        cause = error.__cause__
        if isinstance(cause, RedirectedError):  # older clients wrap it
            return self._redirected(cause)
        kind = "timeout" if isinstance(error, openai.APITimeoutError) else "connection"
        detail = f"{type(cause).__name__}: {cause}" if cause else str(error)
        was_sent = type(cause).__name__ not in _NEVER_SENT
        return TransientError(kind, f"{self._place()}: {self._clean(detail)}", may_be_billed=was_sent)

    def _read(self, text: str, latency_s: float, params: Mapping[str, Any]) -> Completion | Exception:
        try:
            answer = self._read_answer(text, latency_s)
        except NotAnAnswerError as error:
            return TransientError("server", f"{self._place()}: {error}: {self._clean(text)}")
        if isinstance(answer, Failure):
            return self._translate(answer, params)
        hidden = self._echoes.hidden_in_answer
        reason = answer.finish_reason
        return replace(answer, text=hidden(answer.text), finish_reason=reason and hidden(reason))

    def _read_answer(self, text: str, latency_s: float) -> Completion | Failure:
        """Raises ``NotAnAnswerError`` where there is neither."""
        return read_answer(text, latency_s)

    def _place(self) -> str:
        place = f"{self.model} at {self.base_url}"
        proxy = proxy_of(self.base_url) if is_local(self.base_url) else None
        return f"{place}, through the proxy of {proxy} (NO_PROXY leaves it out)" if proxy else place

    def _clean(self, text: str) -> str:
        """A line for a message, without any secret."""
        return excerpt(self._echoes.hidden_in_message(text), 300)


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


def encodable(text: str) -> str:
    """The text with lone surrogates, which no server can read, replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
