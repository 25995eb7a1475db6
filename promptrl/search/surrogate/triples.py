"""How three options act together: random parities of what three slots hold.

A parity gives every option of three slots a random sign; its value for a prompt is the product of the signs of the
options held there. Two prompts that hold the same options in all three slots have the same value, others are alike by
chance only, so a sum of many parities with normal weights stands for a free value of every triple of options (random
features, Rahimi & Recht 2007), which alone would need a thousand columns. What its options do alone and in pairs is
part of that value: where they have few alternatives, the most of it.
"""

import numpy as np

from promptrl.search.surrogate.data import Bools, Floats, Indices

PARITIES = 64
SLOTS_EACH = 3


class RandomParityFeatures:
    """The parities of one search.

    Args:
        slot_of: Slot number of option features, -1 for others, shape (n_features,).
        rng: Draws slots and signs.
        wanted: How many; there are none where there are fewer than ``SLOTS_EACH`` slots.
    """

    def __init__(self, slot_of: Indices, rng: np.random.Generator, wanted: int) -> None:
        n_features, n_slots = len(slot_of), int(slot_of.max(initial=-1)) + 1
        self._options = [np.flatnonzero(slot_of == slot) for slot in range(n_slots)]
        self._flips = np.zeros((n_features + 1, wanted if n_slots >= SLOTS_EACH else 0))
        for parity in self._flips.T:
            for slot in rng.choice(n_slots, SLOTS_EACH, replace=False):
                parity[self._options[slot]] = rng.integers(2, size=len(self._options[slot]))
        self._signs = 1 - 2 * self._flips

    def __len__(self) -> int:
        return self._flips.shape[1]

    def values(self, held: Bools) -> Floats:
        """Each parity of prompts, 1 or -1, shape (n, n_parities).

        Args:
            held: Which features they hold, shape (n, n_features) or with a column for no feature.
        """
        return np.asarray(1 - 2 * (held @ self._flips[: held.shape[1]] % 2))

    def changes(self, terms: Floats, option: Indices) -> Floats:
        """What it changes to hold each option instead of the one in its slot, shape (n, n_features + 1).

        Args:
            terms: Weights times values of the present prompts, shape (n, n_parities).
            option: The feature held in each slot, shape (n, n_slots).
        """
        change = np.zeros((len(terms), len(self._flips)))
        if len(self):
            total = terms.sum(axis=1, keepdims=True)
            for slot, options in enumerate(self._options):
                change[:, options] = (terms * self._signs[option[:, slot]]) @ self._signs[options].T - total
        return change
