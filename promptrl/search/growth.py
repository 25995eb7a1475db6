"""How a space grows while it is searched: someone adds options, the search takes them in before its next batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from promptrl.errors import UsageError
from promptrl.search.result import Candidate


@dataclass(frozen=True, slots=True)
class Growth:
    """What a space gains.

    Attributes:
        options: Further options by slot, none of them there already; as in ``EditSpace.extended``.

    Raises:
        UsageError: A text stands where a tuple of texts is meant.
    """

    options: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        given: list[object] = list(self.options.values())
        alone = next((texts for texts in given if isinstance(texts, str)), None)
        if alone is not None:
            raise UsageError(f"a growth takes options in a tuple: got {alone!r}, expected ({alone!r},)")

    @property
    def is_empty(self) -> bool:
        """Whether it adds nothing."""
        return not any(self.options.values())


class Grow(Protocol):
    """Says what a space gains. The same calls and leaders bring the same growth, or a journal remembers it."""

    def __call__(self, calls_used: int, leaders: Sequence[Candidate]) -> Growth | None:
        """Further options, each once, or None; asked before every batch.

        Args:
            calls_used: Calls that the search has spent.
            leaders: Every prompt asked, the best posterior mean first.
        """
