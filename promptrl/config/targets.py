"""The ``target`` block: which model runs the prompt, and how it is called."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from promptrl.config.blocks import (
    Block,
    Count,
    EnvironmentName,
    Expect,
    Function,
    Issue,
    Number,
    PathText,
    Text,
    Whole,
    show,
)

DEFAULT_MAX_TOKENS = 256
RESERVED_PARAMS = ("messages", "model", "n", "stream", "stream_options")

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), Expect("the name of an HTTP header")]


class PriceConfig(Block):
    """What the target costs, where promptrl does not know it."""

    input_per_million: Number = Field(ge=0, description="US dollars for a million prompt tokens.")
    output_per_million: Number = Field(ge=0, description="US dollars for a million completion tokens.")


class TargetBlock(Block):
    """What every kind of target takes."""

    params: Annotated[dict[str, Any], Expect("a mapping of sampling parameters")] = Field(
        default={"temperature": 0, "max_tokens": DEFAULT_MAX_TOKENS},
        description="Sampling parameters by the OpenAI names, sent as they are. `temperature` is 0 and `max_tokens` "
        f"(or `max_completion_tokens`) is {DEFAULT_MAX_TOKENS} unless given; null leaves a parameter out.",
    )
    timeout_s: Number = Field(default=60, gt=0, le=86_400, description="Seconds after which one attempt is given up.")
    max_retries: Whole = Field(default=5, ge=0, le=100, description="Further attempts after a transient fault.")
    price: PriceConfig | None = Field(
        default=None, description="Price of the target; null takes it from the table of public prices."
    )

    @field_validator("params")
    @classmethod
    def _fill_params(cls, params: dict[str, Any]) -> dict[str, Any]:
        """Fill in what the user left out."""
        filled = {"temperature": 0, **params}
        if "max_completion_tokens" not in filled:
            filled.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
        return filled

    @property
    def request_params(self) -> dict[str, Any]:
        """The parameters to send: those that are null are left out."""
        return {key: value for key, value in self.params.items() if value is not None}

    def issues(self) -> Iterator[Issue]:
        """Check the parameters whose meaning is common to all servers."""
        sent = self.request_params
        for key in RESERVED_PARAMS:
            if key in sent:
                yield Issue(("params", key), "is set by promptrl itself", "remove it")
        for key, low, high in (("temperature", 0, 2), ("top_p", 0, 1)):
            if key in sent and not (_is_number(sent[key]) and low <= sent[key] <= high):
                yield Issue(("params", key), f"got {show(sent[key])}, expected a number from {low} to {high}")
        for key in ("max_tokens", "max_completion_tokens"):
            if key in sent and not (type(sent[key]) is int and sent[key] >= 1):
                yield Issue(("params", key), f"got {show(sent[key])}, expected a whole number of at least 1")


class CalledTargetBlock(TargetBlock):
    """What targets take that are asked one question at a time, unlike a model that generates in batches."""

    concurrency: Count = Field(default=16, le=1024, description="Most calls in flight at one time.")
    requests_per_minute: Count | None = Field(
        default=None, description="Most attempts sent in any 60 seconds; null: as fast as the server allows."
    )
    tokens_per_minute: Count | None = Field(
        default=None, description="Most tokens in and out of any 60 seconds; null: as many as the server allows."
    )


class OpenAITargetConfig(CalledTargetBlock):
    """Any server that speaks the OpenAI chat completions protocol."""

    type: Literal["openai"] = Field(description="Any OpenAI-compatible endpoint.")
    model: Text = Field(description="Model name as the server knows it.")
    base_url: Annotated[str, Expect("an http(s) address", is_private=True)] | None = Field(
        default=None, description="Address up to and including /v1; null is api.openai.com."
    )
    api_key_env: EnvironmentName | None = Field(
        default="OPENAI_API_KEY",
        description="Environment variable that holds the key; null when the server wants none.",
    )
    headers: dict[HeaderName, EnvironmentName] = Field(
        default_factory=dict, description="Extra headers: header name to the environment variable that holds its value."
    )

    def issues(self) -> Iterator[Issue]:
        """Also check the address."""
        yield from super().issues()
        if self.base_url is None:
            return
        try:
            url = urlsplit(self.base_url)
            has_host = bool(url.hostname) and (url.port is None or url.port > 0)
        except ValueError:
            yield Issue(("base_url",), "is not a valid address", "example: http://localhost:11434/v1")
            return
        if url.scheme not in ("http", "https") or not has_host:
            yield Issue(("base_url",), "expected an http(s) address", "example: http://localhost:11434/v1")
        elif url.username is not None or url.password is not None:
            yield Issue(("base_url",), "must not contain a user or password", "use api_key_env or headers")


class LocalTargetConfig(TargetBlock):
    """A Hugging Face causal language model in this process."""

    type: Literal["local"] = Field(description="A Hugging Face causal language model in this process.")
    model: Text = Field(
        default="nano", description="`nano` (bundled), a Hugging Face id, or a folder, written with ./ or / before it."
    )
    batch_size: Count = Field(
        default=64, le=4096, description="Most prompts that are generated from together; twice as many are in flight."
    )


class ReplayTargetConfig(CalledTargetBlock):
    """Logged answers."""

    type: Literal["replay"] = Field(description="Logged answers, matched on the messages.")
    path: PathText = Field(description="JSONL file of {messages, completion, ...}.")


class PythonTargetConfig(CalledTargetBlock):
    """A function of the user's: code that is trusted."""

    type: Literal["python"] = Field(description="A Python function; code that you trust.")
    function: Function = Field(description="The function as module:function.")


TargetConfig = Annotated[
    OpenAITargetConfig | LocalTargetConfig | ReplayTargetConfig | PythonTargetConfig, Field(discriminator="type")
]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
