"""Whether pairs of edits that work together are told from edits that merely add up."""

import numpy as np

from promptrl.stats.interactions import MIN_ANSWERS, interactions

SLOTS = ["a", "a", "b", "b", "c", "c"]


def answers(seed: int, n: int, gain: float) -> tuple[np.ndarray, list[str], list[float]]:
    """Uniform prompts of three slots with two options; edits 1 and 3 together gain something, 5 adds 0.2 alone."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(2, size=(n, 3))
    holds = np.hstack([np.eye(2, dtype=bool)[chosen[:, slot]] for slot in range(3)])
    scores = 0.3 + gain * (holds[:, 1] & holds[:, 3]) + 0.2 * holds[:, 5] + rng.normal(0, 0.1, n)
    return holds, [str(r) for r in rng.integers(20, size=n)], list(scores)


def test_the_pair_that_works_together_comes_first() -> None:
    """Two edits that help only together: better than their sum, and the interval says so."""
    holds, rows, scores = answers(0, 400, 0.4)
    first, *others = interactions(holds, SLOTS, rows, scores)
    assert {SLOTS[first.first], SLOTS[first.second]} == {"a", "b"}
    synergy = {(pair.first, pair.second): pair.strength for pair in [first, *others]}
    assert synergy[1, 3] > 0.05
    assert synergy[0, 3] < -0.05
    assert first.low > 0 or first.high < 0
    assert all(SLOTS[pair.first] != SLOTS[pair.second] for pair in others)


def test_edits_that_add_up_have_no_interaction() -> None:
    """Without a pair in the truth all intervals hold 0."""
    holds, rows, scores = answers(1, 400, 0.0)
    found = interactions(holds, SLOTS, rows, scores)
    assert found
    assert all(pair.low < 0 < pair.high and abs(pair.strength) < 0.05 for pair in found)


def test_too_few_answers_or_a_single_slot_have_none() -> None:
    """There is nothing to pair, or nothing to learn it from."""
    holds, rows, scores = answers(2, MIN_ANSWERS, 0.4)
    assert interactions(holds[:-1], SLOTS, rows[:-1], scores[:-1]) == []
    assert interactions(holds, ["a"] * 6, rows, scores) == []
