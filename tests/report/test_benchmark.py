"""Algorithms over seeds: who stands where, how far seeds differ, and the band of their estimates."""

import numpy as np
import pytest

from promptrl.report.benchmark import BenchRun, SearchPath, band, draw_bands, rank_algorithms, spread


def bench_run(algorithm, seed=0, *, test=0.5, gain=0.2, own_s=1.0, **rest):
    """A run with figures that matter to a test."""
    figures = {"validation": 0.6, "baseline_test": 0.3, "verdict": "improved", "calls": 900, "paid": 900}
    return BenchRun(
        algorithm,
        seed,
        f"{algorithm}-s{seed:02d}-0001",
        test=test,
        gain=gain,
        own_s=own_s,
        search_calls=500,
        **{**figures, **rest},
    )


def path(calls, best):
    """A search that reported so."""
    return SearchPath(np.array(calls, dtype=float), np.array(best, dtype=float))


def test_the_largest_mean_gain_stands_first():
    """Means and spreads are per algorithm."""
    runs = [bench_run("a", 0, gain=0.1), bench_run("b", 0, gain=0.3), bench_run("a", 1, gain=0.2)]
    first, second = rank_algorithms(runs)
    assert (first.algorithm, second.algorithm, second.runs) == ("b", "a", 2)
    assert second.gain.mean == pytest.approx(0.15)
    assert second.gain.sd == pytest.approx(np.std([0.1, 0.2], ddof=1))
    assert first.gain.sd == 0
    assert second.own_s_per_1000_calls == 2.0


def test_a_winner_that_is_the_baseline_has_the_baselines_test_score():
    """It was not asked in that run, but another run of the benchmark knows it."""
    won = bench_run("a", 0, test=0.9)
    kept = bench_run("b", 0, test=None, baseline_test=None, gain=0.0, verdict="same")
    assert rank_algorithms([won, kept])[1].test.mean == 0.3
    assert rank_algorithms([kept])[0].test is None


def test_spread_leaves_out_what_is_unknown():
    """Percentiles are those of the known values."""
    known = spread([0.0, None, 1.0])
    assert (known.mean, known.p10, known.p90) == (0.5, pytest.approx(0.1), pytest.approx(0.9))
    assert spread([None]) is None


def test_a_band_holds_the_last_estimate_until_the_next():
    """One search ends at 20 calls, the other at 40: the first one's estimate stays."""
    drawn = band([path([10, 20], [0.2, 0.4]), path([10, 40], [0.2, 0.8])])
    at = {int(calls): mean for calls, mean in zip(drawn.calls, drawn.mean, strict=True)}
    assert (drawn.calls[0], drawn.calls[-1]) == (10, 40)
    assert at[19] == pytest.approx(0.2)
    assert at[20] == pytest.approx(0.3)
    assert at[40] == pytest.approx(0.6)
    assert (drawn.low <= drawn.mean).all()
    assert (drawn.mean <= drawn.high).all()
    assert drawn.high[-1] < 0.8


def test_a_band_begins_where_every_search_has_an_estimate():
    """What is not known of one seed is no mean; searches without a record count for nothing."""
    drawn = band([path([5, 30], [0.1, 0.2]), path([12, 30], [0.1, 0.2]), path([], [])])
    assert drawn.calls[0] == 12
    assert band([path([], [])]) is None


def test_the_plot_is_readable_svg_and_png(tmp_path):
    """The files are of the kind that their names say, with the algorithms' names in them as text."""
    drawn = band([path([10, 20], [0.2, 0.4])])
    svg, png = tmp_path / "curves.svg", tmp_path / "curves.png"
    draw_bands({"halving": drawn, "$tpe$": drawn}, [svg, png])
    texts = svg.read_text()
    assert texts.count("<svg") == 1
    assert "halving" in texts
    assert "$tpe$" in texts
    assert png.read_bytes().startswith(b"\x89PNG")
