"""Which pairs of features may have an effect of their own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_PAIRS = 800
RANDOM_SHARE = 0.2


def choose_pairs(
    strength: NDArray[np.float64], kinds: Sequence[str], slot_of: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """All pairs that can be held together, or in large spaces those of the strongest features and some random ones.

    Pairs of two demonstrations or of two words are left out: there are many, and they do much the same.

    Args:
        strength: How much each feature matters by itself, shape (n,) (weak heredity, Chipman 1996).
        kinds: Kind of each feature.
        slot_of: Slot number of option features, -1 for others.
        rng: Draws the random ones.

    Returns:
        Pairs (first < second) in ascending order, shape (at most ``MAX_PAIRS``, 2).
    """
    n = len(strength)
    kind = np.unique(np.asarray(kinds), return_inverse=True)[1]
    first, second = np.triu_indices(n, 1)
    is_option = slot_of >= 0
    same_slot = is_option[first] & (slot_of[first] == slot_of[second])
    many = np.isin(np.asarray(kinds), ("add_demonstration", "insert_word"))
    derived = np.asarray(kinds) == "any_demonstration"
    demonstrations = np.asarray(kinds) == "add_demonstration"
    implied = (derived[first] & demonstrations[second]) | (demonstrations[first] & derived[second])
    possible = np.flatnonzero(~same_slot & ~(many[first] & (kind[first] == kind[second])) & ~implied)
    if len(possible) > MAX_PAIRS:
        joint = np.maximum(strength[first[possible]], strength[second[possible]]) * (
            strength[first[possible]] + strength[second[possible]]
        )
        n_random = int(RANDOM_SHARE * MAX_PAIRS)
        order = np.argsort(-joint, kind="stable")
        if not joint.any():
            order = rng.permutation(len(possible))
        lucky = rng.choice(order[MAX_PAIRS - n_random :], n_random, replace=False)
        possible = np.sort(possible[np.concatenate([order[: MAX_PAIRS - n_random], lucky])])
    return np.stack([first[possible], second[possible]], axis=1).astype(np.intp)
