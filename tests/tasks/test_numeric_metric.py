"""Numbers as models write them."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Score
from promptrl.tasks.metrics.numeric import Number, NumericMatch, find_numbers
from tests.tasks.scored import scored


def graded(text: str, reference: Any, **params: Any) -> Score:
    """Score one answer."""
    example = Example("r", {}, reference, {})
    return scored(NumericMatch(**params), text, [example])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234.56", ["1234.56"]),
        ("1,234,567 people", ["1234567"]),
        ("1'234 or 1\u202f234", ["1234", "1234"]),
        ("1,2,3", ["1", "2", "3"]),
        ("1,2345", ["1", "2345"]),
        ("$1,234.", ["1234"]),
        ("-$5 $-5 $ 5", ["-5", "-5", "5"]),
        ("€20 and 5kg of 1st class", ["20", "5", "1"]),
        ("Rs.500", ["500"]),
        ("−7 +8 –9", ["-7", "8", "-9"]),
        ("10-5 = 5", ["10", "5", "5"]),
        ("5 - 3, x=-2, (-1)", ["5", "3", "-2", "-1"]),
        ("2024-01-05", ["2024", "1", "5"]),
        ("3/4 cup, ½, 1½, 1 1/2", ["3/4", "1/2", "3/2", "3/2"]),
        ("-1 1/2", ["-3/2"]),
        ("3/4/2024", ["3", "4", "2024"]),
        ("step 1\n1/2", ["1", "1/2"]),
        (r"\boxed{42} \frac{3}{4} -\dfrac{1}{2} 1\frac{1}{2} 1{,}000", ["42", "3/4", "-1/2", "3/2", "1000"]),
        ("1.5e3 2E-2 1.5 × 10^3 2x10^{-1}", ["1500", "0.02", "1500", "0.2"]),
        (".5 and 5. and 0.50", ["1/2", "5", "1/2"]),
        ("H2O v2.0 x2", []),
        ("１２ and ٣", ["12", "3"]),
        ("10²", ["10"]),
        ("1/0", []),
        ("1e999999", []),
        ("9" * 401, []),
        ("none", []),
    ],
)
def test_numbers_are_found(text: str, values: list[str]) -> None:
    """Separators, signs, currency, units, fractions, powers, other digits."""
    assert [number.value for number in find_numbers(text)] == [Fraction(value) for value in values]


@pytest.mark.parametrize("text", ["25%", "25 %", r"25\%", "25 percent", "25 per cent"])
def test_percentages_are_marked(text: str) -> None:
    """A sign or a word."""
    assert find_numbers(text) == [Number(Fraction(25), is_percent=True)]


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("48/2 = 24, so 24 clips. The answer is 72.", "72", 1),
        ("72", "He sold 48+24 = <<48+24=72>>72\n#### 72", 1),
        ("It costs $1,234.00", 1234, 1),
        ("0.1", 0.1, 1),
        ("71", "72", 0),
        ("-72", "72", 0),
        ("seventy", "72", 0),
        ("12345678901234567891", "12345678901234567890", 0),
        ("1/3", "2/6", 1),
        ("25%", "25", 1),
        ("25%", "0.25", 1),
        ("0.25", "25%", 1),
        ("25", "25%", 1),
        ("25%", "0.25%", 0),
        ("25%", "2500", 0),
        ("7", ["7", "8"], 1),
        ("9", ["7", "8"], 0),
    ],
)
def test_the_number_is_compared(text: str, reference: Any, expected: float) -> None:
    """Exactly, in whatever form."""
    assert graded(text, reference).value == expected


@pytest.mark.parametrize(
    ("position", "text", "expected"),
    [
        ("last", "5 then 7", 1),
        ("last", "7 then 5", 0),
        ("first", "7 then 5", 1),
        ("first", "5 then 7", 0),
        ("only", "it is 7 apples", 1),
        ("only", "7 = 7", 0),
        ("only", "no", 0),
    ],
)
def test_the_position_says_which_number_counts(position: str, text: str, expected: float) -> None:
    """With "only" a second number spoils the answer."""
    assert graded(text, "7", position=position).value == expected


@pytest.mark.parametrize(
    ("params", "text", "expected"),
    [
        ({"tolerance": 0.05}, "3.15", 1),
        ({"tolerance": 0.05}, "3.16", 0),
        ({"tolerance": 0.05}, "3.05", 1),
        ({"relative_tolerance": 0.1}, "3.41", 1),
        ({"relative_tolerance": 0.1}, "3.42", 0),
        ({"relative_tolerance": 0.1, "tolerance": 1}, "4.1", 1),
    ],
)
def test_tolerances_are_decimal(params: dict[str, float], text: str, expected: float) -> None:
    """3.15 is within 0.05 of 3.1, though not in floating point; the larger tolerance counts."""
    assert graded(text, "3.1", **params).value == expected


def test_only_the_text_after_the_mark_counts() -> None:
    """Calculations before it do not."""
    assert graded("#### 7 (of 9)", "7", after="####", position="first").value == 1
    assert graded("5 #### 7", "5", after="####", position="first").value == 0


def test_reasons_say_what_was_found() -> None:
    """For people who read failures."""
    assert graded("about 1,500", "72").reason == "got 1500, expected '72'"
    assert graded("many", "72").reason == "no number in 'many'"
    assert graded("1 of 2", "72", position="only").reason == "2 numbers in '1 of 2'"
    assert graded("9" * 300, "72").reason.startswith("got 99999")


@pytest.mark.parametrize(
    ("reference", "params", "words"),
    [
        ("n/a", {}, "'n/a' is no number"),
        (True, {}, "true is no number"),
        ("1 or 2", {"position": "only"}, "holds 2 numbers"),
        (["1", "x"], {}, "'x' is no number"),
    ],
)
def test_references_that_hold_no_number_are_refused(reference: Any, params: dict[str, Any], words: str) -> None:
    """Before a call is paid for."""
    with pytest.raises(ConfigError, match=words):
        graded("1", reference, **params)


@given(st.text())
def test_any_text_scores_0_or_1(text: str) -> None:
    """Nothing a model writes raises."""
    assert graded(text, "7").value in (0, 1)


@given(st.text(alphabet="0123456789.,-+/ eE%$½×^{}x\\", max_size=40))
def test_any_heap_of_digits_and_signs_scores_0_or_1(text: str) -> None:
    """Nor does anything that looks like a number."""
    assert graded(text, "7").value in (0, 1)


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_a_number_is_itself(digits: int, places: int) -> None:
    """However it is grouped."""
    number = Fraction(digits, 10**places)
    plain = f"{digits / 10**places:.{places}f}" if places else str(digits)
    assert find_numbers(f"{digits:,}")[0].value == digits
    if Fraction(plain) == number:
        assert find_numbers(f"It is {plain}.")[-1].value == number
