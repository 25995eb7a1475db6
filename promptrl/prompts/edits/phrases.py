"""Edits of a plain-text prompt: drop a phrase, restore it, and (when order is searched) move it earlier."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import ClassVar

import numpy as np

from promptrl.prompts.edits.base import BoolArray, Edit, quoted, rough_tokens
from promptrl.prompts.edits.features import Change, Declared, Feature, FeatureGroup
from promptrl.prompts.prompt import Prompt, UserTemplate, insert_in_order
from promptrl.prompts.sentences import PhraseTable

SYSTEM_SLOT = "text"
USER_SLOT = "user"


@dataclass(frozen=True, slots=True)
class PhrasedPart:
    """The part of a prompt that a plain text fills: a slot of the system message, or the whole user message.

    Attributes:
        table: The phrases of the text.
        order: All slots in rendering order.
    """

    table: PhraseTable
    order: tuple[str, ...] = field(repr=False)

    @property
    def slot(self) -> str:
        """``user`` for a user template, else ``text``."""
        return USER_SLOT if self.table.is_template else SYSTEM_SLOT

    def selection(self, prompt: Prompt) -> tuple[int, ...] | None:
        """The phrases that the prompt holds, in its order; None when its text is another one."""
        return self.table.selection_in(prompt.user.text if self.table.is_template else prompt.slot(SYSTEM_SLOT))

    def with_selection(self, prompt: Prompt, selection: tuple[int, ...]) -> Prompt:
        """The prompt with these phrases, in this order."""
        text = self.table.render(selection)
        if self.table.is_template:
            return replace(prompt, user=UserTemplate(text))
        return prompt.with_slot(SYSTEM_SLOT, text, self.order)


@dataclass(frozen=True, slots=True)
class _PhraseEdit:
    index: int
    part: PhrasedPart = field(repr=False)

    @property
    def slot(self) -> str:
        """The part of the prompt that the text fills."""
        return self.part.slot

    @property
    def text(self) -> str:
        """The phrase."""
        return self.part.table.phrases[self.index]

    def _selection(self, prompt: Prompt) -> tuple[int, ...]:
        selection = self.part.selection(prompt)
        if selection is None:
            raise ValueError("the prompt holds another text than the one whose phrases are edited")
        return selection


@dataclass(frozen=True, slots=True)
class DropPhrase(_PhraseEdit):
    """Leave one phrase of the text out; the paragraph breaks around it stay."""

    kind: ClassVar[str] = "drop_phrase"

    @property
    def label(self) -> str:
        """``drop "Be polite."``."""
        return f"drop {quoted(self.text)}"

    @property
    def token_cost(self) -> float:
        """What the phrase took, negative."""
        return -rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """While the phrase is there."""
        selection = self.part.selection(prompt)
        return selection is not None and self.index in selection

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the phrase is gone."""
        selection = self.part.selection(prompt)
        return selection is not None and self.index not in selection

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt without the phrase."""
        return self.part.with_selection(prompt, tuple(at for at in self._selection(prompt) if at != self.index))


@dataclass(frozen=True, slots=True)
class RestorePhrase(_PhraseEdit):
    """Put a dropped phrase back to its place."""

    kind: ClassVar[str] = "restore_phrase"

    @property
    def label(self) -> str:
        """``restore "Be polite."``."""
        return f"restore {quoted(self.text)}"

    @property
    def token_cost(self) -> float:
        """Rough tokens that the phrase takes, positive."""
        return rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """While the phrase is gone."""
        selection = self.part.selection(prompt)
        return selection is not None and self.index not in selection

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the phrase is there."""
        selection = self.part.selection(prompt)
        return selection is not None and self.index in selection

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the phrase before the first one that follows it in the original."""
        return self.part.with_selection(prompt, insert_in_order(self._selection(prompt), self.index, lambda at: at))


@dataclass(frozen=True, slots=True)
class MovePhrase(_PhraseEdit):
    """Exchange a phrase with the one before it."""

    kind: ClassVar[str] = "move"
    token_cost: ClassVar[float] = 0.0

    @property
    def label(self) -> str:
        """``move "Be polite." earlier``."""
        return f"move {quoted(self.text)} earlier"

    def is_valid(self, prompt: Prompt) -> bool:
        """When it is there, not the first, and the phrase before it may change places with it."""
        selection = self.part.selection(prompt)
        if selection is None or self.index not in selection[1:]:
            return False
        return self.part.table.may_swap(selection[selection.index(self.index) - 1], self.index)

    def is_held(self, prompt: Prompt) -> bool:
        """Whether it stands before one that it follows in the original."""
        selection = self.part.selection(prompt)
        if selection is None or self.index not in selection:
            return False
        return any(at < self.index for at in selection[selection.index(self.index) :])

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the two exchanged; the whitespace between them stays."""
        selection = list(self._selection(prompt))
        at = selection.index(self.index)
        selection[at - 1], selection[at] = selection[at], selection[at - 1]
        return self.part.with_selection(prompt, tuple(selection))


