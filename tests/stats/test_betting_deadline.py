"""Bets towards a known number of rows hold their promise on scores of any kind, and are nearly as sharp as a t test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from promptrl.stats.betting_deadline import deadline_interval, deadline_p_value, has_reached_goal

DIFFERENCES = st.lists(st.floats(-1, 1), min_size=1, max_size=60).map(np.array)


def alarms(differences: np.ndarray) -> float:
    """Share of the histories, one a row, in which "the mean is at most 0" is rejected at 2.5 %."""
    count = len(differences)
    return float(has_reached_goal(differences, np.zeros(count), np.full(count, 0.025)).mean())


def t_test(differences: np.ndarray) -> float:
    """The same share by the one-sided t test."""
    return float((stats.ttest_1samp(differences, 0, axis=1, alternative="greater").pvalue < 0.025).mean())


@given(DIFFERENCES, st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=40, deadline=None)
def test_the_interval_holds_the_mean_and_mirrors(differences: np.ndarray, confidence: float) -> None:
    """Swapping the prompts changes signs only."""
    low, high = deadline_interval(differences, confidence)
    assert -1 <= low <= differences.mean() + 1e-9
    assert differences.mean() - 1e-9 <= high <= 1
    assert deadline_interval(-differences, confidence) == pytest.approx((-high, -low), abs=1e-9)


@given(DIFFERENCES)
@settings(max_examples=40, deadline=None)
def test_interval_and_p_value_agree(differences: np.ndarray) -> None:
    """0 lies outside when the p-value is below 5 %, but for the interval's last digit."""
    low, high = deadline_interval(differences, 0.95)
    is_significant = deadline_p_value(differences, 0.95) <= 0.05
    assert is_significant or not (low > 1e-4 or high < -1e-4)
    assert not is_significant or low > -1e-3 or high < 1e-3


def test_equal_scores_prove_nothing() -> None:
    """No row differs."""
    low, high = deadline_interval(np.zeros(50), 0.95)
    assert (low < -0.05, high > 0.05, deadline_p_value(np.zeros(50), 0.95)) == (True, True, 1.0)


def test_the_interval_is_nearly_the_textbook_one() -> None:
    """For near-normal differences on many rows."""
    differences = np.clip(np.random.default_rng(0).normal(0.05, 0.3, 800), -1, 1)
    half = 1.96 * differences.std(ddof=1) / np.sqrt(800)
    low, high = deadline_interval(differences, 0.95)
    assert 1.0 < (high - low) / (2 * half) < 1.3


@pytest.mark.parametrize("loss_rate", [0.01, 0.03, 0.1, 0.3])
def test_equal_means_are_seldom_told_apart(loss_rate: float) -> None:
    """Whole losses made up for by small gains, and the other way round: one of forty on each side at most."""
    rng = np.random.default_rng(1)
    differences = np.where(rng.random((4000, 100)) < loss_rate, -1.0, loss_rate / (1 - loss_rate))
    assert alarms(differences) <= 0.025
    assert alarms(-differences) <= 0.025


@pytest.mark.parametrize(("spread", "gain", "rows"), [(0.4, 0.1, 200), (0.4, 0.06, 400), (0.17, 0.05, 200)])
def test_a_true_gain_is_found_nearly_as_often_as_by_a_t_test(spread: float, gain: float, rows: int) -> None:
    """Which has no promise to keep where rare total losses may hide."""
    differences = np.clip(np.random.default_rng(2).normal(gain, spread, (400, rows)), -1, 1)
    assert t_test(differences) - alarms(differences) < 0.12
    assert alarms(differences) > 0.7


def test_many_tests_at_once_are_the_tests_one_by_one() -> None:
    """Each null and level for itself."""
    differences = np.random.default_rng(3).uniform(-0.5, 0.7, 60)
    nulls, levels = np.array([-0.2, 0.0, 0.05, 0.2]), np.array([0.025, 0.1, 0.025, 0.01])
    single = [has_reached_goal(differences, nulls[i : i + 1], levels[i : i + 1])[0] for i in range(4)]
    assert has_reached_goal(differences, nulls, levels).tolist() == single
    assert single[0]
    assert not single[3]
