"""How a space grows while it is searched: someone adds options, the search takes them in before its next batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from promptrl.errors import UsageError
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.safe_text import has_lone_surrogate
from promptrl.search.result import Candidate

BOUND = 1.645
"""So many standard deviations on each side are an interval of 90 %."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a space gains.

    Attributes:
        options: Further options by slot, none of them there already; as in ``EditSpace.extended``.
        retired: Options that are chosen no more, by slot.
        asks_each: So many times each of the new options is asked at once, whatever is thought of it.

    Raises:
        UsageError: ``options`` or ``retired`` is no mapping of names to tuples of texts.
    """

    options: Mapping[str, tuple[str, ...]]
    retired: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asks_each: int = 0

    def __post_init__(self) -> None:
        for given in (self.options, self.retired):
            mapping: object = given
            if not isinstance(mapping, Mapping):
                raise UsageError(f"a growth takes a mapping of slots to options: got {given!r}")
            for slot, texts in mapping.items():
                _check_options(slot, texts)

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not any(self.options.values()) and not any(self.retired.values())


@dataclass(frozen=True, slots=True)
class EditBelief:
    """What is believed of an edit, made to the best prompt so far, before others like it are known.

    Attributes:
        mean: By how much it makes the objective higher.
        sd: Standard deviation of that.
        answers: So many answers hold it.
    """

    mean: float
    sd: float
    answers: int = 0

    @property
    def low(self) -> float:
        """Of an interval of 90 %."""
        return self.mean - BOUND * self.sd

    @property
    def high(self) -> float:
        """Likewise."""
        return self.mean + BOUND * self.sd


Option = tuple[str, str]
"""Slot and text."""


class Beliefs(Protocol):
    """What a search believes at the moment."""

    def of_options(self, options: Sequence[Option]) -> Sequence[EditBelief]:
        """What options of the space are worth to the best prompt, against what the baseline has in their slots."""

    def of_candidates(self, options: Sequence[Option]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What options that are not there yet would be worth to the best prompt, by their wording alone.

        Returns:
            Means of shape (k,) and their covariance (k, k), of the objective.
        """

    def expected(self, prompts: Sequence[Prompt]) -> NDArray[np.float64]:
        """The objective that each prompt is believed to have over all rows, shape (k,)."""


def no_beliefs() -> Beliefs | None:
    """For a search that has none."""
    return None


@dataclass(frozen=True, slots=True)
class GrowthRequest:
    """Where a search stands when it asks what its space gains.

    Attributes:
        calls_used: Calls that the search has spent.
        leaders: Every prompt asked, the best posterior mean first.
        is_exhausted: Whether nothing is left to ask: without a growth now the search ends.
        calls_allowed: Calls of the whole search, as far as one can say now.
        beliefs: Gives what the search believes of edits; None before it believes anything.
        space: All edits that there are by now.
    """

    calls_used: int
    leaders: Sequence[Candidate]
    is_exhausted: bool = False
    calls_allowed: int = 0
    beliefs: Callable[[], Beliefs | None] = no_beliefs
    space: EditSpace | None = None


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
