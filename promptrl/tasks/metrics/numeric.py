"""The rule numeric_match, and how numbers are read out of text."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from promptrl.settings import Setting
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import AnswerRule, Score, in_quotes, right_or_wrong

MAX_DIGITS = 400
"""Longer numbers are skipped: exact arithmetic on hostile text must stay cheap."""

_NUMBER = re.compile(
    r"""
    (?P<word> (?<![^\W\d_]) [^\W\d_]+ \d [\w.]* )                      # H2O, v2.0: a name, not a number
    |
    (?=[-+.\d$€£¥₹₩])
    (?: (?<![\w)\]]) (?P<sign>[-+]) )?
    (?: [$€£¥₹₩] [ ]? (?P<inner>[-+])? )?
    (?:
        (?P<whole>\d+) [ ]+ (?P<part>\d+/\d+) (?![/\d])                # 1 1/2
      | (?<!/) (?P<fraction>\d+/\d+) (?![/\d])                         # 3/4, but not 3/4/2024
      | (?P<decimal>
            \d{1,3} (?P<separator>[,'’\u00a0\u2009\u202f]) \d{3}
                    (?: (?P=separator) \d{3} )* (?!\d) (?: \.\d+ )?    # 1,234,567.8
          | \d+ (?: \.\d+ )?
          | (?<![\w.]) \.\d+
        )
        (?: [eE] (?P<exponent>[-+]?\d+) (?!\w) | [ ]?[x×*·][ ]? 10 [ ]?\^[ ]? \{? (?P<power>[-+]?\d+) \}? )?
    )
    (?P<percent> \s? (?: \\?% | per[ ]?cent\b ) )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MINUS = str.maketrans({"−": "-", "–": "-", "－": "-", "﹣": "-", "⁄": "/"})
_LATEX_FRACTION = re.compile(r"(\d\s*)?\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}")
_VULGAR_FRACTION = re.compile(r"(\d\s*)?([¼-¾⅐-⅞])")


@dataclass(frozen=True, slots=True)
class Number:
    """A number found in text.

    Attributes:
        value: As written; 25 for "25 %".
        is_percent: A percent sign or word follows.
    """

    value: Fraction
    is_percent: bool = False


def find_numbers(text: str) -> list[Number]:
    """The numbers in a text, in order, read the English way.

    Understood are signs (also the Unicode minus), thousands separators (comma, apostrophe, thin and no-break spaces),
    decimals, scientific notation, fractions (3/4, 1 1/2, ½, LaTeX), currency signs before, units and percent after.
    Digits inside a name (H2O) are no number, and 3/4/2024 is no fraction.
    """
    numbers = []
    for match in _NUMBER.finditer(_plain(text)):
        if match["word"] is None and (value := _value(match)) is not None:
            numbers.append(Number(value, match["percent"] is not None))
    return numbers


def _plain(text: str) -> str:
    """The text with ASCII digits, minus signs and fractions."""
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text).translate(_MINUS)
        text = _VULGAR_FRACTION.sub(_vulgar_fraction, text)
    if "\\" in text or "{" in text:
        text = _LATEX_FRACTION.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if m[1] else f"{m[2]}/{m[3]}", text)
        text = text.replace("{,}", ",").replace("\\,", "").replace("\\$", "$")
    return text


def _vulgar_fraction(match: re.Match[str]) -> str:
    value = Fraction(unicodedata.numeric(match[2])).limit_denominator(10)
    return f"{match[1]} {value}" if match[1] else str(value)


def _value(match: re.Match[str]) -> Fraction | None:
    """The number matched; None when it divides by zero or is absurdly long."""
    if len(match[0]) > MAX_DIGITS:
        return None
    exponent = int(match["exponent"] or match["power"] or 0)
    if abs(exponent) > MAX_DIGITS:
        return None
    try:
        if match["decimal"]:
            value = Fraction(re.sub(r"[^\d.]", "", match["decimal"]))
            value = value * Fraction(10) ** exponent if exponent else value
        else:
            value = int(match["whole"] or 0) + Fraction(match["part"] or match["fraction"])
    except ZeroDivisionError:
        return None
    return -value if "-" in (match["sign"], match["inner"]) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericMatch(AnswerRule):
    """The number in the completion is the reference.

    Or one of them when it is a list. A percentage matches a plain number in either reading: 25 % is 25 and 0.25. Units
    are not compared.
    """

    summary: ClassVar[str] = "1 when the number in the completion is the reference."

    position: Annotated[Literal["last", "first", "only"], Setting("Which number of the completion counts.")] = "last"
    tolerance: Annotated[float, Setting("Largest difference that still counts as right.", ge=0)] = 0.0
    relative_tolerance: Annotated[float, Setting("Likewise, as a share of the reference.", ge=0)] = 0.0

    def refusal(self, reference: Any) -> str:
        """The reference must hold a number; of several the one at ``position`` counts."""
        if isinstance(reference, bool):
            return f"{str(reference).lower()} is no number"
        for answer in accepted_answers(reference):
            count = len(_numbers_of_reference(answer))
            if count == 0:
                return f"{in_quotes(answer)} is no number"
            if count > 1 and self.position == "only":
                return f"{in_quotes(answer)} holds {count} numbers, expected one"
        return ""

    def grade(self, text: str, example: Example) -> Score:
        """Pick the number and compare it."""
        numbers = find_numbers(text)
        if not numbers:
            return Score(0.0, f"no number in {in_quotes(text)}")
        if self.position == "only" and len(numbers) > 1:
            return Score(0.0, f"{len(numbers)} numbers in {in_quotes(text)}")
        got = self._pick(numbers)
        answers = accepted_answers(example.reference)
        is_right = any(self._is_close(got, self._pick(_numbers_of_reference(answer))) for answer in answers)
        return right_or_wrong(is_right, f"got {_show(got)}, expected {in_quotes(answers[0])}")

    def _pick(self, numbers: Sequence[Number]) -> Number:
        return numbers[0 if self.position == "first" else -1]

    def _is_close(self, got: Number, expected: Number) -> bool:
        if self._is_within(got.value, expected.value):
            return True
        return got.is_percent != expected.is_percent and self._is_within(_as_share(got), _as_share(expected))

    def _is_within(self, value: Fraction, target: Fraction) -> bool:
        allowed = max(_exact(self.tolerance), _exact(self.relative_tolerance) * abs(target))
        return abs(value - target) <= allowed


@lru_cache(maxsize=8192)
def _numbers_of_reference(answer: str) -> tuple[Number, ...]:
    """References are read once, not once per completion."""
    return tuple(find_numbers(answer))


def _as_share(number: Number) -> Fraction:
    return number.value / 100 if number.is_percent else number.value


def _exact(tolerance: float) -> Fraction:
    """The decimal that was written: a tolerance of 0.05 accepts 3.15 for 3.1."""
    return Fraction(repr(tolerance))


def _show(number: Number) -> str:
    value = number.value
    try:
        text = str(value.numerator) if value.denominator == 1 else f"{float(value):g}"
    except (ValueError, OverflowError):
        text = f"a number of {math.ceil(math.log10(abs(value.numerator)))} digits"
    return f"{text[:40]}{' %' if number.is_percent else ''}"
