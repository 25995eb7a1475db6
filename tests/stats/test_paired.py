"""What intervals, tests and verdicts must give, against published examples and exact enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from promptrl.stats.paired import (
    Comparison,
    mcnemar_p_value,
    mean_interval,
    paired_comparison,
    tango_interval,
    verdict,
)


def answers(right: int, rows: int) -> list[float]:
    """Scores of 0 and 1."""
    return [1.0] * right + [0.0] * (rows - right)


def pairs(both: int, wins: int, losses: int, neither: int) -> tuple[list[float], list[float]]:
    """Paired scores with the given counts in the 2 x 2 table."""
    first = [1.0] * (both + wins) + [0.0] * (losses + neither)
    second = [1.0] * both + [0.0] * wins + [1.0] * losses + [0.0] * neither
    return first, second


def comparison(low: float, high: float, p_value: float = 0.001) -> Comparison:
    """A comparison with the given interval."""
    return Comparison((low + high) / 2, low, high, p_value, 100, "exact")


class TestMeanInterval:
    """One prompt's score."""

    @pytest.mark.parametrize(
        ("right", "rows", "low", "high"),
        [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
    )
    def test_right_and_wrong_answers_get_wilsons_interval(self, right: int, rows: int, low: float, high: float) -> None:
        """Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3."""
        interval = mean_interval(answers(right, rows))
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
        assert interval.score == pytest.approx(right / rows)
        assert interval.rows == rows

    @given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
    def test_it_agrees_with_scipy(self, rows: int, data: st.DataObject, confidence: float) -> None:
        """The same formula by other hands."""
        right = data.draw(st.integers(0, rows))
        expected = stats.binomtest(right, rows).proportion_ci(confidence, method="wilson")
        interval = mean_interval(answers(right, rows), confidence)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)

    def test_graded_scores_get_the_bootstrap(self) -> None:
        """For near-normal data the BCa interval is the textbook one, and narrower than the bound for any scores."""
        scores = np.random.default_rng(0).uniform(0.4, 0.6, 200)
        interval = mean_interval(scores.tolist())
        half = 1.96 * scores.std(ddof=1) / math.sqrt(200)
        assert (interval.low, interval.high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=1e-3)

    def test_graded_scores_on_few_rows_get_a_wide_interval(self) -> None:
        """Three nearly equal scores prove little about the next row."""
        interval = mean_interval([0.5, 0.51, 0.52])
        assert interval.low < 0.2
        assert interval.high > 0.8

    def test_equal_graded_scores_give_no_interval_of_width_zero(self) -> None:
        """A constant sample breaks the bootstrap; the answer is wide and finite, and nothing warns."""
        interval = mean_interval([0.5] * 100)
        assert interval.low == pytest.approx(0.4038, abs=1e-3)
        assert interval.high == pytest.approx(0.5962, abs=1e-3)

    @pytest.mark.parametrize("scores", [[], [1.2], [-0.1], [float("nan")]])
    def test_scores_that_are_no_scores_are_refused(self, scores: list[float]) -> None:
        """A caller's mistake must not become a number."""
        with pytest.raises(ValueError, match=r"row|\[0, 1\]"):
            mean_interval(scores)

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
    @settings(max_examples=30, deadline=None)
    def test_the_interval_holds_the_score(self, scores: list[float]) -> None:
        """Whatever the scores are."""
        interval = mean_interval(scores)
        assert 0 <= interval.low <= interval.score + 1e-9
        assert interval.score - 1e-9 <= interval.high <= 1


class TestTangoInterval:
    """The difference of paired proportions."""

    @pytest.mark.parametrize(
        ("wins", "losses", "rows", "confidence", "low", "high"),
        [
            (1, 7, 21, 0.95, -0.517, -0.026),
            (60, 20, 1000, 0.95, 0.0231, 0.0584),
            (28, 25, 618, 0.90, -0.0148, 0.0247),
        ],
        ids=["airway", "propcis-1000", "propcis-618"],
    )
    def test_published_values(
        self, wins: int, losses: int, rows: int, confidence: float, low: float, high: float
    ) -> None:
        """Fagerland, Lydersen & Laake (2014), airway hyper-responsiveness; R's PropCIs::scoreci.mp for the others."""
        digits = 3 if rows == 21 else 4
        interval = tango_interval(wins, losses, rows, confidence)
        assert tuple(round(end, digits) for end in interval) == (low, high)

    def test_without_discordant_rows_it_is_the_closed_form(self) -> None:
        """With no wins and no losses Tango's equations reduce to z^2 / (n + z^2)."""
        z2 = stats.norm.ppf(0.975) ** 2
        assert tango_interval(0, 0, 100) == pytest.approx((-z2 / (100 + z2), z2 / (100 + z2)), abs=1e-9)

    def test_it_stays_inside_minus_one_and_one(self) -> None:
        """Every row a win."""
        low, high = tango_interval(50, 0, 50)
        assert 0.8 < low < 1
        assert high == 1

    @given(st.integers(1, 300), st.data())
    def test_it_holds_the_difference_and_mirrors(self, rows: int, data: st.DataObject) -> None:
        """Swapping the prompts changes signs only."""
        wins = data.draw(st.integers(0, rows))
        losses = data.draw(st.integers(0, rows - wins))
        low, high = tango_interval(wins, losses, rows)
        assert -1 <= low <= (wins - losses) / rows + 1e-9
        assert (wins - losses) / rows - 1e-9 <= high <= 1
        assert tango_interval(losses, wins, rows) == pytest.approx((-high, -low), abs=1e-9)


