"""Which pairs of features may have an effect of their own."""

import numpy as np

from promptrl.search.surrogate.data import Bools, Floats, Indices
from promptrl.search.surrogate.features import FeatureTable

MAX_PAIRS = 800
RANDOM_SHARE = 0.2
MOST_AFTER_GROWTH = int((1 + RANDOM_SHARE) * MAX_PAIRS)
"""More than these are chosen among again at once: the cost of an update must not add up over growths."""


def choose_pairs(strength: Floats, table: FeatureTable, rng: np.random.Generator) -> Indices:
    """All pairs that can be held together, or in large spaces those of the strongest features and some random ones.

    Pairs within a crowd are left out: there are many, and they do much the same.

    Args:
        strength: How much each feature matters by itself, shape (n,) (weak heredity, Chipman 1996).
        table: The features.
        rng: Draws the random ones.

    Returns:
        Pairs (first < second) in ascending order, shape (at most ``MAX_PAIRS``, 2).
    """
    first, second = _possible(table)
    chosen = _strongest(strength[first], strength[second], MAX_PAIRS, rng)
    return np.stack([first[chosen], second[chosen]], axis=1)


def more_pairs(
    present: Indices, strength: Floats, table: FeatureTable, is_new: Bools, rng: np.random.Generator
) -> Indices:
    """The present pairs, and pairs of new features: as many as there is room for, a few in any case.

    Args:
        present: Pairs (first < second), shape (n_pairs, 2).
        strength: As for ``choose_pairs``.
        table: All features.
        is_new: Which of them are new, shape (n,).
        rng: Draws the random ones.

    Returns:
        Pairs (first < second) in ascending order.
    """
    first, second = _possible(table)
    with_new = is_new[first] | is_new[second]
    first, second = first[with_new], second[with_new]
    room = max(MAX_PAIRS - len(present), int(RANDOM_SHARE * MAX_PAIRS))
    chosen = _strongest(strength[first], strength[second], room, rng)
    pairs = np.concatenate([present, np.stack([first[chosen], second[chosen]], axis=1)])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _possible(table: FeatureTable) -> tuple[Indices, Indices]:
    """First and second feature of all pairs that may have an effect, in ascending order."""
    first, second = np.triu_indices(len(table), 1)
    same_slot, same_crowd = ((of[first] >= 0) & (of[first] == of[second]) for of in (table.slot_of, table.crowd))
    possible = np.flatnonzero(~same_slot & ~same_crowd)
    return first[possible], second[possible]


def _strongest(first: Floats, second: Floats, wanted: int, rng: np.random.Generator) -> Indices:
    """Which pairs, given the strengths of their features: all, or those of strong features and some random ones."""
    if len(first) <= wanted:
        return np.arange(len(first))
    joint = np.maximum(first, second) * (first + second)
    n_random = int(RANDOM_SHARE * wanted)
    order = rng.permutation(len(joint)) if not joint.any() else np.argsort(-joint, kind="stable")
    lucky = rng.choice(order[wanted - n_random :], n_random, replace=False)
    return np.sort(np.concatenate([order[: wanted - n_random], lucky]))
