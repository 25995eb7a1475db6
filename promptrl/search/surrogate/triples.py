"""How three options act together: random parities of what three slots hold.

A parity gives every option of three slots a random sign; its value for a prompt is the product of the signs of the
options held there. Two prompts that hold the same options in all three slots have the same value, others are alike by
chance only, so a sum of many parities with normal weights stands for a free value of every triple of options (random
features, Rahimi & Recht 2007), which alone would need a thousand columns. What its options do alone and in pairs is
part of that value: where they have few alternatives, the most of it.
"""

from collections.abc import Sequence
from math import comb

import numpy as np

from promptrl.search.surrogate.data import Bools, Floats, Indices

PARITIES = 64
SLOTS_EACH = 3


class RandomParityFeatures:
    """The parities of one search.

    Attributes:
        slots: The slots that each parity looks at, shape (n_parities, ``SLOTS_EACH``).
        flips: 1 where a feature turns a parity's sign, else 0, shape (n_features + 1, n_parities); the last row, of no
            feature, is 0.
        shares: What part of the variance of all triples each parity stands for, shape (n_parities,); their sum is 1.

    Args:
        slot_of: Slot number of option features, -1 for others, shape (n_features,).
        slots: Likewise.
        flips: Likewise.
        shares: Likewise.
    """

    def __init__(self, slot_of: Indices, slots: Indices, flips: Floats, shares: Floats) -> None:
        self.slots, self.flips, self.shares = slots, flips, shares
        self._options = [np.flatnonzero(slot_of == slot) for slot in range(_count_slots(slot_of))]
        self._signs = 1 - 2 * flips

    @classmethod
    def draw(cls, slot_of: Indices, rng: np.random.Generator, wanted: int) -> "RandomParityFeatures":
        """Random ones.

        Args:
            slot_of: Slot number of option features, -1 for others, shape (n_features,).
            rng: Draws slots and signs.
            wanted: How many; there are none where there are fewer than ``SLOTS_EACH`` slots.
        """
        n_slots = _count_slots(slot_of)
        n = wanted if n_slots >= SLOTS_EACH else 0
        slots, flips = _draw(slot_of, np.arange(n_slots), rng, n)
        return cls(slot_of, slots, flips, np.full(n, 1 / max(1, n)))

    def extended(
        self, slot_of: Indices, places: Indices, rng: np.random.Generator, wanted: int
    ) -> "RandomParityFeatures":
        """The same parities where prompts can hold more: signs that were drawn stay.

        New options of a slot are given signs by the parities that look at it. Where there are new slots, there are new
        parities that look at one at least, as many of them as keep every triple about equally well told apart.

        Args:
            slot_of: As for ``draw``, of all features.
            places: Number among them of each present feature, shape (n_features,).
            rng: Draws new slots and signs.
            wanted: As for ``draw``.
        """
        moved = np.array([slot_of[places[options[0]]] for options in self._options], dtype=np.intp)
        slots, flips = moved[self.slots], np.zeros((len(slot_of) + 1, len(self)))
        flips[places] = self.flips[:-1]
        is_new = np.ones(len(slot_of), dtype=np.bool_)
        is_new[places] = False
        for at, looked_at in enumerate(slots):
            _draw_signs(flips[:, at], [np.flatnonzero((slot_of == slot) & is_new) for slot in looked_at], rng)
        new_slots = np.setdiff1d(np.arange(_count_slots(slot_of)), moved)
        if not len(new_slots):
            return RandomParityFeatures(slot_of, slots, flips, self.shares)
        triples = comb(_count_slots(slot_of), SLOTS_EACH)
        known = comb(len(moved), SLOTS_EACH) / max(1, triples)
        n = max(1, round(wanted * (1 - known))) if wanted and triples else 0
        more_slots, more_flips = _draw(slot_of, new_slots, rng, n)
        shares = np.concatenate([self.shares * known, np.full(n, (1 - known) / max(1, n))])
        return RandomParityFeatures(
            slot_of, np.concatenate([slots, more_slots]), np.hstack([flips, more_flips]), shares
        )

    def __len__(self) -> int:
        return len(self.slots)

    def values(self, held: Bools) -> Floats:
        """Each parity of prompts, 1 or -1, shape (n, n_parities).

        Args:
            held: Which features they hold, shape (n, n_features) or with a column for no feature.
        """
        return np.asarray(1 - 2 * (held @ self.flips[: held.shape[1]] % 2))

    def changes(self, terms: Floats, option: Indices) -> Floats:
        """What it changes to hold each option instead of the one in its slot, shape (n, n_features + 1).

        Args:
            terms: Weights times values of the present prompts, shape (n, n_parities).
            option: The feature held in each slot, shape (n, n_slots).
        """
        change = np.zeros((len(terms), len(self.flips)))
        if len(self):
            total = terms.sum(axis=1, keepdims=True)
            for slot, options in enumerate(self._options):
                change[:, options] = (terms * self._signs[option[:, slot]]) @ self._signs[options].T - total
        return change


def _count_slots(slot_of: Indices) -> int:
    return int(slot_of.max(initial=-1)) + 1


def _draw(slot_of: Indices, wanted_slots: Indices, rng: np.random.Generator, n: int) -> tuple[Indices, Floats]:
    """Slots and flips of parities that look at one of the wanted slots at least."""
    slots, flips = np.zeros((n, SLOTS_EACH), dtype=np.intp), np.zeros((len(slot_of) + 1, n))
    for at in range(n):
        while True:
            slots[at] = rng.choice(_count_slots(slot_of), SLOTS_EACH, replace=False)
            if np.isin(slots[at], wanted_slots).any():
                break
        _draw_signs(flips[:, at], [np.flatnonzero(slot_of == slot) for slot in slots[at]], rng)
    return slots, flips


def _draw_signs(flips: Floats, options: Sequence[Indices], rng: np.random.Generator) -> None:
    """Give options random signs in one parity, slot by slot, in place."""
    for of_slot in options:
        flips[of_slot] = rng.integers(2, size=len(of_slot))
