"""How numbers are said."""

import pytest

from promptrl.report.numbers import duration, money, p_value, percent, plain, points


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10 s"), (75, "1 min 15 s"), (7300, "2 h 1 min")])
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """The largest ones."""
    assert duration(seconds) == text


def test_numbers_are_set_with_care() -> None:
    """True minus signs, unknown is not nothing, tiny p-values are not zero."""
    assert points(-0.123) == "−12.3"
    assert (money(None), money(0), money(0.12345), money(12)) == ("unknown", "no cost", "$0.1235", "$12.00")
    assert p_value(1e-9) == "<\u00a00.0001"


def test_a_terminal_gets_plain_signs() -> None:
    """Ordinary spaces and hyphens, which can be searched for; a dash that stands for nothing stays."""
    assert (plain(percent(0.5)), plain(points(-0.123)), plain(percent(None))) == ("50.0 %", "-12.3", "–")
