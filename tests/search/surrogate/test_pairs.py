"""Which pairs of features may have an effect."""

import numpy as np

from promptrl.search.surrogate.pairs import MAX_PAIRS, choose_pairs


def test_small_spaces_take_every_pair_that_can_be_held():
    """Two slots of three options: nine pairs, none within a slot."""
    slot_of = np.repeat([0, 1], 3)
    pairs = choose_pairs(np.zeros(6), slot_of, np.full(6, -1), np.random.default_rng(0))
    assert len(pairs) == 9
    assert np.all(slot_of[pairs[:, 0]] != slot_of[pairs[:, 1]])


def test_demonstrations_pair_with_options_only():
    """Not with each other, and not with the feature that says there are any."""
    slot_of, crowd = np.array([0, 0, -1, -1, -1]), np.array([-1, -1, 3, 3, 3])
    pairs = choose_pairs(np.zeros(5), slot_of, crowd, np.random.default_rng(0))
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)}


def test_large_spaces_keep_the_strongest_and_some_luck():
    """The cap holds, the two strongest features are paired, and some pairs of weak ones are tried."""
    n = 200
    strength = np.zeros(n)
    strength[[3, 150]] = 5.0
    pairs = choose_pairs(strength, np.repeat(np.arange(20), 10), np.full(n, -1), np.random.default_rng(0))
    assert len(pairs) == MAX_PAIRS
    assert (3, 150) in {tuple(pair) for pair in pairs.tolist()}
    assert np.any(~np.isin(pairs, [3, 150]).any(axis=1))
