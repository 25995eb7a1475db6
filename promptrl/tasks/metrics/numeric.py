"""The rule numeric_match: the number in an answer is that of the reference."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from promptrl.settings import Setting
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import AnswerRule, Refusal, Score, in_quotes, right_or_wrong
from promptrl.tasks.metrics.numbers import Decimal, ParsedNumber, ParsedText, find_numbers, read

_MONTHS = (
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec "
    "januar februar märz mai juni juli oktober dezember janvier février mars avril juin juillet août septembre octobre "
    "novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre "
    "janeiro fevereiro março maio junho julho setembro outubro novembro dezembro januari februari maart mei augustus"
)
_MONTH = re.compile(rf"\b(?:{'|'.join(_MONTHS.split())})\b", re.IGNORECASE)
_ERA = re.compile(r"\b(?:BCE?|AD|CE)\b|\b[vn]\. ?Chr")
_MAYBE_DATE = re.compile(r"\s*\d\d?\.\d\d?\.\s*$|.*(?<![\d/])\d\d?/(?:19|20)\d\d(?![\d/])", re.DOTALL)
_BOUND = re.compile(r"[<>≤≥±≠]|\d\+(?!\s*\d)")
_OPERATION = re.compile(
    r"[π∞]|\b(?:sqrt|log|ln|exp|sin|cos|tan)\b|\^(?!\s*\{?\s*\\circ)|\\(?:pi|infty|pm|times|cdot|log|ln|sin|cos|tan)\b"
)
_FACTORIAL = re.compile(r"\d!")
_MAYBE_MINUS = re.compile(r"[-−–—]\s+[^\s\d]?\d.*|\([^\w.]*\d[^()]*\)|.*\d[-−–—]", re.DOTALL)
_OTHERWISE = "write a number alone in dataset.reference, or use exact_match or contains"
_ALONE = "write the number alone in dataset.reference, or a list of numbers any of which is right"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericMatch(AnswerRule):
    """The number in the completion is the reference.

    Or one of them when it is a list. A percentage matches a plain number in either reading: 25 % is 25 and 0.25. Words
    that multiply count (2 million, $5k), units are not compared. A reference is one number, no date, time or formula;
    where its notation leaves two readings, ``decimal`` says which is meant.
    """

    summary: ClassVar[str] = "1 when the number in the completion is the reference."

    position: Annotated[Literal["last", "first", "only"], Setting("Which number of the completion counts.")] = "last"
    tolerance: Annotated[float, Setting("Largest difference that still counts as right.", ge=0)] = 0.0
    relative_tolerance: Annotated[float, Setting("Likewise, as a share of the reference.", ge=0)] = 0.0
    decimal: Annotated[
        Decimal,
        Setting(
            "The mark before decimals: point reads 1,234 as 1234, comma as 1.234; 7,50 and 0.5 are read either way."
        ),
    ] = "point"

    def refusal(self, reference: Any) -> Refusal | None:
        """Each answer must be one number that can be read in one way only, in the notation that ``decimal`` names."""
        if isinstance(reference, bool):
            return Refusal(str(reference).lower(), "is no number")
        for item in reference if isinstance(reference, list | tuple) else [reference]:
            if isinstance(item, str) and (refusal := self._refused(item)):
                return refusal
            if not isinstance(item, str) and not _is_number(item):
                return Refusal(in_quotes(str(item)), "is no number")
        return None

    def grade(self, text: str, example: Example) -> Score:
        """Pick the number and compare it."""
        numbers = find_numbers(text, self.decimal)
        if not numbers:
            return Score(0.0, f"no number in {in_quotes(text)}")
        if self.position == "only" and len(numbers) > 1:
            return Score(0.0, f"{len(numbers)} numbers in {in_quotes(text)}")
        got = numbers[0 if self.position == "first" else -1]
        answers = accepted_answers(example.reference)
        is_right = any(self._is_close(got, expected) for expected in self._expected(example.reference))
        return right_or_wrong(is_right, f"got {_show(got)}, expected {in_quotes(answers[0])}")

    def _refused(self, answer: str) -> Refusal | None:
        """Why a text can't be a reference."""
        text = self._answer_of_reference(answer)
        reading = _read_reference(text, self.decimal)
        found = in_quotes(text.strip() or answer)
        if why := _no_number(text, reading):
            return Refusal(found, why, _OTHERWISE)
        if why := _more_than_a_number(text, reading):
            return Refusal(found, why, _ALONE)
        number = reading.numbers[0]
        if number.notation not in (None, self.decimal):
            return Refusal(found, f"is in decimal-{number.notation} notation", f"write decimal: {number.notation}")
        if number.factor > 1:
            return Refusal(
                found, "may have a unit or a word like thousand", "write the number alone, or the word in full"
            )
        return None

    def _expected(self, reference: Any) -> list[ParsedNumber]:
        items = reference if isinstance(reference, list | tuple) else [reference]
        return [self._number_of(item) for item in items]

    def _number_of(self, item: Any) -> ParsedNumber:
        """The number of an answer that is accepted; one that is a number in the data has a decimal point."""
        if isinstance(item, str):
            return _read_reference(self._answer_of_reference(item), self.decimal).numbers[0]
        return ParsedNumber(Fraction(str(item)))

    def _answer_of_reference(self, answer: str) -> str:
        """Without the steps before it, as a worked solution has them: what follows ``after``, or the #### of GSM8K."""
        return self.answer_in(answer).rpartition("####")[2]

    def _is_close(self, got: ParsedNumber, expected: ParsedNumber) -> bool:
        if got.factor == expected.factor:
            return self._is_within(got.value, expected.value)
        if self._is_within(got.value * got.factor, expected.value * expected.factor):
            return True
        return 1 in (got.factor, expected.factor) and self._is_within(got.value, expected.value)

    def _is_within(self, value: Fraction, target: Fraction) -> bool:
        allowed = max(_exact(self.tolerance), _exact(self.relative_tolerance) * abs(target))
        return abs(value - target) <= allowed