class TestPairedComparison:
    """A challenger against a baseline."""

    def test_right_and_wrong_answers_get_the_exact_test(self) -> None:
        """Fagerland, Lydersen & Laake (2014): the airway data have an exact McNemar p of 0.070."""
        result = paired_comparison(*pairs(both=1, wins=1, losses=7, neither=12))
        assert result.difference == pytest.approx(-6 / 21)
        assert result.p_value == pytest.approx(0.0703, abs=5e-5)
        assert (result.low, result.high) == pytest.approx((-0.517, -0.026), abs=5e-4)
        assert (result.method, result.rows) == ("exact", 21)

    def test_equal_answers_have_a_p_value_of_one(self) -> None:
        """No discordant row is no evidence."""
        result = paired_comparison(answers(5, 10), answers(5, 10))
        assert result.p_value == 1
        assert result.low < 0 < result.high

    def test_graded_scores_get_bets(self) -> None:
        """Somewhat wider than the textbook paired t interval, which near-normal differences satisfy."""
        rng = np.random.default_rng(1)
        baseline = rng.uniform(0.3, 0.6, 80)
        challenger = baseline + rng.uniform(-0.1, 0.14, 80)
        expected = stats.ttest_rel(challenger, baseline).confidence_interval(0.95)
        result = paired_comparison(challenger.tolist(), baseline.tolist())
        assert result.method == "betting"
        assert -0.3 < result.low < expected.low
        assert expected.high < result.high < 0.3
        assert result.low < result.difference < result.high

    def test_few_graded_rows_prove_nothing(self) -> None:
        """Five gains of five may all be luck."""
        result = paired_comparison([0.6, 0.7, 0.8, 0.9, 0.75], [0.5] * 5)
        assert result.p_value > 0.05
        assert result.low < 0 < result.high

    def test_a_clear_graded_gain_is_found(self) -> None:
        """Half a point on every second of 60 rows."""
        result = paired_comparison([0.9, 0.5] * 30, [0.4, 0.5] * 30)
        assert (result.method, result.low > 0, result.p_value < 0.01) == ("betting", True, True)

    def test_rare_total_losses_are_not_overlooked(self) -> None:
        """A little better on most rows, lost on one in thirty, equal in the mean: the bootstrap promotes a third."""
        rng = np.random.default_rng(0)
        promoted = 0
        for _ in range(300):
            is_lost = rng.random(40) < 1 / 30
            challenger = np.where(is_lost, 0.0, 1.0)
            baseline = np.where(is_lost, 1.0, 1.0 - 1 / 29)
            result = paired_comparison(challenger.tolist(), baseline.tolist())
            promoted += verdict(result, min_improvement=0, margin=0.02, is_baseline=False) == "improved"
        assert promoted / 300 <= 0.025

    def test_differences_that_are_rounding_alone_are_none(self) -> None:
        """0.1 + 0.2 is not 0.3 in floating point, and that proves nothing."""
        result = paired_comparison([0.1 + 0.2] * 40, [0.3] * 40)
        assert (result.difference, result.p_value) == (0, 1)

    def test_unequal_lengths_are_refused(self) -> None:
        """Pairs need partners."""
        with pytest.raises(ValueError, match="paired"):
            paired_comparison([1.0, 0.0], [1.0])


class TestVerdict:
    """What may be claimed."""

    @pytest.mark.parametrize(
        ("low", "high", "min_improvement", "expected"),
        [
            (0.03, 0.20, 0.0, "improved"),
            (0.03, 0.20, 0.05, "inconclusive"),
            (-0.20, -0.03, 0.0, "worse"),
            (-0.01, 0.015, 0.0, "same"),
            (0.001, 0.015, 0.0, "improved"),
            (0.001, 0.015, 0.005, "same"),
            (-0.02, 0.01, 0.0, "inconclusive"),
            (-0.10, 0.10, 0.0, "inconclusive"),
        ],
    )
    def test_it_follows_the_interval(self, low: float, high: float, min_improvement: float, expected: str) -> None:
        """Margin 0.02; ends on a limit are not beyond it."""
        result = verdict(comparison(low, high), min_improvement=min_improvement, margin=0.02, is_baseline=False)
        assert result == expected

    @pytest.mark.parametrize(("low", "high"), [(0.03, 0.20), (-0.20, -0.03)])
    def test_no_claim_without_the_test(self, low: float, high: float) -> None:
        """Four wins of four have a score interval above zero and an exact p of 0.125."""
        result = verdict(comparison(low, high, p_value=0.125), min_improvement=0, margin=0.02, is_baseline=False)
        assert result == "inconclusive"

    def test_the_baseline_is_the_same_as_itself(self) -> None:
        """No test rows are spent on it, whatever the comparison says."""
        assert verdict(comparison(0.03, 0.2), min_improvement=0, margin=0.02, is_baseline=True) == "same"

    @pytest.mark.parametrize("rows", [20, 60])
    def test_false_promotions_are_at_most_one_in_forty(self, rows: int) -> None:
        """Every table that two equally good prompts can give, weighted by its probability."""
        promoted = []
        for discordant in range(rows + 1):
            for wins in range(discordant // 2 + 1, discordant + 1):
                losses = discordant - wins
                result = Comparison(
                    wins - losses, *tango_interval(wins, losses, rows), mcnemar_p_value(wins, losses), rows, "exact"
                )
                if verdict(result, min_improvement=0, margin=0.02, is_baseline=False) == "improved":
                    promoted.append((discordant, wins))
        counts = np.array(promoted)
        given_discordant = stats.binom.pmf(counts[:, 1], counts[:, 0], 0.5)
        for rate in np.linspace(0.02, 1, 50):
            assert (stats.binom.pmf(counts[:, 0], rows, rate) * given_discordant).sum() <= 0.025
