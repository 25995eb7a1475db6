"""Which pairs of features may have an effect of their own."""

import numpy as np
from numpy.typing import NDArray

MAX_PAIRS = 800
RANDOM_SHARE = 0.2


def choose_pairs(
    strength: NDArray[np.float64], slot_of: NDArray[np.intp], crowd: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """All pairs that can be held together, or in large spaces those of the strongest features and some random ones.

    Pairs within a crowd are left out: there are many, and they do much the same.

    Args:
        strength: How much each feature matters by itself, shape (n,) (weak heredity, Chipman 1996).
        slot_of: Number of the slot of features that exclude each other, -1 for others.
        crowd: Number of the crowd that each feature is in, -1 for none.
        rng: Draws the random ones.

    Returns:
        Pairs (first < second) in ascending order, shape (at most ``MAX_PAIRS``, 2).
    """
    n = len(strength)
    first, second = np.triu_indices(n, 1)
    same_slot, same_crowd = ((of[first] >= 0) & (of[first] == of[second]) for of in (slot_of, crowd))
    possible = np.flatnonzero(~same_slot & ~same_crowd)
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
