"""How a space grows while it is searched: someone adds options, the search takes them in before its next batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from promptrl.errors import UsageError
from promptrl.safe_text import has_lone_surrogate
from promptrl.search.result import Candidate


@dataclass(frozen=True, slots=True)
class Growth:
    """What a space gains.

    Attributes:
        options: Further options by slot, none of them there already; as in ``EditSpace.extended``.

    Raises:
        UsageError: It is no mapping of names to tuples of texts.
    """

    options: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        given: object = self.options
        if not isinstance(given, Mapping):
            raise UsageError(f"a growth takes a mapping of slots to options: got {given!r}")
        for slot, texts in given.items():
            _check_options(slot, texts)

    @property
    def is_empty(self) -> bool:
        """Whether it adds nothing."""
        return not any(self.options.values())


@dataclass(frozen=True, slots=True)
class GrowthRequest:
    """Where a search stands when it asks what its space gains.

    Attributes:
        calls_used: Calls that the search has spent.
        leaders: Every prompt asked, the best posterior mean first.
        is_exhausted: Whether nothing is left to ask: without a growth now the search ends.
    """

    calls_used: int
    leaders: Sequence[Candidate]
    is_exhausted: bool = False


class Grow(Protocol):
    """Says what a space gains. The same requests bring the same growth, or a journal remembers it."""

    def __call__(self, request: GrowthRequest, /) -> Growth | None:
        """Further options, each once, or None; asked before every batch but the first."""


def ask_for_growth(grow: Grow, request: GrowthRequest) -> Growth | None:
    """What someone's function adds.

    Raises:
        UsageError: It gave back something else than a growth.
    """
    found: object = grow(request)
    if found is None or isinstance(found, Growth):
        return found
    raise UsageError(f"`grow` returned {type(found).__name__}, expected a promptrl.Growth or None")


def _check_options(slot: object, texts: object) -> None:
    if not isinstance(slot, str):
        raise UsageError(f"a growth takes slots by name: got {slot!r}")
    if isinstance(texts, str):
        raise UsageError(f"a growth takes options in a tuple: got {texts!r}, expected ({texts!r},)")
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise UsageError(f"a growth takes options in a tuple of texts: slot {slot!r} got {texts!r}")
    for text in texts:
        if has_lone_surrogate(text):
            raise UsageError(f"slot {slot!r} got {text!r}, which holds half of a surrogate pair: no character")
