"""Numbers as models write them."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Score
from promptrl.tasks.metrics.numbers import ParsedNumber, find_numbers
from promptrl.tasks.metrics.numeric import NumericMatch
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
        ("1,2345", ["1.2345"]),
        ("$1,234.", ["1234"]),
        ("-$5 $-5 $ 5", ["-5", "-5", "5"]),
        ("€20 and 5kg of 1st class", ["20", "5", "1"]),
        ("Rs.500", ["500"]),
        ("−7 +8 –9", ["-7", "8", "-9"]),
        ("10-5 = 5", ["10", "5", "5"]),
        ("5 - 3, x=-2, (-1)", ["5", "3", "-2", "-1"]),
        ("2024-01-05, 5.1.2024, 05/2024, 2024-01-05T10:30:00Z", ["2024", "2024", "2024", "2024"]),
        ("3/4 cup, ½, 1½, 1 1/2", ["3/4", "1/2", "3/2", "3/2"]),
        ("-1 1/2", ["-3/2"]),
        ("3/4/2024 3/4/24 2024/05/12 Q3 2024", ["2024", "2024", "2024"]),
        ("step 1\n1/2", ["1", "1/2"]),
        (r"\boxed{42} \frac{3}{4} -\dfrac{1}{2} 1\frac{1}{2} 1{,}000", ["42", "3/4", "-1/2", "3/2", "1000"]),
        ("1.5e3 2E-2 1.5 × 10^3 2x10^{-1}", ["1500", "0.02", "1500", "0.2"]),
        (".5 and 5. and 0.50", ["1/2", "5", "1/2"]),
        ("H2O v2.0 x2 1.2.3 192.168.0.1 0x1F", []),
        ("7,50 € or 7.50 €", ["7.5", "7.5"]),
        ("1.234,5 and 1,234.5 and 1.234.567", ["1234.5", "1234.5", "1234567"]),
        ("0,500 and 1234,567", ["0.5", "1234.567"]),
        ("(3,4) [1,2] {5,6}", ["3", "4", "1", "2", "5", "6"]),
        ("12,34,567 and 1,00,000", ["1234567", "100000"]),
        ("10 000 and 1_000 and 1 234,5", ["10000", "1000", "1234.5"]),
        ("rows 12 34, 2024 100, 555 1234", ["12", "34", "2024", "100", "555", "1234"]),
        ("１，２３４ ٣٫٥ 1٬234", ["1234", "3.5", "1234"]),
        ("EUR3.50, USD 5, CHF-2, 5 EUR, R$ 7", ["3.5", "5", "-2", "5", "7"]),
        ("minus 5, negative 3, 10 minus 4", ["-5", "-3", "10", "4"]),
        ("12:30, 7:30 pm, 7 pm, 7h30, 3:1", []),
        ("√2, 2π, \\sqrt{3}", []),
        ("5,- and 5.–", ["5", "5"]),
        ("1\u00ad234\u200b", ["1234"]),
        ("１２ and ٣", ["12", "3"]),
        ("10² 10⁻¹ 2^10 0^-1 9^99999", ["100", "1/10", "1024"]),
        ("1/0", []),
        ("1e999999", []),
        ("9" * 401, []),
        ("none", []),
    ],
)
def test_numbers_are_found(text: str, values: list[str]) -> None:
    """Separators, signs, currency, units, fractions, powers, other digits."""
    assert [number.value for number in find_numbers(text)] == [Fraction(value) for value in values]


@pytest.mark.parametrize("text", ["25%", "25 %", r"25\%", "25 percent", "25 per cent", "25 Prozent", "25 pour cent"])
def test_percentages_are_marked(text: str) -> None:
    """A sign or a word."""
    assert find_numbers(text) == [ParsedNumber(Fraction(25), Fraction(1, 100))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 million", 2_000_000),
        ("2.5 Billion", 2_500_000_000),
        ("2-million", 2_000_000),
        ("3 hundred million", 300_000_000),
        ("3,5 Millionen", 3_500_000),
        ("3 Mio. €", 3_000_000),
        ("2 Mrd.", 2_000_000_000),
        ("1½ thousand", 1_500),
        ("$5k", 5_000),
        ("5k", 5_000),
        ("$5M", 5_000_000),
        ("€ 5 m", 5_000_000),
        ("5 M€", 5_000_000),
        ("$1.5B", 1_500_000_000),
        ("5bn", 5_000_000_000),
        ("3万", 30_000),
        ("2億円", 200_000_000),
        ("5 lakh", 500_000),
        ("2 crore", 20_000_000),
        ("5 m", 5),
        ("5 km", 5),
        ("3千克", 3),
        ("5 millions of", 5_000_000),
        ("5 millionaires", 5),
    ],
)
def test_words_that_multiply_count(text: str, value: int) -> None:
    """In several languages; a letter alone only with a currency, but for k; never a unit."""
    (number,) = find_numbers(text)
    assert (number.value, number.factor) == (value, 1)


@pytest.mark.parametrize(("decimal", "values"), [("point", ["1234", "1.234"]), ("comma", ["1.234", "1234"])])
def test_the_notation_decides_what_can_be_read_either_way(decimal: Any, values: list[str]) -> None:
    """Three digits after the only mark."""
    assert [number.value for number in find_numbers("1,234 1.234", decimal)] == [Fraction(value) for value in values]


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
        ("7,50 €", "3.50", 0),
        ("3,50 €", "3.50", 1),
        ("2 billion", "2 million", 0),
        ("2,000,000", "2 million", 1),
        ("2", "2 million", 0),
        ("5K", "5,000", 1),
        ("5K", "5", 1),
        ("5M", "5,000", 0),
        ("5‰", "5%", 0),
        ("5‰", "0.5%", 1),
        ("2024-05-12", "12", 0),
        ("on 2024-05-12", "2024", 1),
        ("12:30", "30", 0),
        ("2π", "2", 0),
        ("10⁵", "100", 0),
        ("minus 5", "5", 0),
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
        (float("nan"), {}, "'nan' is no number"),
        ({"a": 1}, {}, "is no number"),
        ("1 or 2", {"position": "only"}, "holds 2 numbers"),
        ("1 or 2", {}, "holds 2 numbers"),
        ("3 h 20 min", {}, "holds 2 numbers"),
        ("10-20", {}, "holds 2 numbers"),
        (["1", "x"], {}, "'x' is no number"),
        ("3,50 €", {}, "is in decimal-comma notation"),
        ("-0,5", {}, "is in decimal-comma notation"),
        ("1.234,56", {}, "is in decimal-comma notation"),
        ("1.234.567", {}, "is in decimal-comma notation"),
        ("1,234.5", {"decimal": "comma"}, "is in decimal-point notation"),
        ("0.5", {"decimal": "comma"}, "is in decimal-point notation"),
        ("2024-05-12", {}, "is a date"),
        ("12.05.2024", {}, "is a date"),
        ("5/12/24", {}, "is a date"),
        ("May 2024", {}, "is a date"),
        ("12. März", {}, "is a date"),
        ("Q3 2024", {}, "is a date"),
        ("44 BC", {}, "is a date"),
        ("2024-W05", {}, "is a date"),
        ("5.1.", {}, "may be a date"),
        ("1/2024", {}, "may be a date"),
        ("sin 30", {}, "is a formula"),
        ("18+", {}, "stands for more than one number"),
        ("– 3", {}, "may be below zero"),
        ("12:30", {}, "is a time or a ratio"),
        ("7 p.m.", {}, "is a time or a ratio"),
        ("7h30", {}, "is a time or a ratio"),
        ("7.30 pm", {}, "is a time or a ratio"),
        ("19.30 Uhr", {}, "is a time or a ratio"),
        ("5 o’clock", {}, "is a time or a ratio"),
        ("16:9", {}, "is a time or a ratio"),
        ("√2", {}, "is a formula"),
        ("2π", {}, "is a formula"),
        ("x^2", {}, "is a formula"),
        ("5!", {}, "is a formula"),
        ("< 5", {}, "stands for more than one number"),
        ("±5", {}, "stands for more than one number"),
        ("(5)", {}, "may be below zero"),
        ("- 5", {}, "may be below zero"),
        ("5-", {}, "may be below zero"),
        ("300 K", {}, "may have a unit or a word like thousand"),
    ],
)
def test_references_that_are_not_one_number_are_refused(reference: Any, params: dict[str, Any], words: str) -> None:
    """Before a call is paid for: what it would be compared by is anybody's guess."""
    with pytest.raises(ConfigError, match=words):
        graded("1", reference, **params)


