"""What a split can show before it is asked, against a published size, exact enumeration and simulation."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.stopping import stopping_rows
from promptrl.stats.betting import critical_z
from promptrl.stats.paired import mcnemar_p_value, tango_interval, z_value
from promptrl.stats.power import rows_to_show_same, smallest_detectable, split_power

Z = z_value(0.95)


class TestRowsNeeded:
    """What a test split can show before it is asked."""

    def test_a_published_sample_size(self) -> None:
        """Connor (1987) with discordant cells .05 and .45 and power .8: R packages print 22.1 rows for a gain of .4."""
        too_few, enough = smallest_detectable(22, Z, 0.5), smallest_detectable(23, Z, 0.5)
        assert too_few is not None
        assert enough is not None
        assert enough < 0.4 < too_few

    @pytest.mark.parametrize(("rows", "discordant_rate"), [(42, 0.5), (77, 0.4), (117, 0.15)])
    def test_so_many_rows_have_the_power_promised(self, rows: int, discordant_rate: float) -> None:
        """Exact power of the exact test, by enumeration: a little below the formula's."""
        improvement = smallest_detectable(rows, Z, discordant_rate)
        assert improvement is not None
        win_share = (discordant_rate + improvement) / 2 / discordant_rate
        power = 0.0
        for discordant in range(rows + 1):
            needed = discordant + 1
            while needed > discordant / 2 + 1 and mcnemar_p_value(needed - 1, discordant - needed + 1) <= 0.05:
                needed -= 1
            found = stats.binom.sf(needed - 1, discordant, win_share)
            power += stats.binom.pmf(discordant, rows, discordant_rate) * found
        assert 0.74 < power < 0.82

    def test_too_few_rows_detect_nothing(self) -> None:
        """Even if every row were a win: two-sided, five of five have a p of 1 in 16."""
        assert smallest_detectable(5, Z) is None

    def test_rows_to_show_same_have_the_power_promised(self) -> None:
        """By simulation of Tango's interval on two equally good prompts."""
        rows = rows_to_show_same(0.05, Z, 0.2)
        rng = np.random.default_rng(0)
        inside = 0
        for _ in range(400):
            discordant = rng.binomial(rows, 0.2)
            wins = int(rng.binomial(discordant, 0.5))
            low, high = tango_interval(wins, int(discordant) - wins, rows)
            inside += low > -0.05 and high < 0.05
        assert 0.74 < inside / 400 < 0.86

    def test_a_margin_of_zero_is_refused(self) -> None:
        """No number of rows shows that."""
        with pytest.raises(ValueError, match="margin"):
            rows_to_show_same(0, Z)


class TestSplitPower:
    """What ``validate`` says of a config."""

    @pytest.mark.parametrize("is_sequential", [False, True])
    @pytest.mark.parametrize(("rows", "rate"), [(100, 0.25), (200, 0.15), (200, 0.4)])
    def test_the_smallest_improvement_is_found_in_four_of_five_nights(
        self, rows: int, rate: float, is_sequential: bool
    ) -> None:
        """By simulation of the test that the gate makes."""
        z = critical_z(0.95) if is_sequential else Z
        gain = smallest_detectable(rows, z, rate)
        assert gain is not None
        draws = np.random.default_rng(0).random((1000, rows))
        differences = (draws < (rate + gain) / 2).astype(float) - (draws > 1 - (rate - gain) / 2)
        if is_sequential:
            found = (stopping_rows(differences, 0.95)[0] == "improved").mean()
        else:
            counts = [(int((row > 0).sum()), int((row < 0).sum())) for row in differences]
            found = np.mean([wins > losses and mcnemar_p_value(wins, losses) <= 0.05 for wins, losses in counts])
        assert 0.72 < found < 0.88

    def test_few_rows_can_still_show_large_improvements(self) -> None:
        """Above the assumed rate every row that differs is a win."""
        gain = smallest_detectable(20, Z)
        assert gain is not None
        assert 0.25 < gain < 0.5

    def test_a_gate_that_asks_for_less_than_can_be_shown_is_too_small(self) -> None:
        """Nothing is warned of when any improvement will do."""
        wanted = {0.0: False, 0.03: True, 0.3: False}
        made = {
            least: split_power(150, 0.95, min_improvement=least, margin=0.02, is_sequential=False) for least in wanted
        }
        assert {least: power.is_too_small for least, power in made.items()} == wanted
        assert made[0.0].rows_for_same > 5000

    def test_looking_as_rows_come_in_costs_power(self) -> None:
        """The sequential gate needs a larger improvement for the same chance."""
        both = [
            split_power(150, 0.95, min_improvement=0, margin=0.02, is_sequential=is_sequential).smallest_improvement
            for is_sequential in (False, True)
        ]
        assert both[0] is not None
        assert both[1] is not None
        assert both[0] < both[1] < 1.6 * both[0]
