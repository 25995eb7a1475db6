"""The ``openai`` type of target: any endpoint that speaks the OpenAI chat protocol; ``openai_client.py`` asks it."""

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from promptrl.errors import Problem
from promptrl.llm.base import Target
from promptrl.llm.engine.prices import Price, price_of
from promptrl.llm.targets.definition import CalledTargetDefinition
from promptrl.settings import EnvironmentName, Setting

HeaderName = Annotated[str, Setting(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", expected="the name of an HTTP header")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAITargetDefinition(CalledTargetDefinition):
    """Any server that speaks the OpenAI chat completions protocol."""

    summary: ClassVar[str] = "Any OpenAI-compatible endpoint."
    billing: ClassVar[Literal["free", "billed", "unknown"]] = "billed"

    model: Annotated[str, Setting("Model name as the server knows it.", min_length=1)]
    base_url: Annotated[
        Annotated[str, Setting(expected="an http(s) address", is_private=True)] | None,
        Setting("Address up to and including /v1; null is api.openai.com."),
    ] = None
    api_key_env: Annotated[
        EnvironmentName | None,
        Setting("Environment variable that holds the key; null when the server wants none."),
    ] = "OPENAI_API_KEY"
    headers: Annotated[
        dict[HeaderName, EnvironmentName],
        Setting("Extra headers: header name to the environment variable that holds its value."),
    ] = field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with params, and with an address that is not http(s) or holds a password."""
        yield from CalledTargetDefinition.problems(self)
        if self.base_url is not None:
            yield from url_problems(self.base_url)

    def public_price(self) -> Price | None:
        """The list price of the model at this endpoint; None when the lists don't have it."""
        return price_of(self.model, self.base_url or os.environ.get("OPENAI_BASE_URL"))

    def open(self, code_folder: Path | None) -> Target:
        """Read the key and the headers from the environment."""
        from promptrl.llm.targets.openai_client import OpenAITarget

        return OpenAITarget(
            self.model,
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            headers=self.headers,
            timeout_s=self.timeout_s,
        )


def url_problems(url: str) -> Iterator[Problem]:
    """Yield what is wrong with the root of an API, without repeating any of it: it may hold a secret."""
    example = "example: http://localhost:11434/v1"
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        yield Problem("base_url", "is not a valid address", example)
        return
    if parts.scheme not in ("http", "https") or not has_host:
        yield Problem("base_url", "expected an http(s) address", example)
    elif parts.username is not None or parts.password is not None:
        yield Problem("base_url", "must not contain a user or password", "use api_key_env or headers")
    elif parts.query or parts.fragment:
        yield Problem("base_url", "has a query or fragment, expected the API's root", example)


def is_local(base_url: str) -> bool:
    """Whether the URL names this machine, its private network or a host without a domain: such servers need no key."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
