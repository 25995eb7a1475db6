"""Random features that stand for triples of options."""

import numpy as np
import numpy.typing as npt
import pytest

from promptrl.search.surrogate.triples import PARITIES, RandomParityFeatures

SLOT_OF = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, -1])


def prompts(n: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Random prompts: the option in each slot, shape (n, 4), and what they hold, shape (n, 13)."""
    option = np.asarray(np.arange(4) * 3 + rng.integers(3, size=(n, 4)), dtype=np.intp)
    held = np.zeros((n, 13), dtype=bool)
    np.put_along_axis(held, option, True, axis=1)
    held[:, 12] = rng.random(n) < 0.5
    return option, held


def test_prompts_are_as_alike_as_the_triples_that_they_share() -> None:
    """The mean product of two prompts' parities is the share of triples of slots in which they agree."""
    parities = RandomParityFeatures.draw(SLOT_OF, np.random.default_rng(0), wanted=20_000)
    option, held = prompts(30, np.random.default_rng(1))
    values = parities.values(held)
    assert set(np.unique(values)) == {-1.0, 1.0}
    same = (option[:, None] == option[None]).sum(axis=2)
    shared = same * (same - 1) * (same - 2) / (4 * 3 * 2)
    assert np.allclose(values @ values.T / len(parities), shared, atol=0.04)


def test_changes_are_differences_of_sums() -> None:
    """Taking another option changes the weighted sum as a new look at the prompt says."""
    parities = RandomParityFeatures.draw(SLOT_OF, np.random.default_rng(0), PARITIES)
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


def test_two_slots_have_no_triples() -> None:
    """Nothing is drawn, and nothing changes."""
    parities = RandomParityFeatures.draw(np.array([0, 0, 1, 1]), np.random.default_rng(0), PARITIES)
    held = np.array([[True, False, True, False]])
    assert len(parities) == 0
    assert parities.values(held).shape == (1, 0)
    assert np.all(parities.changes(np.zeros((1, 0)), np.array([[0, 2]])) == 0)


def test_signs_stay_where_slots_get_more_options() -> None:
    """Old prompts keep every parity, new options get signs of both kinds, and nothing else is drawn."""
    parities = RandomParityFeatures.draw(SLOT_OF, np.random.default_rng(0), PARITIES)
    _, held = prompts(30, np.random.default_rng(1))
    slot_of = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, -1])
    places = np.delete(np.arange(15), [3, 13])
    grown = parities.extended(slot_of, places, np.random.default_rng(2), PARITIES)
    among_more = np.zeros((30, 15), dtype=bool)
    among_more[:, places] = held
    assert np.array_equal(grown.values(among_more), parities.values(held))
    assert len(grown) == PARITIES
    looks = (grown.slots == 0).any(axis=1)
    assert 0.2 < grown.flips[3, looks].mean() < 0.8
    assert not grown.flips[3, ~looks].any()


def test_triples_of_new_slots_are_told_apart_as_well_as_the_old() -> None:
    """The weighted mean product of two prompts' parities stays the share of triples of slots in which they agree."""
    start = np.repeat([0, 1, 2, 3], 3)
    parities = RandomParityFeatures.draw(start, np.random.default_rng(0), wanted=5_000)
    slot_of = np.append(np.array([4, 4, 4]), start)
    grown = parities.extended(slot_of, np.arange(3, 15), np.random.default_rng(1), wanted=5_000)
    rng = np.random.default_rng(2)
    option = np.array([3, 6, 9, 12, 0]) + rng.integers(3, size=(30, 5))
    held = np.zeros((30, 15), dtype=bool)
    np.put_along_axis(held, option, True, axis=1)
    same = (option[:, None] == option[None]).sum(axis=2)
    shared = same * (same - 1) * (same - 2) / (5 * 4 * 3)
    values = grown.values(held)
    assert np.allclose((values * grown.shares) @ values.T, shared, atol=0.06)
    assert grown.shares.sum() == pytest.approx(1)
