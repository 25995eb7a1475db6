"""Random features that stand for triples of options."""

import numpy as np

from promptrl.search.surrogate.triples import PARITIES, RandomParityFeatures

SLOT_OF = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, -1])


def prompts(n, rng):
    """Random prompts: the option in each slot, shape (n, 4), and what they hold, shape (n, 13)."""
    option = np.arange(4) * 3 + rng.integers(3, size=(n, 4))
    held = np.zeros((n, 13), dtype=bool)
    np.put_along_axis(held, option, True, axis=1)
    held[:, 12] = rng.random(n) < 0.5
    return option, held


def test_prompts_are_as_alike_as_the_triples_that_they_share():
    """The mean product of two prompts' parities is the share of triples of slots in which they agree."""
    parities = RandomParityFeatures(SLOT_OF, np.random.default_rng(0), wanted=20_000)
    option, held = prompts(30, np.random.default_rng(1))
    values = parities.values(held)
    assert set(np.unique(values)) == {-1.0, 1.0}
    same = (option[:, None] == option[None]).sum(axis=2)
    shared = same * (same - 1) * (same - 2) / (4 * 3 * 2)
    assert np.allclose(values @ values.T / len(parities), shared, atol=0.04)


def test_changes_are_differences_of_sums():
    """Taking another option changes the weighted sum as a new look at the prompt says."""
    parities = RandomParityFeatures(SLOT_OF, np.random.default_rng(0), PARITIES)
    assert len(parities) == PARITIES
    rng = np.random.default_rng(2)
    option, held = prompts(10, rng)
    weights = rng.normal(size=PARITIES)
    changes = parities.changes(weights * parities.values(held), option)
    assert np.all(changes[:, 12:] == 0)
    before = parities.values(held) @ weights
    for feature in range(12):
        slot = SLOT_OF[feature]
        other = held.copy()
        other[:, slot == SLOT_OF] = False
        other[:, feature] = True
        assert np.allclose(changes[:, feature], parities.values(other) @ weights - before)


def test_two_slots_have_no_triples():
    """Nothing is drawn, and nothing changes."""
    parities = RandomParityFeatures(np.array([0, 0, 1, 1]), np.random.default_rng(0), PARITIES)
    held = np.array([[True, False, True, False]])
    assert len(parities) == 0
    assert parities.values(held).shape == (1, 0)
    assert np.all(parities.changes(np.zeros((1, 0)), np.array([[0, 2]])) == 0)
