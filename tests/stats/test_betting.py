"""Bets hold their promise on scores of any kind, on any number of rows, whenever one looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.stopping import log_wealth_path
from promptrl.stats.betting import (
    bets,
    betting_interval,
    betting_p_value,
    log_wealth,
    log_wealth_needed,
)

DIFFERENCES = st.lists(st.floats(-1, 1), min_size=1, max_size=80).map(np.array)


def test_wealth_of_a_simple_history() -> None:
    """One stake, two wins and a loss, by hand."""
    stakes = np.array([0.5])
    assert np.exp(log_wealth(np.array([1.0, 1.0, -1.0]), 0.0, stakes)) == pytest.approx(1.5 * 1.5 * 0.5)
    assert np.exp(log_wealth(np.array([1.0]), 0.5, stakes)) == pytest.approx(1 + 0.5 * 0.5 / 1.5)


def test_the_path_ends_at_the_wealth() -> None:
    """Row by row or at once, for several histories."""
    differences = np.random.default_rng(0).uniform(-1, 1, (3, 40))
    stakes = bets(40, 0.95)
    ends = [log_wealth(row, 0.1, stakes) for row in differences]
    assert log_wealth_path(differences, 0.1, stakes)[:, -1] == pytest.approx(ends)


@given(DIFFERENCES, st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=40, deadline=None)
def test_the_interval_holds_the_mean_and_mirrors(differences: np.ndarray, confidence: float) -> None:
    """Swapping the prompts changes signs only."""
    low, high = betting_interval(differences, confidence)
    assert -1 <= low <= differences.mean() + 1e-9
    assert differences.mean() - 1e-9 <= high <= 1
    assert betting_interval(-differences, confidence) == pytest.approx((-high, -low), abs=1e-8)


@given(DIFFERENCES)
@settings(max_examples=40, deadline=None)
def test_interval_and_p_value_agree(differences: np.ndarray) -> None:
    """0 lies outside exactly when the p-value is below 5 %."""
    low, high = betting_interval(differences, 0.95)
    assert (low > 1e-9 or high < -1e-9) == (betting_p_value(differences, 0.95) < 0.05 - 1e-9)


def test_more_rows_make_it_narrower() -> None:
    """By about the square root of their number."""
    differences = np.resize([1.0, -1.0, 0.5, 0.0], 1600)
    widths = {n: np.diff(betting_interval(differences[:n], 0.95)).item() for n in (100, 400, 1600)}
    assert 1.7 < widths[100] / widths[400] < 2.6
    assert 1.7 < widths[400] / widths[1600] < 2.6


@pytest.mark.parametrize("loss_rate", [0.01, 0.05, 0.2, 0.5])
def test_wealth_enough_is_as_rare_as_promised_at_any_time(loss_rate: float) -> None:
    """Whole losses made up for by small gains: a look after every row, false alarms in at most one of forty."""
    rng = np.random.default_rng(1)
    differences = np.where(rng.random((4000, 100)) < loss_rate, -1.0, loss_rate / (1 - loss_rate))
    path = log_wealth_path(differences, 0.0, bets(100, 0.95))
    alarms = (path > log_wealth_needed(0.95)).any(axis=1).mean()
    assert alarms <= 0.025


def test_it_is_not_valid_by_being_useless() -> None:
    """A true gain of ten points with 15 % of 200 rows different is found in four of five nights, looking at the end."""
    draws = np.random.default_rng(2).random((1000, 200))
    differences = (draws < 0.125).astype(float) - (draws > 0.975)
    found = log_wealth_path(differences, 0.0, bets(200, 0.95))[:, -1] > log_wealth_needed(0.95)
    assert found.mean() > 0.7
