"""A comparison that is looked at while the rows come in keeps its promise and stops early."""

import numpy as np
import pytest

from benchmarks.stopping import stopping_rows
from promptrl.stats.paired import mcnemar_p_value, verdict
from promptrl.stats.pairs import PairedDifferences
from promptrl.stats.sequential import SequentialComparison, SequentialStopReason


def nights(count: int, rows: int, rate: float, gain: float, seed: int = 0) -> np.ndarray:
    """Differences of right and wrong answers: shape (count, rows), ``rate`` of them discordant."""
    draws = np.random.default_rng(seed).random((count, rows))
    return (draws < (rate + gain) / 2).astype(float) - (draws > 1 - (rate - gain) / 2)


def run(differences: np.ndarray, batch: int = 1, **gate: float) -> tuple[SequentialComparison, SequentialStopReason]:
    """Feed rows until it stops."""
    race = SequentialComparison(
        len(differences),
        0.95,
        min_improvement=gate.get("min_improvement", 0.0),
        margin=gate.get("margin", 0.02),
    )
    for first in range(0, len(differences), batch):
        rows = differences[: first + batch]
        stop = race.look(PairedDifferences.of(rows.clip(min=0).tolist(), (-rows).clip(min=0).tolist()))
        if stop:
            return race, stop
    raise AssertionError("the last row must stop it")


@pytest.mark.parametrize("gain", [0.0, 0.15])
def test_the_simulation_stops_where_the_comparison_stops(gain: float) -> None:
    """One rule, written twice: once for one night and once for many."""
    differences = nights(60, 80, 0.3, gain)
    stops, rows = stopping_rows(differences, 0.95)
    for night, stop, used in zip(differences, stops, rows, strict=True):
        race, stopped = run(night)
        result = race.result(stopped)
        assert result is not None
        assert (stopped, result.comparison.rows) == (stop, used)


def test_a_clear_win_stops_early_and_says_so() -> None:
    """Thirty wins of thirty need no hundred rows."""
    race, stop = run(np.ones(100), batch=4)
    result = race.result(stop)
    assert result is not None
    assert stop == "improved"
    assert result.comparison.rows <= 12
    assert result.comparison.low > 0
    assert (result.planned_rows, result.looks) == (100, result.comparison.rows // 4)
    assert verdict(result.comparison, min_improvement=0, margin=0.02, is_baseline=False) == "improved"


def test_a_clear_loss_stops_early_too() -> None:
    """A worse winner is known as such."""
    assert run(-np.ones(100))[1] == "worse"


def test_a_tie_is_given_up_and_reads_inconclusive() -> None:
    """Wins and losses in turn: after a quarter of the rows there is no prospect."""
    race, stop = run(np.resize([1.0, 0.0, -1.0, 0.0], 200), batch=8)
    result = race.result(stop)
    assert result is not None
    assert (stop, result.comparison.rows < 120) == ("futility", True)
    assert verdict(result.comparison, min_improvement=0, margin=0.02, is_baseline=False) == "inconclusive"


def test_a_tie_goes_on_when_it_may_be_shown_the_same() -> None:
    """A wide margin is within reach of 400 rows that hardly differ."""
    differences = np.resize([1.0, *[0.0] * 9, -1.0, *[0.0] * 9], 400)
    assert run(differences, batch=20, margin=0.15)[1] == "same"


def test_an_improvement_below_the_asked_one_is_none() -> None:
    """The interval must lie above ``min_improvement``."""
    differences = nights(1, 300, 0.2, 0.12)[0]
    assert run(differences)[1] == "improved"
    assert run(differences, min_improvement=0.2)[1] != "improved"


def test_graded_scores_are_compared_too() -> None:
    """Half a point on every second row."""
    race = SequentialComparison(100, 0.95, min_improvement=0, margin=0.02)
    stops = [race.look(PairedDifferences.of([0.9, 0.5] * n, [0.4, 0.5] * n)) for n in range(1, 51)]
    assert next(filter(None, stops)) == "improved"
    assert stops.index("improved") < 30


def test_it_never_ends_without_rows() -> None:
    """Nothing was answered: nothing is known."""
    assert SequentialComparison(10, 0.95, min_improvement=0, margin=0.02).result("rows") is None


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_equal_prompts_are_seldom_promoted_at_any_stopping_time(rate: float) -> None:
    """4,000 nights, a look after every row: one of forty on each side at most."""
    stops, _ = stopping_rows(nights(4000, 200, rate, 0.0), 0.95)
    assert (stops == "improved").mean() <= 0.025
    assert (stops == "worse").mean() <= 0.025


def test_power_and_rows_of_a_true_gain() -> None:
    """Ten points, 15 % discordant, 200 rows: four of five nights, on less than 60 % of the rows."""
    stops, rows = stopping_rows(nights(4000, 200, 0.15, 0.1), 0.95)
    assert (stops == "improved").mean() >= 0.8
    assert rows.mean() <= 0.6 * 200
    night = nights(1000, 200, 0.15, 0.1)
    wins, losses = (night > 0).sum(axis=1).tolist(), (night < 0).sum(axis=1).tolist()
    fixed = [won > lost and mcnemar_p_value(won, lost) <= 0.05 for won, lost in zip(wins, losses, strict=True)]
    assert np.mean(fixed) >= 0.85