def _no_number(text: str, reading: ParsedText) -> str:
    """What a reference is instead of a number; empty when it holds one."""
    if "date" in reading.others or (reading.numbers and (_MONTH.search(reading.rest) or _ERA.search(reading.rest))):
        return "is a date"
    if "time" in reading.others:
        return "is a time or a ratio"
    if "formula" in reading.others or _OPERATION.search(reading.rest) or _FACTORIAL.search(text):
        return "is a formula"
    if not reading.numbers:
        return "is no number"
    return "may be a date" if _MAYBE_DATE.match(text) else ""


def _more_than_a_number(text: str, reading: ParsedText) -> str:
    """What a reference may be besides the number it holds; empty when that is all."""
    numbers = {(number.value, number.factor) for number in reading.numbers}
    if len(numbers) > 1:
        return f"holds {len(numbers)} numbers"
    if _BOUND.search(text):
        return "stands for more than one number"
    return "may be below zero" if _MAYBE_MINUS.fullmatch(text.strip()) else ""


def _is_number(item: Any) -> bool:
    """Whether a value of the data is a number, finite and not true or false."""
    return isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item)


@lru_cache(maxsize=8192)
def _read_reference(text: str, decimal: Decimal) -> ParsedText:
    """References are read once, not once per completion."""
    return read(text, decimal)


def _exact(tolerance: float) -> Fraction:
    """The decimal that was written: a tolerance of 0.05 accepts 3.15 for 3.1."""
    return Fraction(repr(tolerance))


def _show(number: ParsedNumber) -> str:
    value = number.value
    try:
        text = str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
    except (ValueError, OverflowError):
        text = f"a number of {math.ceil(math.log10(abs(value.numerator)))} digits"
    return f"{text[:40]}{' %' if number.factor == Fraction(1, 100) else ''}"
