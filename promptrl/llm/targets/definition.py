"""What a type of target says of itself: settings, how it is opened, what it costs, how many calls it takes at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from promptrl.errors import Problem, show
from promptrl.llm.base import Target
from promptrl.llm.engine.prices import Price
from promptrl.settings import Definition, Setting, settings_of

DEFAULT_MAX_TOKENS = 256
RESERVED_PARAMS = ("messages", "model", "n", "stream", "stream_options")
"""Set by promptrl itself."""
SCORING_PARAMS = {"temperature": 0, "max_tokens": 0}
"""Of models that read and write nothing: equal texts have equal answers, for the cache, and those are no tokens."""
CLIENT_ARGUMENTS = {
    "extra_body": "write what it holds into params itself",
    "extra_headers": "write target.headers",
    "extra_query": "write target.query",
    "timeout": "write target.timeout_s",
    "max_retries": "write target.max_retries",
}
"""Not sent, so that nobody takes their silence for consent; and where what they hold belongs."""


def fill_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with those that the user left out."""
    filled = {"temperature": 0, **params}
    if "max_completion_tokens" not in filled:
        filled.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
    return filled


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDefinition(Definition):
    """What every type of target takes.

    Attributes:
        billing: Whether its answers cost money: "free", "billed", or "unknown".
        opens_slowly: Whether opening takes so long that a check of the config leaves it out.
    """

    billing: ClassVar[Literal["free", "billed", "unknown"]] = "unknown"
    opens_slowly: ClassVar[bool] = False

    params: Annotated[
        dict[str, Any],
        Setting(
            "Sampling parameters by the OpenAI names, sent as they are. `temperature` is 0 and `max_tokens` "
            f"(or `max_completion_tokens`) is {DEFAULT_MAX_TOKENS} unless given; null leaves a parameter out.",
            expected="a mapping of sampling parameters",
            fill=fill_params,
        ),
    ] = field(default_factory=lambda: fill_params({}))
    timeout_s: Annotated[float, Setting("Seconds after which one attempt is given up.", gt=0, le=86_400)] = 60
    max_retries: Annotated[int, Setting("Further attempts after a transient fault.", ge=0, le=100)] = 5
    price: Annotated[Price | None, Setting("Price of the target; null takes it from the table of public prices.")] = (
        None
    )

    @property
    def can_write(self) -> bool:
        """Whether it can be asked for a text of its own, as for edits of a prompt."""
        return True

    @property
    def request_params(self) -> dict[str, Any]:
        """The parameters to send: those that are null are left out."""
        return {key: value for key, value in self.params.items() if value is not None}

    @property
    def known_price(self) -> Price | None:
        """The price that the config gives, else the public one; None when neither is known."""
        return self.price or self.public_price()

    @property
    def calls_in_flight(self) -> int:
        """Most calls at one time."""
        raise NotImplementedError

    @property
    def limits_per_minute(self) -> tuple[int | None, int | None]:
        """Most attempts and most tokens in any 60 seconds; None for no limit."""
        return None, None

    @property
    def paths(self) -> tuple[str, ...]:
        """Names of the settings that are paths; they are made absolute before it is opened."""
        return tuple(name for name, setting in settings_of(type(self)).items() if setting.is_path)

    def problems(self) -> Iterator[Problem]:
        """Check the parameters whose meaning is common to all servers."""
        sent = self.request_params
        for key, place in CLIENT_ARGUMENTS.items():
            if key in self.params:
                yield Problem(f"params.{key}", "is an argument of the openai client, no parameter of a model", place)
        for key in RESERVED_PARAMS:
            if key in sent:
                yield Problem(f"params.{key}", "is set by promptrl itself", "remove it")
        for key, low, high in (("temperature", 0, 2), ("top_p", 0, 1)):
            if key in sent and not (_is_number(sent[key]) and low <= sent[key] <= high):
                yield Problem(f"params.{key}", f"got {show(sent[key])}, expected a number from {low} to {high}")
        for key in ("max_tokens", "max_completion_tokens"):
            if key in sent and not (type(sent[key]) is int and sent[key] >= 1):
                yield Problem(f"params.{key}", f"got {show(sent[key])}, expected a whole number of at least 1")

    def lacks(self) -> Iterator[Problem]:
        """Yield what it needs and is not there, as far as a look at files and packages tells; paths are absolute."""
        yield from ()

    def public_price(self) -> Price | None:
        """What it costs by public lists; None when they don't say."""
        return None

    def open(self, code_folder: Path | None) -> Target:
        """Make the target; heavy packages are imported here and not before.

        Args:
            code_folder: Where the user's modules are looked for first.

        Raises:
            ConfigError: It can't be made; keys are absolute.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledTargetDefinition(TargetDefinition):
    """What targets take that are asked one question at a time, unlike a model that generates in batches."""

    concurrency: Annotated[int, Setting("Most calls in flight at one time.", ge=1, le=1024)] = 16
    requests_per_minute: Annotated[
        Annotated[int, Setting(ge=1)] | None,
        Setting("Most attempts sent in any 60 seconds; null: as fast as the server allows."),
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Setting(ge=1)] | None,
        Setting("Most tokens in and out of any 60 seconds; null: as many as the server allows."),
    ] = None

    @property
    def calls_in_flight(self) -> int:
        """As many as the config allows."""
        return self.concurrency

    @property
    def limits_per_minute(self) -> tuple[int | None, int | None]:
        """Requests and tokens, as the config limits them."""
        return self.requests_per_minute, self.tokens_per_minute


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