@pytest.mark.parametrize(
    ("reference", "answer", "params"),
    [
        ("3,50 €", "3.50", {"decimal": "comma"}),
        ("1.234", "1234", {"decimal": "comma"}),
        ("10 000", "10000", {}),
        ("$1,234.50", "1234.5", {}),
        ("90^\\circ", "90", {}),
        ("**5**", "5", {}),
        ("5 kg CO2", "5", {}),
        ("20 m2", "20", {}),
        ("-5", "−5", {}),
        ("5 (5.0)", "5", {}),
        ("12 + 3 = 15 so #### 15", "15", {}),
        ("12 + 3. Answer: 15", "15", {"after": "Answer:"}),
        (1e-7, "0.0000001", {}),
        ("25 %", "0.25", {}),
    ],
)
def test_references_that_are_one_number_are_taken(reference: Any, answer: str, params: dict[str, Any]) -> None:
    """With a currency, a unit, a worked solution before it; itself is right as well."""
    assert graded(answer, reference, **params).value == 1
    assert graded(str(reference), str(reference), **params).value == 1


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [("7,50 €", "3,50 €", 0), ("3,5", "3,50 €", 1), ("1.234 €", "1234", 1), ("1,234 €", "1234", 0), ("50", "3,50", 0)],
)
def test_a_decimal_comma_is_one_where_the_config_says_so(text: str, reference: str, expected: float) -> None:
    """In references and answers."""
    assert graded(text, reference, decimal="comma").value == expected


def test_a_number_of_the_data_has_a_decimal_point() -> None:
    """Whatever the notation of the texts: no program writes it otherwise."""
    assert graded("1,234", 1.234, decimal="comma").value == 1


def test_all_references_of_a_kind_are_told_at_once_with_what_to_write() -> None:
    """One line for each kind of fault, with some of them."""
    references = ["3,50 €", "4,20 €", "12:30", "4,20 €", "7", "7:30"]
    with pytest.raises(ConfigError) as caught:
        scored(NumericMatch(), "1", [Example(str(i), {}, answer, {}) for i, answer in enumerate(references)])
    told = [(problem.message.partition(": ")[2], problem.hint) for problem in caught.value.problems]
    assert told == [
        ("'3,50 €' is in decimal-comma notation (and 2 rows more, such as '4,20 €')", "write decimal: comma"),
        (
            "'12:30' is a time or a ratio (and 1 row more, such as '7:30')",
            "write a number alone in dataset.reference, or use exact_match or contains",
        ),
    ]


@given(st.text())
def test_any_text_scores_0_or_1(text: str) -> None:
    """Nothing a model writes raises."""
    assert graded(text, "7").value in (0, 1)


@given(st.text(alphabet="0123456789.,-+/ eE%$½×^{}x\\:kMπ²万€()'_", max_size=40))
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