class PhraseFactor:
    """Which phrases of the plain text are kept; also in which order with ``reorder``, unless a phrase occurs twice.

    Structures and pinned phrases keep their place, and no phrase moves past them.
    """

    def __init__(self, part: PhrasedPart, *, reorder: bool) -> None:
        table = part.table
        self._part = part
        self._reorder = reorder
        self._droppable = np.array([at for at in table.everything if not table.is_fixed(at)], dtype=np.intp)
        has_moves = reorder and len(table.phrases) > 1 and not table.has_repeats
        self._movable = [at for at in table.everything if has_moves and table.may_move(at)]
        self._moves = tuple(MovePhrase(at, part) for at in self._movable)
        drops = tuple(DropPhrase(int(at), part) for at in self._droppable)
        restores = tuple(RestorePhrase(int(at), part) for at in self._droppable)
        self.edits: tuple[Edit, ...] = (*drops, *restores, *self._moves)
        dropped = tuple(Feature(edit.text, edit.token_cost) for edit in drops)
        moved = (Feature("", 0.0),) * len(self._moves)
        self.groups = (
            FeatureGroup("drop_phrase", part.slot, dropped),
            FeatureGroup("move", part.slot, moved, is_order=True),
        )
        self.changes: tuple[Declared, ...] = (
            *(Change("set", at) for at in range(len(drops))),
            *(Change("clear", at) for at in range(len(drops))),
            *(Change("set", at) for at in range(len(drops), len(drops) + len(moved))),
        )

    def mask(self, prompt: Prompt) -> BoolArray:
        """Drops of what is there, restores of what is gone."""
        selection = self._part.selection(prompt)
        if selection is None:
            return np.zeros(len(self.edits), dtype=np.bool_)
        kept = self._kept(selection)
        return np.concatenate([kept, ~kept, self._can_move(selection)])

    def holds(self, prompt: Prompt) -> BoolArray:
        """Drops of what is gone, restores of what is there."""
        selection = self._part.selection(prompt)
        if selection is None:
            return np.zeros(len(self.edits), dtype=np.bool_)
        kept = self._kept(selection)
        return np.concatenate([~kept, kept, self._is_moved(selection)])

    def count(self) -> int | None:
        """The number of subsets; None when order counts or a phrase occurs twice, so that subsets coincide."""
        if self._moves or self._part.table.has_repeats:
            return None
        return 1 << len(self._droppable)

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """The prompt with each subset of the phrases dropped, the whole text first."""
        everything = self._part.table.everything
        for size in range(len(self._droppable) + 1):
            for dropped in combinations(self._droppable.tolist(), size):
                yield self._part.with_selection(prompt, tuple(at for at in everything if at not in dropped))

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """Every subset of the phrases is as likely, in the order of the text."""
        if self._part.selection(prompt) is None:
            return prompt
        dropped = self._droppable[rng.random(len(self._droppable)) < 0.5]
        return self._part.with_selection(prompt, tuple(at for at in self._part.table.everything if at not in dropped))

    def in_order(self, order: tuple[str, ...]) -> "PhraseFactor":
        """The same phrases where slots stand in this order."""
        return PhraseFactor(PhrasedPart(self._part.table, order), reorder=self._reorder)

    def _kept(self, selection: tuple[int, ...]) -> BoolArray:
        kept = np.zeros(len(self._part.table.phrases), dtype=np.bool_)
        kept[list(selection)] = True
        return kept[self._droppable]

    def _can_move(self, selection: tuple[int, ...]) -> BoolArray:
        table = self._part.table
        free = {at for before, at in pairwise(selection) if self._moves and table.may_swap(before, at)}
        return np.array([at in free for at in self._movable], dtype=np.bool_)

    def _is_moved(self, selection: tuple[int, ...]) -> BoolArray:
        moved = set()
        lowest = len(self._part.table.phrases)
        for at in reversed(selection if self._moves else ()):
            if lowest < at:
                moved.add(at)
            lowest = min(lowest, at)
        return np.array([at in moved for at in self._movable], dtype=np.bool_)
