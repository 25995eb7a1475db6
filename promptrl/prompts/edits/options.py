"""Edits of slots: choose an option, move a slot earlier."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from promptrl.prompts.edits.base import BoolArray, Edit, quoted, rough_tokens
from promptrl.prompts.edits.choices import ChoiceFactor
from promptrl.prompts.edits.features import Change, Declared, Feature, FeatureGroup
from promptrl.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True)
class ChooseOption:
    """Put an option into a slot; an empty text leaves the slot out."""

    kind: ClassVar[str] = "option"
    slot: str
    text: str
    order: tuple[str, ...] = field(repr=False)

    @property
    def label(self) -> str:
        """``role = "You are an expert."``."""
        return f"{self.slot} = {quoted(self.text) if self.text else '(left out)'}"

    @property
    def token_cost(self) -> float:
        """Of the option itself, whatever it replaces."""
        return rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """Unless the slot holds this option already."""
        return not self.is_held(prompt)

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the slot holds this option."""
        return prompt.slot(self.slot) == self.text

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with this option in the slot."""
        return prompt.with_slot(self.slot, self.text, self.order)


class OptionFactor(ChoiceFactor):
    """One slot and its options, the first of which is the baseline's."""

    def __init__(
        self, slot: str, options: Sequence[str], order: tuple[str, ...], retired: AbstractSet[str] = frozenset()
    ) -> None:
        super().__init__(slot, [ChooseOption(slot, text, order) for text in options], retired)

    def present(self, prompt: Prompt) -> str:
        """The option that fills the slot."""
        return prompt.slot(self.slot)

    def in_order(self, order: tuple[str, ...]) -> "OptionFactor":
        """The same options where slots stand in this order."""
        return OptionFactor(self.slot, self.options, order, self.retired)


@dataclass(frozen=True, slots=True)
class MoveSlot:
    """Exchange a slot with the filled slot before it, unless that is one of the pinned ones."""

    kind: ClassVar[str] = "move"
    text: ClassVar[str] = ""
    token_cost: ClassVar[float] = 0.0
    slot: str
    order: tuple[str, ...] = field(repr=False)
    pinned: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """``move format earlier``."""
        return f"move {self.slot} earlier"

    def is_valid(self, prompt: Prompt) -> bool:
        """When the slot is filled and the one before it may move too."""
        names = [name for name, _ in prompt.slots]
        return self.slot in names[1:] and names[names.index(self.slot) - 1] not in self.pinned

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the slot stands before one that it follows in the config."""
        names = [name for name, _ in prompt.slots]
        if self.slot not in names:
            return False
        earlier = self.order[: self.order.index(self.slot)]
        return any(name in earlier for name in names[names.index(self.slot) :])

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the two slots exchanged."""
        slots = list(prompt.slots)
        at = [name for name, _ in slots].index(self.slot)
        slots[at - 1], slots[at] = slots[at], slots[at - 1]
        return replace(prompt, slots=tuple(slots))


class SlotOrderFactor:
    """The order of the filled slots; pinned ones keep their place, and no other moves past them."""

    def __init__(self, slots: Sequence[str], order: tuple[str, ...], pinned: frozenset[str] = frozenset()) -> None:
        self._slots = tuple(slots)
        self._pinned = pinned
        movable = [slot for slot in slots if slot not in pinned]
        self.edits: tuple[Edit, ...] = tuple(MoveSlot(slot, order, pinned) for slot in movable)
        self.groups = (FeatureGroup("move", "", (Feature("", 0.0),) * len(self.edits), is_order=True),)
        self.changes: tuple[Declared, ...] = tuple(Change("set", at) for at in range(len(self.edits)))

    def mask(self, prompt: Prompt) -> BoolArray:
        """The filled slots except the first, and those behind pinned ones."""
        return np.array([edit.is_valid(prompt) for edit in self.edits], dtype=np.bool_)

    def holds(self, prompt: Prompt) -> BoolArray:
        """The slots that stand earlier than in the config."""
        return np.array([edit.is_held(prompt) for edit in self.edits], dtype=np.bool_)

    def count(self) -> int | None:
        """None: which orders there are depends on which slots are filled."""
        return None

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """Not offered, as ``count`` says."""
        raise NotImplementedError("orders are not enumerated")

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """The order stays, or one slot moves earlier; both are as likely."""
        possible = [edit for edit in self.edits if edit.is_valid(prompt)]
        if not possible or rng.random() < 0.5:
            return prompt
        return possible[int(rng.integers(len(possible)))].apply(prompt)

    def in_order(self, order: tuple[str, ...]) -> "SlotOrderFactor":
        """The same moves where slots stand in this order; further slots are not moved."""
        return SlotOrderFactor(self._slots, order, self._pinned)
