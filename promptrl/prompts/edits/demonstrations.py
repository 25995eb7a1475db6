"""Edits of the demonstrations: add, drop, swap, and (when order is searched) move.

Demonstrations stand in the order of their candidates. Only a move changes that, and moves exist only when the user
asked for ``edits.reorder``; else a set of demonstrations is one prompt, by whatever route.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations
from math import comb
from typing import ClassVar

import numpy as np

from promptrl.prompts.edits.base import BoolArray, Edit, quoted, rough_tokens
from promptrl.prompts.edits.features import Change, Declared, Feature, FeatureGroup
from promptrl.prompts.prompt import Demonstration, Prompt, insert_in_order

SLOT = "demonstrations"
ALIKE = 0.5
"""Part of the prior variance that all demonstrations have in common: they do much the same."""


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """The demonstrations that may be shown.

    Attributes:
        candidates: In canonical order, each content once.
        maximum: Most demonstrations in one prompt, 1 to the number of candidates.
        rank: Position of each candidate by its ``source``.
    """

    candidates: tuple[Demonstration, ...]
    maximum: int
    rank: dict[Hashable, int] = field(compare=False, repr=False)

    def inserted(self, shown: tuple[Demonstration, ...], new: Demonstration) -> tuple[Demonstration, ...]:
        """The shown demonstrations with another one at its canonical place."""
        return insert_in_order(shown, new, lambda demonstration: self.rank.get(demonstration.source, -1))

    def is_full(self, prompt: Prompt) -> bool:
        """Whether no demonstration can be added."""
        return len(prompt.demonstrations) >= self.maximum


@dataclass(frozen=True, slots=True)
class _CandidateEdit:
    slot: ClassVar[str] = SLOT
    demonstration: Demonstration
    pool: CandidatePool = field(repr=False)

    @property
    def text(self) -> str:
        """The demonstration as question and answer."""
        return f"{self.demonstration.question}\n{self.demonstration.assistant}"

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the demonstration is shown."""
        return self._is_shown(prompt)

    def _is_shown(self, prompt: Prompt) -> bool:
        return any(shown.source == self.demonstration.source for shown in prompt.demonstrations)

    def _name(self) -> str:
        number = self.pool.rank[self.demonstration.source] + 1
        pair = f"{quoted(self.demonstration.question, 40)} → {quoted(self.demonstration.assistant, 20)}"
        return f"demonstration {number}: {pair}"


@dataclass(frozen=True, slots=True)
class AddDemonstration(_CandidateEdit):
    """Show one more demonstration, at its canonical place."""

    kind: ClassVar[str] = "add_demonstration"

    @property
    def label(self) -> str:
        """``add demonstration 3: "2 + 2?" → "4"``; candidates count from 1."""
        return f"add {self._name()}"

    @property
    def token_cost(self) -> float:
        """Of the pair of messages."""
        return rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """While there is room and it is not shown."""
        return not self.pool.is_full(prompt) and not self.is_held(prompt)

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt that shows it too."""
        return replace(prompt, demonstrations=self.pool.inserted(prompt.demonstrations, self.demonstration))


@dataclass(frozen=True, slots=True)
class DropDemonstration(_CandidateEdit):
    """Stop showing one demonstration; those after it move up."""

    kind: ClassVar[str] = "drop_demonstration"

    @property
    def label(self) -> str:
        """``drop demonstration 3: "2 + 2?" → "4"``."""
        return f"drop {self._name()}"

    @property
    def token_cost(self) -> float:
        """What the pair of messages took, negative."""
        return -rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """Whether the demonstration is shown."""
        return self._is_shown(prompt)

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the demonstration is not shown."""
        return not self._is_shown(prompt)

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt without the demonstration; the others keep their order."""
        source = self.demonstration.source
        return replace(prompt, demonstrations=tuple(shown for shown in prompt.demonstrations if shown.source != source))


@dataclass(frozen=True, slots=True)
class SwapDemonstration(_CandidateEdit):
    """Show a demonstration in place of the last one, once there is no room to add it."""

    kind: ClassVar[str] = "swap_demonstration"

    @property
    def label(self) -> str:
        """``swap in demonstration 3: "2 + 2?" → "4"``."""
        return f"swap in {self._name()}"

    @property
    def token_cost(self) -> float:
        """Of the pair of messages, whatever it replaces."""
        return rough_tokens(self.text)

    def is_valid(self, prompt: Prompt) -> bool:
        """While there is no room and it is not shown."""
        return self.pool.is_full(prompt) and not self.is_held(prompt)

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the last demonstration replaced by this one."""
        return replace(prompt, demonstrations=self.pool.inserted(prompt.demonstrations[:-1], self.demonstration))


