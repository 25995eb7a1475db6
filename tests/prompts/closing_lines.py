"""Two kinds of edit that the package does not know: one of several closing lines, and a louder user message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from promptrl.prompts.edits.base import BoolArray, Edit, rough_tokens
from promptrl.prompts.edits.features import Change, Declared, Feature, FeatureGroup, NotImagined
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.prompts.space import EditSpace
from tests.prompts.ticket_space import make_space

CALM, LOUD = UserTemplate("Ticket: {ticket}"), UserTemplate("TICKET: {ticket}")


@dataclass(frozen=True, slots=True)
class CloseWith:
    """End the system message with a line."""

    kind: ClassVar[str] = "closing_line"
    slot: ClassVar[str] = "closing"
    text: str
    order: tuple[str, ...]

    @property
    def label(self) -> str:
        """``close with "Thanks."``."""
        return f'close with "{self.text}"'

    @property
    def token_cost(self) -> float:
        """Of the line."""
        return rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """Unless it is the last line already."""
        return not self.is_held(prompt)

    def is_held(self, prompt: Prompt) -> bool:
        """Whether it is the last line."""
        return prompt.slot(self.slot) == self.text

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with this last line."""
        return prompt.with_slot(self.slot, self.text, self.order)


@dataclass(frozen=True, slots=True)
class SayLoudly:
    """Write the user message in capitals, or not."""

    slot: ClassVar[str] = "user"
    text: ClassVar[str] = ""
    token_cost: ClassVar[float] = 0.0
    is_loud: bool

    @property
    def kind(self) -> str:
        """``shout`` or ``calm``."""
        return "shout" if self.is_loud else "calm"

    @property
    def label(self) -> str:
        """The kind."""
        return self.kind

    def is_valid(self, prompt: Prompt) -> bool:
        """Unless it is so already."""
        return not self.is_held(prompt)

    def is_held(self, prompt: Prompt) -> bool:
        """Whether it is so."""
        return prompt.user == (LOUD if self.is_loud else CALM)

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the other user message."""
        return replace(prompt, user=LOUD if self.is_loud else CALM)


class OneOf:
    """A factor of edits each of which sets the whole of its part."""

    edits: tuple[Edit, ...]

    def mask(self, prompt: Prompt) -> BoolArray:
        """What the prompt is not."""
        return ~self.holds(prompt)

    def holds(self, prompt: Prompt) -> BoolArray:
        """What the prompt is."""
        return np.array([edit.is_held(prompt) for edit in self.edits], dtype=np.bool_)

    def count(self) -> int | None:
        """As many states as edits."""
        return len(self.edits)

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """The prompt after each edit."""
        return (edit.apply(prompt) for edit in self.edits)

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """Each as likely."""
        return self.edits[int(rng.integers(len(self.edits)))].apply(prompt)


class ClosingLines(OneOf):
    """One of several last lines, or none."""

    def __init__(self, lines: Sequence[str], order: tuple[str, ...] = ()) -> None:
        self._lines = tuple(lines)
        self.edits = tuple(CloseWith(line, order) for line in ("", *lines))
        features = tuple(Feature(edit.text, edit.token_cost) for edit in self.edits)
        self.groups = (FeatureGroup("closing_line", "closing", features, is_exclusive=True),)
        self.changes: tuple[Declared, ...] = tuple(Change("set", at) for at in range(len(features)))

    def in_order(self, order: tuple[str, ...]) -> "ClosingLines":
        """The same lines at their place in this order."""
        return ClosingLines(self._lines, order)


class Loudness(OneOf):
    """A user message in capitals, or not; one feature that one edit sets and another clears."""

    def __init__(self) -> None:
        self.edits = (SayLoudly(False), SayLoudly(True))
        self.groups: tuple[FeatureGroup, ...] = (FeatureGroup("shout", "user", (Feature("", 0.0),)),)
        self.changes: tuple[Declared, ...] = (Change("clear", 0), Change("set", 0))

    def in_order(self, order: tuple[str, ...]) -> "Loudness":
        """Itself: it stands apart from slots."""
        return self


class Undeclared(Loudness):
    """Loudness that features can't tell of."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = ()
        self.changes = (NotImagined("nobody knows how loud is loud"),) * 2


LINES = ("Thanks.", "Hurry!", "Be exact.")


def loud_space(*factors: Any) -> EditSpace:
    """A slot of three roles and one of two tasks, and other factors: unless told otherwise the two kinds from here."""
    roles = make_space(slots={"role": ["", "Clerk.", "Judge."], "task": ["Sort.", "Label."]}, user=CALM)
    more = factors or (ClosingLines(LINES), Loudness())
    return roles.extended(factors=more, slots=("closing",)).space
