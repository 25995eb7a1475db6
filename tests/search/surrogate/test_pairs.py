"""Which pairs of features may have an effect."""

import numpy as np

from promptrl.search.surrogate.data import Indices
from promptrl.search.surrogate.features import FeatureTable
from promptrl.search.surrogate.pairs import MAX_PAIRS, choose_pairs, more_pairs


def features(slot_of: Indices, crowd: Indices | None = None) -> FeatureTable:
    """A table of features without wording."""
    n = len(slot_of)
    return FeatureTable(("",) * n, ("option",) * n, slot_of, np.zeros(n), np.full(n, -1) if crowd is None else crowd)


def test_small_spaces_take_every_pair_that_can_be_held() -> None:
    """Two slots of three options: nine pairs, none within a slot."""
    slot_of = np.repeat([0, 1], 3)
    pairs = choose_pairs(np.zeros(6), features(slot_of), np.random.default_rng(0))
    assert len(pairs) == 9
    assert np.all(slot_of[pairs[:, 0]] != slot_of[pairs[:, 1]])


def test_demonstrations_pair_with_options_only() -> None:
    """Not with each other, and not with the feature that says there are any."""
    slot_of, crowd = np.array([0, 0, -1, -1, -1]), np.array([-1, -1, 3, 3, 3])
    pairs = choose_pairs(np.zeros(5), features(slot_of, crowd), np.random.default_rng(0))
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)}


def test_large_spaces_keep_the_strongest_and_some_luck() -> None:
    """The cap holds, the two strongest features are paired, and some pairs of weak ones are tried."""
    n = 200
    strength = np.zeros(n)
    strength[[3, 150]] = 5.0
    pairs = choose_pairs(strength, features(np.repeat(np.arange(20), 10)), np.random.default_rng(0))
    assert len(pairs) == MAX_PAIRS
    assert (3, 150) in {tuple(pair) for pair in pairs.tolist()}
    assert np.any(~np.isin(pairs, [3, 150]).any(axis=1))


def test_new_features_pair_with_what_there_was() -> None:
    """In a small space the result is every pair; the present ones are among them, and all are in order."""
    slot_of = np.repeat([0, 1, 2], 2)
    is_new = np.array([False, False, False, True, False, True])
    every = choose_pairs(np.zeros(6), features(slot_of), np.random.default_rng(0))
    present = every[~is_new[every].any(axis=1)]
    assert np.array_equal(more_pairs(present, np.zeros(6), features(slot_of), is_new, np.random.default_rng(0)), every)


def test_a_few_pairs_of_new_features_are_tried_where_there_is_no_room() -> None:
    """The present pairs stay, and some join them, those with the strongest feature first."""
    n = 201
    table, strength, is_new = features(np.append(np.repeat(np.arange(20), 10), 20)), np.zeros(n), np.arange(n) == 200
    strength[[3, 150]] = 5.0
    present = choose_pairs(strength, features(table.slot_of[:200]), np.random.default_rng(0))
    pairs = more_pairs(present, strength, table, is_new, np.random.default_rng(0))
    found = {tuple(pair) for pair in pairs.tolist()}
    assert {tuple(pair) for pair in present.tolist()} | {(3, 200), (150, 200)} <= found
    assert len(present) < len(pairs) <= 1.2 * MAX_PAIRS
