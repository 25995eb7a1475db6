"""The running estimates recover effects, shrink them and correct for easy rows."""

import numpy as np
import numpy.typing as npt
import pytest

from promptrl.search.live.estimates import Estimates, prompt_keys

RNG_SEED = 7


def holds(*edits: int, n: int = 6) -> npt.NDArray[np.bool_]:
    """A prompt that holds these edits."""
    mask = np.zeros(n, dtype=bool)
    mask[list(edits)] = True
    return mask


def design(*masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Rows of the design with their intercept."""
    return np.array([[*mask, 1.0] for mask in masks], dtype=float)


def simulated(
    n_prompts: int = 80, rows_each: int = 10, noise: float = 0.2
) -> tuple[Estimates, npt.NDArray[np.float64]]:
    """Answers of random prompts under known effects, and the effects."""
    rng = np.random.default_rng(RNG_SEED)
    effects = np.array([0.3, -0.2, 0.1, 0.0, 0.0, 0.0])
    difficulty = rng.normal(0, 0.3, 40)
    estimates = Estimates(6)
    for p in range(n_prompts):
        mask = rng.random(6) < 0.5
        for r in rng.choice(40, rows_each, replace=False):
            value = 0.4 + mask @ effects + difficulty[r] + rng.normal(0, noise)
            estimates.add(f"{p:012x}", mask, f"row{r}", value)
    estimates.fit()
    return estimates, effects


def test_effects_are_recovered_in_spite_of_row_difficulty() -> None:
    """With many answers the posterior mean comes close to the truth."""
    estimates, effects = simulated()
    found = estimates.posterior_mean().weights[:-1]
    assert np.abs(found - effects).max() < 0.06


def test_few_answers_are_shrunken_towards_no_effect() -> None:
    """One lucky answer moves the estimate by a part of it only."""
    estimates = Estimates(6)
    estimates.add("a" * 12, holds(), "r", 0.0)
    estimates.add("b" * 12, holds(0), "r", 1.0)
    estimates.fit()
    values = estimates.expected(design(holds(), holds(0)), estimates.find(["a" * 12, "b" * 12]))
    assert 0.02 < values[1] - values[0] < 0.5


def test_pair_seen_before_adds_no_evidence() -> None:
    """Counting one answer twice changes nothing."""
    once, twice = Estimates(6), Estimates(6)
    for estimates, times in ((once, 1), (twice, 5)):
        for _ in range(times):
            estimates.add("a" * 12, holds(1), "r", 1.0)
        estimates.fit()
    assert np.array_equal(once.posterior_mean().weights, twice.posterior_mean().weights)
    assert twice.ranking()[0].answers == 1


def test_own_answers_pull_a_prompt_from_the_additive_prediction() -> None:
    """A conjunction that no sum of effects explains still shows in the prompt itself."""
    estimates = Estimates(2)
    masks = {"a" * 12: holds(n=2), "b" * 12: holds(0, n=2), "c" * 12: holds(1, n=2), "d" * 12: holds(0, 1, n=2)}
    for prompt_id, mask in masks.items():
        for r in range(60):
            estimates.add(prompt_id, mask, f"r{r}", float(prompt_id[0] == "d"))
    for _ in range(5):
        estimates.fit()
    best = estimates.ranking()[0]
    additive = design(masks["d" * 12]) @ estimates.posterior_mean().weights
    assert best.index == 3
    assert best.mean > 0.9
    assert best.mean > float(additive[0]) + 0.1


def test_draws_spread_as_the_posterior_says() -> None:
    """The spread of draws over an edit matches its stated standard deviation."""
    estimates, _ = simulated(n_prompts=12, rows_each=4)
    rows = design(holds(), holds(0))
    unknown = np.array([-1, -1])
    keys = prompt_keys(["1" * 12, "2" * 12])
    rng = np.random.default_rng(RNG_SEED)
    draws = [estimates.imagined(estimates.draw(rng), rows, unknown, keys) for _ in range(4000)]
    changes = np.diff(np.array(draws), axis=1).ravel()
    stated = estimates.effect_sd(rows - rows[0], unknown, -1)[1]
    assert changes.std() == pytest.approx(stated, rel=0.06)
    assert changes.mean() == pytest.approx(float(np.diff(estimates.expected(rows, unknown))[0]), abs=4 * stated / 60)


def test_doubt_falls_with_answers() -> None:
    """More rows, less deviation in the ranking."""
    estimates = Estimates(1)
    estimates.add("a" * 12, holds(n=1), "r0", 0.5)
    for r in range(40):
        estimates.add("b" * 12, holds(0, n=1), f"r{r}", 0.5)
    estimates.fit()
    sd = {ranked.index: ranked.sd for ranked in estimates.ranking()}
    assert sd[1] < sd[0]


def test_nothing_answered_is_the_prior() -> None:
    """Before any answer every prompt is worth the same."""
    estimates = Estimates(3)
    estimates.fit()
    assert estimates.ranking() == []
    assert estimates.expected(design(holds(n=3), holds(1, n=3)), np.array([-1, -1])).tolist() == [0.0, 0.0]
