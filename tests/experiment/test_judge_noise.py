"""A judge that errs once in five makes no prompt better than it is, and hides none that is much better."""

import numpy as np
import pytest

from benchmarks.judge_noise import JUDGES, judged_scores, promotions
from promptrl.stats.gate import Gate

NIGHTS = 40


@pytest.mark.parametrize("name", JUDGES)
def test_equal_prompts_are_not_told_apart(name: str) -> None:
    """At most one side of a 95 % interval; ``python -m benchmarks.judge_noise`` counts 2,000 nights of each kind."""
    rng = np.random.default_rng(3)
    assert promotions(lambda: judged_scores(JUDGES[name], rng), NIGHTS, Gate()) <= 3


def test_a_prompt_that_is_much_better_is_found_all_the_same() -> None:
    """The gate asks for more, but not for what no row can show."""
    rng = np.random.default_rng(5)
    found = promotions(lambda: judged_scores(JUDGES["points, three times"], rng, better=0.35), 10, Gate())
    assert found >= 8


def test_three_judgements_of_an_answer_are_one_observation() -> None:
    """However often a row is judged, it counts once: its scores are means in [0, 1], one a row."""
    scores = judged_scores(JUDGES["points, three times"], np.random.default_rng(6))
    assert scores.shape == (2, 100)
    assert set(np.round(np.unique(scores) * 3, 6)) <= {0.0, 1.0, 2.0, 3.0}