@dataclass(frozen=True, slots=True)
class MoveDemonstration:
    """Exchange the demonstration at a position with the one before it."""

    kind: ClassVar[str] = "move"
    slot: ClassVar[str] = SLOT
    text: ClassVar[str] = ""
    token_cost: ClassVar[float] = 0.0
    position: int
    pool: CandidatePool = field(repr=False)

    @property
    def label(self) -> str:
        """``move the demonstration at place 2 earlier``."""
        return f"move the demonstration at place {self.position + 1} earlier"

    def is_valid(self, prompt: Prompt) -> bool:
        """When so many demonstrations are shown."""
        return len(prompt.demonstrations) > self.position

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the two stand against the order of the candidates."""
        pair = prompt.demonstrations[self.position - 1 : self.position + 1]
        ranks = [self.pool.rank.get(shown.source, -1) for shown in pair]
        return len(ranks) > 1 and ranks[0] > ranks[1]

    def apply(self, prompt: Prompt) -> Prompt:
        """The prompt with the two exchanged."""
        shown = list(prompt.demonstrations)
        shown[self.position - 1], shown[self.position] = shown[self.position], shown[self.position - 1]
        return replace(prompt, demonstrations=tuple(shown))


class DemonstrationFactor:
    """Which demonstrations are shown; also in which order with ``reorder``.

    Args:
        candidates: In canonical order, each content once.
        maximum: Most demonstrations in one prompt, at least 1.
        reorder: Offer moves.
    """

    def __init__(self, candidates: Sequence[Demonstration], maximum: int, *, reorder: bool) -> None:
        rank = {candidate.source: at for at, candidate in enumerate(candidates)}
        self._pool = pool = CandidatePool(tuple(candidates), min(maximum, len(candidates)), rank)
        self._has_swaps = pool.maximum < len(pool.candidates)
        self._moves = tuple(MoveDemonstration(position, pool) for position in range(1, pool.maximum)) if reorder else ()
        self._reorder = reorder
        adds = tuple(AddDemonstration(candidate, pool) for candidate in candidates)
        self.edits: tuple[Edit, ...] = (
            *adds,
            *(DropDemonstration(candidate, pool) for candidate in candidates),
            *(SwapDemonstration(candidate, pool) for candidate in candidates if self._has_swaps),
            *self._moves,
        )
        shown = tuple(Feature(edit.text, edit.token_cost) for edit in adds)
        moved = (Feature("", 0.0),) * len(self._moves)
        self.groups = (
            FeatureGroup(
                "add_demonstration", SLOT, shown, capacity=pool.maximum, alike=ALIKE, any_kind="any_demonstration"
            ),
            FeatureGroup("move", SLOT, moved, is_order=True),
        )
        self.changes: tuple[Declared, ...] = (
            *(Change("set", at) for at in range(len(shown))),
            *(Change("clear", at) for at in range(len(shown))),
            *(Change("swap", at) for at in range(len(shown)) if self._has_swaps),
            *(Change("set", at) for at in range(len(shown), len(shown) + len(moved))),
        )

    def mask(self, prompt: Prompt) -> BoolArray:
        """Adds while there is room, swaps while there is none, drops of what is shown."""
        shown = self._shown(prompt)
        nothing = np.zeros_like(shown)
        is_full = self._pool.is_full(prompt)
        add, swap = (nothing, ~shown) if is_full else (~shown, nothing)
        moves = np.array([edit.is_valid(prompt) for edit in self._moves], dtype=np.bool_)
        return np.concatenate([add, shown, *([swap] if self._has_swaps else []), moves])

    def holds(self, prompt: Prompt) -> BoolArray:
        """Adds and swaps of what is shown, drops of what is not."""
        shown = self._shown(prompt)
        moves = np.array([edit.is_held(prompt) for edit in self._moves], dtype=np.bool_)
        return np.concatenate([shown, ~shown, *([shown] if self._has_swaps else []), moves])

    def count(self) -> int | None:
        """The number of subsets up to the maximum; None when their order counts."""
        if self._reorder and self._pool.maximum > 1:
            return None
        return sum(comb(len(self._pool.candidates), size) for size in range(self._pool.maximum + 1))

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """The prompt with each subset, none first, in canonical order."""
        sizes = range(self._pool.maximum + 1)
        subsets = chain.from_iterable(combinations(self._pool.candidates, size) for size in sizes)
        return (replace(prompt, demonstrations=subset) for subset in subsets)

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """Every number of demonstrations is as likely, and of a number every set."""
        size = int(rng.integers(self._pool.maximum + 1))
        chosen = sorted(rng.choice(len(self._pool.candidates), size, replace=False))
        return replace(prompt, demonstrations=tuple(self._pool.candidates[at] for at in chosen))

    def in_order(self, order: tuple[str, ...]) -> "DemonstrationFactor":
        """Itself: demonstrations stand apart from slots."""
        return self

    def _shown(self, prompt: Prompt) -> BoolArray:
        shown = np.zeros(len(self._pool.candidates), dtype=np.bool_)
        for demonstration in prompt.demonstrations:
            position = self._pool.rank.get(demonstration.source)
            if position is not None:
                shown[position] = True
        return shown
