"""An edit space as arrays: which features a prompt has and which of them each edit sets or clears.

Imagined episodes move in the features that factors declare (``prompts/edits/features.py``), many at once; the edits
they took are applied to real prompts afterwards. Edits that are declared as not imagined are not; nor is it that a real
prompt can't tell which of two equal sentences it lacks, or that a sentence that was dropped can't be moved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.edits.features import Change
from promptrl.prompts.edits.numbering import NumberedGroup, check_imagined
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace, Extension
from promptrl.search.surrogate.data import Bools, Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """What a surrogate knows of the features of a prompt.

    Attributes:
        texts: What each brings in; empty for none.
        kinds: Features of different kinds are independent.
        slot_of: Number of the slot of features that exclude each other there, -1 for others, shape (n,).
        alike: Part of the prior variance that all features of a kind have in common, shape (n,).
        crowd: Number of the group of features that have no effect as a pair, -1 for others, shape (n,).
    """

    texts: tuple[str, ...]
    kinds: tuple[str, ...]
    slot_of: Indices
    alike: Floats
    crowd: Indices

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(slots=True)
class States:
    """Imagined prompts side by side.

    Attributes:
        held: Which features each holds, shape (n, n_features + 1); the last column is never held.
        option: The feature held in each slot, shape (n, n_slots); ``n_features`` for none.
    """

    held: Bools
    option: Indices


@dataclass(frozen=True, slots=True)
class _Counted:
    """A group of which it matters how many features are held.

    Attributes:
        members: Which features are in it, shape (n_features + 1,).
        capacity: How many a prompt can hold.
        any_feature: The feature that says whether any is held; ``n_features`` where there is none.
        setting: Edits that set a feature while there is room.
        clearing: Edits that clear one.
        swapping: Edits that set one in place of the last one held, once there is no room.
    """

    members: Bools
    capacity: int
    any_feature: int
    setting: Indices
    clearing: Indices
    swapping: Indices

    def count(self, states: States) -> Indices:
        """How many each state holds, shape (n,)."""
        return np.asarray(states.held[:, self.members].sum(axis=1))


class Moves:
    """What edits do to features.

    Attributes:
        space: The edits.
        table: The features of a prompt: those that edits set, then those that say whether any of a group is held.
        tokens: About how many tokens each feature adds, shape (n_features + 1,).
        sets: The feature that each action sets, ``nothing`` where none, shape (n_actions,).
        any_of: The feature that says whether any of the group that an action works on is held, ``nothing`` where there
            is none, shape (n_actions,).

    Args:
        space: Likewise.

    Raises:
        ConfigError: A factor can't be set by features.
    """

    def __init__(self, space: EditSpace) -> None:
        check_imagined(space.factors, "the search by a surrogate")
        self.space = space
        groups = space.declared.groups
        self._setters = np.array([edit for group in groups for edit in group.setters], dtype=np.intp)
        self.table = _table(groups)
        tokens = [feature.tokens for group in groups for feature in group.group.features]
        self.tokens = np.pad(np.array(tokens, dtype=np.float64), (0, len(self.table) + 1 - len(tokens)))
        self.n_slots = int(self.table.slot_of.max(initial=-1)) + 1
        self.sets, self._clears = (self._features_by(ops) for ops in (("set", "swap"), ("clear",)))
        self._setting, self._swapping, self._clearing = (self._edits_by(op) for op in ("set", "swap", "clear"))
        self._choosing = self._setting[np.append(self.table.slot_of, -1)[self.sets[self._setting]] >= 0]
        self._counted = tuple(self._count_groups())
        self.any_of = np.full(space.n_actions, self.nothing, dtype=np.intp)
        for counted in self._counted:
            self.any_of[np.concatenate([counted.setting, counted.clearing])] = counted.any_feature

    @property
    def n_features(self) -> int:
        """How many features a prompt can hold, those of any kind included."""
        return len(self.table)

    @property
    def nothing(self) -> int:
        """The index that stands for no feature."""
        return self.n_features

    def features(self, prompt: Prompt) -> Bools:
        """Which features a prompt holds, shape (n_features,)."""
        held = np.append(self.space.holds(prompt)[self._setters], np.zeros(self.n_features - len(self._setters), bool))
        for counted in self._counted:
            if counted.any_feature < self.nothing:
                held[counted.any_feature] = held[counted.members[:-1]].any()
        return np.asarray(held)

    def states(self, features: Bools) -> States:
        """States of prompts, given their features, shape (n, n_features)."""
        n = len(features)
        held = np.concatenate([features, np.zeros((n, 1), dtype=np.bool_)], axis=1)
        option = np.full((n, self.n_slots), self.nothing, dtype=np.intp)
        for f in np.flatnonzero(self.table.slot_of >= 0):
            option[features[:, f], self.table.slot_of[f]] = f
        return States(held, option)

    def valid(self, states: States) -> Bools:
        """Which actions change each state, shape (n, n_actions); *stop* always may be taken."""
        held = states.held
        valid = np.zeros((len(held), self.space.n_actions), dtype=np.bool_)
        valid[:, self._setting] = ~held[:, self.sets[self._setting]]
        valid[:, self._clearing] = held[:, self._clears[self._clearing]]
        for counted in self._counted:
            is_full = (counted.count(states) >= counted.capacity)[:, None]
            valid[:, counted.setting] &= ~is_full
            valid[:, counted.swapping] = ~held[:, self.sets[counted.swapping]] & is_full
        valid[:, :-1] &= ~self.space.is_retired
        valid[:, self.space.stop] = True
        return valid

    def is_held(self, states: States) -> Bools:
        """Whether each state is as each action would make it, shape (n, n_actions); False where none is imagined."""
        held = states.held[:, self.sets]
        held[:, self._clearing] = ~states.held[:, self._clears[self._clearing]]
        return np.asarray(held)

    def cleared(self, states: States) -> Indices:
        """The feature that each action takes out of each state, ``nothing`` where none, shape (n, n_actions)."""
        cleared = np.broadcast_to(self._clears, (len(states.held), len(self._clears))).copy()
        if len(self._choosing):
            cleared[:, self._choosing] = states.option[:, self.table.slot_of[self.sets[self._choosing]]]
        for counted in self._counted:
            if len(counted.swapping):
                shown = states.held & counted.members
                last = shown.shape[1] - 1 - shown[:, ::-1].argmax(axis=1)
                cleared[:, counted.swapping] = np.where(shown.any(axis=1), last, self.nothing)[:, None]
        return cleared

    def any_change(self, states: States) -> NDArray[np.int8]:
        """Whether each action makes the first of a group appear (1) or the last disappear (-1), (n, n_actions)."""
        change = np.zeros((len(states.held), self.space.n_actions), dtype=np.int8)
        for counted in self._counted:
            if counted.any_feature < self.nothing:
                count = counted.count(states)
                change[np.ix_(count == 0, counted.setting)] = 1
                change[np.ix_(count == 1, counted.clearing)] = -1
        return change

    def apply(
        self, states: States, rows: Indices, actions: Indices, off: Indices, any_change: NDArray[np.int8]
    ) -> None:
        """Take an action in each of the given rows, in place.

        Args:
            states: The prompts.
            rows: Which of them change.
            actions: What is done to each.
            off: The feature that it clears there, as in ``cleared``.
            any_change: What it does to whether any of its group is held, as in ``any_change``.
        """
        on = self.sets[actions]
        states.held[rows, off] = False
        states.held[rows, on] = True
        states.held[:, -1] = False
        slots = np.append(self.table.slot_of, -1)[on]
        is_option = slots >= 0
        states.option[rows[is_option], slots[is_option]] = on[is_option]
        changed = any_change != 0
        states.held[rows[changed], self.any_of[actions[changed]]] = any_change[changed] > 0

    def neighbours(self, prompt: Prompt) -> tuple[Indices, Bools]:
        """The edits that change a prompt, and what it holds after each, shape (k, n_features)."""
        states = self.states(self.features(prompt)[None])
        edits = np.flatnonzero(self.valid(states)[0, : self.space.stop])
        cleared, any_change = self.cleared(states)[0, edits], self.any_change(states)[0, edits]
        after = self.states(np.repeat(states.held[:, :-1], len(edits), axis=0))
        self.apply(after, np.arange(len(edits)), edits, cleared, any_change)
        return edits, after.held[:, :-1]

    def extended(self, extension: Extension) -> tuple["Moves", Indices]:
        """Those of a larger space, and the number there of each present feature, shape (n_features,)."""
        moves = Moves(extension.space)
        first = [counted.setting[0] for counted in self._counted if counted.any_feature < self.nothing]
        direct, derived = moves.sets[extension.actions[self._setters]], moves.any_of[extension.actions[first]]
        return moves, np.concatenate([direct, derived])

    def replay(self, start: Prompt, actions: Sequence[int]) -> Prompt:
        """The real prompt that the edits lead to; one that turns out invalid is passed over."""
        prompt = start
        for action in actions:
            prompt = self.space.apply(prompt, action)
        return prompt

    def _features_by(self, ops: Sequence[str]) -> Indices:
        """The feature that edits with one of these operations change, ``nothing`` for others, shape (n_actions,)."""
        changes = (*self.space.declared.changes, None)
        found = [c.feature if isinstance(c, Change) and c.op in ops else self.nothing for c in changes]
        return np.array(found, dtype=np.intp)

    def _edits_by(self, op: str) -> Indices:
        changes = self.space.declared.changes
        return np.flatnonzero([isinstance(change, Change) and change.op == op for change in changes])

    def _count_groups(self) -> Iterator[_Counted]:
        derived = len(self._setters)
        for group in self.space.declared.groups:
            has_any = bool(group.group.any_kind)
            if has_any or group.group.capacity is not None:
                members = np.zeros(self.n_features + 1, dtype=np.bool_)
                members[list(group.numbers)] = True
                setting, swapping = (edits[members[self.sets[edits]]] for edits in (self._setting, self._swapping))
                clearing = self._clearing[members[self._clears[self._clearing]]]
                capacity = len(group.setters) if group.group.capacity is None else group.group.capacity
                any_feature = derived if has_any else self.nothing
                yield _Counted(members, capacity, any_feature, setting, clearing, swapping)
                derived += has_any


def _table(groups: Sequence[NumberedGroup]) -> FeatureTable:
    """The features of all groups; after them, for each group that asks for it, whether any of it is held."""
    slots = {number: slot for slot, number in enumerate(n for n, g in enumerate(groups) if g.group.is_exclusive)}
    sizes = [len(group.setters) for group in groups]
    derived = [number for number, group in enumerate(groups) if group.group.any_kind]
    group_of = np.concatenate([np.repeat(np.arange(len(groups)), sizes), np.array(derived, dtype=np.intp)])
    is_crowd = [bool(group.group.alike or group.group.any_kind) for group in groups]
    n_derived = len(derived)
    return FeatureTable(
        texts=(*(feature.text for group in groups for feature in group.group.features), *[""] * n_derived),
        kinds=(
            *(group.group.kind for group in groups for _ in group.setters),
            *(groups[number].group.any_kind for number in derived),
        ),
        slot_of=np.array([slots.get(int(number), -1) for number in group_of], dtype=np.intp),
        alike=np.append(np.repeat([float(group.group.alike) for group in groups], sizes), np.zeros(n_derived)),
        crowd=np.array([number if is_crowd[number] else -1 for number in group_of], dtype=np.intp),
    )
