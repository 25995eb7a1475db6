"""An edit space as arrays: which features a prompt has and which of them each edit sets or clears.

A *feature* is one thing a prompt can hold: an option of a slot, a demonstration, a dropped phrase, an inserted word, an
order that was changed. Imagined episodes move in features alone, many at once; the edits they took are applied to real
prompts afterwards. Deleting words and undoing moves depend on order and are not imagined; nor is it that a real prompt
can't tell which of two equal sentences it lacks, or that a sentence that was dropped can't be moved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.edits.demonstrations import AddDemonstration
from promptrl.prompts.edits.words import MAX_WORDS
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.surrogate.data import Bools, Indices

_SETTERS = ("option", "add_demonstration", "drop_phrase", "insert_word", "move")
_CLEARS = {"drop_demonstration": "add_demonstration", "restore_phrase": "drop_phrase"}


@dataclass(slots=True)
class States:
    """Imagined prompts side by side.

    Attributes:
        held: Which features each holds, shape (n, n_features + 1); the last column is never held.
        option: The feature held in each slot, shape (n, n_slots); ``n_features`` for none.
    """

    held: Bools
    option: Indices


class Moves:
    """What edits do to features.

    Attributes:
        space: The edits.
        n_features: Features of a prompt, the derived "any demonstration" included.
        texts: What each feature brings in, for similarity; empty for the derived one and for moves.
        kinds: Kind of the edit that sets each feature.
        slot_of: Slot number of each option feature, -1 for others, shape (n_features,).
        tokens: About how many tokens each feature adds, shape (n_features + 1,).
        any_demonstration: Index of the derived feature; ``n_features`` where there are no demonstrations.

    Args:
        space: Likewise.
    """

    def __init__(self, space: EditSpace) -> None:
        self.space = space
        setters = [a for a, edit in enumerate(space.edits) if edit.kind in _SETTERS]
        self._setters = np.array(setters, dtype=np.intp)
        features_of: dict[tuple[str, str, str], list[int]] = {}
        for f, a in enumerate(setters):
            edit = space.edits[a]
            features_of.setdefault((edit.kind, edit.slot, edit.text), []).append(f)
        feature_of_edit = {a: f for f, a in enumerate(setters)}
        has_demonstrations = any(edit.kind == "add_demonstration" for edit in space.edits)
        self.n_features = nothing = len(setters) + has_demonstrations
        self.any_demonstration = len(setters) if has_demonstrations else nothing
        edits = [space.edits[a] for a in setters]
        self.texts = tuple(e.text if e.kind != "move" else "" for e in edits) + ("",) * has_demonstrations
        self.kinds: tuple[str, ...] = tuple(e.kind for e in edits) + ("any_demonstration",) * has_demonstrations
        slots = {slot: i for i, slot in enumerate(dict.fromkeys(e.slot for e in edits if e.kind == "option"))}
        self.n_slots = len(slots)
        self.slot_of = np.array(
            [slots[e.slot] if e.kind == "option" else -1 for e in edits] + [-1] * has_demonstrations, dtype=np.intp
        )
        self.tokens = np.array([e.token_cost for e in edits] + [0.0] * (has_demonstrations + 1))
        self._is_demonstration = np.array([k == "add_demonstration" for k in self.kinds] + [False])
        self._is_word = np.array([k == "insert_word" for k in self.kinds] + [False])
        self._most_demonstrations = max(
            (e.pool.maximum for e in space.edits if isinstance(e, AddDemonstration)), default=0
        )
        sets, clears = np.full(space.n_actions, nothing), np.full(space.n_actions, nothing)
        cleared: Counter[tuple[str, str, str]] = Counter()
        for a, edit in enumerate(space.edits):
            if edit.kind in _SETTERS:
                sets[a] = feature_of_edit[a]
            elif edit.kind == "swap_demonstration":
                sets[a] = features_of["add_demonstration", edit.slot, edit.text][0]
            elif edit.kind in _CLEARS:
                key = (_CLEARS[edit.kind], edit.slot, edit.text)
                clears[a] = features_of[key][cleared[key]]  # a sentence may stand in a text twice
                cleared[key] += 1
        self.sets: Indices = sets.astype(np.intp)
        self._clears: Indices = clears.astype(np.intp)
        kinds = [edit.kind for edit in space.edits]
        self._option_edits = _where(kinds, "option")
        self._add_edits = _where(kinds, "add_demonstration")
        self._swap_edits = _where(kinds, "swap_demonstration")
        self._word_edits = _where(kinds, "insert_word")
        self._one_way = np.concatenate([_where(kinds, "drop_phrase"), _where(kinds, "move")])
        self._clearing = np.concatenate([_where(kinds, "drop_demonstration"), _where(kinds, "restore_phrase")])

    @property
    def nothing(self) -> int:
        """The index that stands for no feature."""
        return self.n_features

    def features(self, prompt: Prompt) -> Bools:
        """Which features a prompt holds, shape (n_features,)."""
        held = self.space.holds(prompt)[self._setters]
        if self.any_demonstration == self.n_features:
            return held
        return np.append(held, bool(prompt.demonstrations))

    def states(self, features: Bools) -> States:
        """States of prompts, given their features, shape (n, n_features)."""
        n = len(features)
        held = np.concatenate([features, np.zeros((n, 1), dtype=np.bool_)], axis=1)
        option = np.full((n, self.n_slots), self.nothing, dtype=np.intp)
        for f in np.flatnonzero(self.slot_of >= 0):
            option[features[:, f], self.slot_of[f]] = f
        return States(held, option)

    def valid(self, states: States) -> Bools:
        """Which actions change each state, shape (n, n_actions); *stop* always may be taken."""
        held = states.held
        valid = np.zeros((len(held), self.space.n_actions), dtype=np.bool_)
        for edits in (self._option_edits, self._one_way):
            valid[:, edits] = ~held[:, self.sets[edits]]
        valid[:, self._clearing] = held[:, self._clears[self._clearing]]
        if len(self._add_edits):
            shown = held[:, self._is_demonstration].sum(axis=1)[:, None]
            is_full = shown >= self._most_demonstrations
            valid[:, self._add_edits] = ~held[:, self.sets[self._add_edits]] & ~is_full
            valid[:, self._swap_edits] = ~held[:, self.sets[self._swap_edits]] & is_full
        if len(self._word_edits):
            has_room = held[:, self._is_word].sum(axis=1)[:, None] < MAX_WORDS
            valid[:, self._word_edits] = ~held[:, self.sets[self._word_edits]] & has_room
        valid[:, self.space.stop] = True
        return valid

    def cleared(self, states: States) -> Indices:
        """The feature that each action takes out of each state, ``nothing`` where none, shape (n, n_actions)."""
        cleared = np.broadcast_to(self._clears, (len(states.held), len(self._clears))).copy()
        if len(self._option_edits):
            cleared[:, self._option_edits] = states.option[:, self.slot_of[self.sets[self._option_edits]]]
        if len(self._swap_edits):
            shown = states.held & self._is_demonstration
            last = shown.shape[1] - 1 - shown[:, ::-1].argmax(axis=1)
            cleared[:, self._swap_edits] = np.where(shown.any(axis=1), last, self.nothing)[:, None]
        return cleared

    def any_change(self, states: States) -> NDArray[np.int8]:
        """Whether each action makes the first demonstration appear (1) or the last disappear (-1), (n, n_actions)."""
        change = np.zeros((len(states.held), self.space.n_actions), dtype=np.int8)
        if self.any_demonstration < self.n_features:
            shown = states.held[:, self._is_demonstration].sum(axis=1)
            change[np.ix_(shown == 0, self._add_edits)] = 1
            drops = self._clearing[self._is_demonstration[self._clears[self._clearing]]]
            change[np.ix_(shown == 1, drops)] = -1
        return change

    def apply(self, states: States, rows: Indices, on: Indices, off: Indices, any_change: NDArray[np.int8]) -> None:
        """Set ``on`` and clear ``off`` in the given rows, in place."""
        states.held[rows, off] = False
        states.held[rows, on] = True
        states.held[:, -1] = False
        is_option = np.append(self.slot_of >= 0, False)[on]
        states.option[rows[is_option], self.slot_of[on[is_option]]] = on[is_option]
        if self.any_demonstration < self.n_features:
            changed = any_change != 0
            states.held[rows[changed], self.any_demonstration] = any_change[changed] > 0

    def replay(self, start: Prompt, actions: Sequence[int]) -> Prompt:
        """The real prompt that the edits lead to; one that turns out invalid is passed over."""
        prompt = start
        for action in actions:
            prompt = self.space.apply(prompt, action)
        return prompt


def _where(kinds: Sequence[str], kind: str) -> Indices:
    return np.flatnonzero([k == kind for k in kinds])
