"""What the factors have in common that choose one of several texts for one part of a prompt."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from promptrl.prompts.edits.base import BoolArray, Edit
from promptrl.prompts.edits.features import Change, Declared, Feature, FeatureGroup
from promptrl.prompts.prompt import Prompt


class ChoiceFactor:
    """One part of a prompt and the texts that may stand there, the first of which is the baseline's.

    Attributes:
        slot: The part.
        edits: One that sets each text.
        options: The texts.
        retired: Those that are not chosen any more; prompts may hold them still.
        is_retired: Likewise by position, shape (n_options,).

    Args:
        slot: Likewise.
        edits: Likewise.
        retired: Likewise; never the first.
    """

    def __init__(self, slot: str, edits: Sequence[Edit], retired: AbstractSet[str] = frozenset()) -> None:
        self.slot = slot
        self.edits: tuple[Edit, ...] = tuple(edits)
        self.options = tuple(edit.text for edit in edits)
        self.retired = frozenset(retired)
        self.is_retired: BoolArray = np.array([text in retired for text in self.options], dtype=np.bool_)
        features = tuple(Feature(edit.text, edit.token_cost) for edit in self.edits)
        self.groups = (FeatureGroup("option", slot, features, is_exclusive=True),)
        self.changes: tuple[Declared, ...] = tuple(Change("set", at) for at in range(len(features)))
        self._position = {text: at for at, text in enumerate(self.options)}
        self._open = [at for at, text in enumerate(self.options) if text not in retired]

    def present(self, prompt: Prompt) -> str | None:
        """The text that stands there in a prompt; None where the part can't be found."""
        raise NotImplementedError

    def mask(self, prompt: Prompt) -> BoolArray:
        """Every text but the present one and those that are retired."""
        present = self.present(prompt)
        if present is None:
            return np.zeros(len(self.edits), dtype=np.bool_)
        return ~self._is(present) & ~self.is_retired

    def holds(self, prompt: Prompt) -> BoolArray:
        """For each text whether it is the present one, shape (n_options,)."""
        return self._is(self.present(prompt))

    def count(self) -> int | None:
        """How many texts can be chosen."""
        return len(self._open)

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """The prompt with each of them in turn."""
        return (self.edits[at].apply(prompt) for at in self._open)

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """Each of them is as likely."""
        return self.edits[self._open[int(rng.integers(len(self._open)))]].apply(prompt)

    def _is(self, present: str | None) -> BoolArray:
        held = np.zeros(len(self.edits), dtype=np.bool_)
        position = None if present is None else self._position.get(present)
        if position is not None:
            held[position] = True
        return held
