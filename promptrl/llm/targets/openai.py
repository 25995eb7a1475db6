"""The ``openai`` type of target: any endpoint that speaks the OpenAI chat protocol; ``openai_client.py`` asks it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from promptrl.errors import Problem
from promptrl.llm.base import Target
from promptrl.llm.engine.prices import Price, price_of
from promptrl.llm.targets.base_url import url_problems
from promptrl.llm.targets.definition import CalledTargetDefinition
from promptrl.settings import EnvironmentName, Setting

if TYPE_CHECKING:
    from promptrl.llm.targets.openai_client import OpenAITarget

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

    query: Annotated[
        dict[Annotated[str, Setting(min_length=1)], str],
        Setting("What follows the `?` of every address, such as `api-version`; no place for a key."),
    ] = field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with params, and with an address that is not http(s) or holds a password."""
        yield from CalledTargetDefinition.problems(self)
        if self.base_url is not None:
            yield from url_problems(self.base_url)

    def lacks(self) -> Iterator[Problem]:
        """An address in the environment that is none, where the config gives none; it is not repeated."""
        url = os.environ.get("OPENAI_BASE_URL")
        if self.base_url is None and url:
            for problem in url_problems(url):
                yield replace(problem, message=f"the environment variable OPENAI_BASE_URL {problem.message}")

    def public_price(self) -> Price | None:
        """The list price of the model at this endpoint; None when the lists don't have it."""
        return price_of(self.model, self.base_url or os.environ.get("OPENAI_BASE_URL"))

    def open(self, code_folder: Path | None) -> Target:
        """Read the key and the headers from the environment."""
        from promptrl.llm.targets.openai_client import OpenAITarget

        return self._open(OpenAITarget)

    def _open(self, client: "type[OpenAITarget]") -> "OpenAITarget":
        return client(
            self.model,
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            headers=self.headers,
            query=self.query,
            timeout_s=self.timeout_s,
        )
