"""How numbers are read out of text.

What can be read in one way only is read so whatever the notation: 1,234.5 and 1.234,5, 7,50 and 0.5. The notation
decides where both are possible: 1,234 and 1.234.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from promptrl.tasks.metrics.words import without_invisible

Decimal = Literal["point", "comma"]

MAX_DIGITS = 400
"""Longer numbers are skipped: exact arithmetic on hostile text must stay cheap."""

_CODES = "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RMB|Rs|RUB|SEK|SGD|TRY|USD|ZAR"
_SIGNS = "$€£¥₹₩₽₺₴₦₫฿₱₪¢"
_SCALES = {
    word: 10**power
    for power, words in {
        2: "hundred hundreds 百 백",
        3: "thousand thousands tausend tsd 千 천",
        4: "万 萬 만",
        5: "lakh lakhs lac",
        6: "million millions millionen mn mln mio millón millones milhão milhões milione milioni miljoen",
        7: "crore crores",
        8: "億 亿 억",
        9: "bn billion billions milliarde milliarden milliard milliards mrd mld miliardo miliardi miljard",
        12: "tn trillion trillions billionen billón billones 兆 조",
    }.items()
    for word in words.split()
}
_SCALE = re.compile("|".join(sorted(_SCALES, key=len, reverse=True)), re.IGNORECASE)
_SYMBOLS = {"k": 10**3, "K": 10**3, "M": 10**6, "m": 10**6, "B": 10**9, "b": 10**9, "T": 10**12}
_UNITS = "mbT"
"""Symbols that are a unit (metre, bit, tesla) unless it is about money; K, M and B may be either then."""
_SHARES = {"‰": Fraction(1, 1000), "‱": Fraction(1, 10_000)}

_START = rf"(?= [-+.\d√∛\\{_SIGNS}] | (?<![^\W\d_]) [^\W\d_]+ [ ]? [-+.]? \d )"
"""Where anything of interest may begin: most letters are passed over at once."""
_DATE = r"""
    (?<!\d) \d{4} ([-/.]) \d\d? \2 \d\d? (?!\d) (?: [T ] \d\d?:[\d:.]+ Z? (?: [-+]\d\d:?\d\d )? )?
  | (?<![\d./-]) \d\d? ([/.]) \d\d? \3 \d{2,4} (?![\d/])
  | (?<![\d./-]) \d\d? - \d\d? - \d{4} (?!\d)
  | (?<!\d) \d{4} (?: [-/] 0\d | -W\d\d ) (?![\d-])
  | (?<![\d./]) (?: 0\d / \d{1,4} | \d{1,4} / 0\d ) (?![\d/])
  | (?<!\w) [QH][1-4] [ /-]? \d{4} (?!\d)
"""
_TIME = r"""
    (?<![\d.,:]) \d\d? (?: h\d\d | (?: [.:]\d\d )? [ ]? (?: [ap] [.]? m\b | uhr\b | o'clock\b ) )
  | (?<![\d:.]) \d+ (?: :\d+ )+ (?: [.,]\d+ )?
"""
_FORMULA = r"[√∛] [ ]* [\d.,]+ | \\sqrt (?: \[\d+\] )? \{? [\d.,]+ \}? | (?<![\d.,]) [\d.,]+ [ ]? (?: π | \\pi )"
_CODE = rf"(?<![^\W\d_]) (?! (?-i: {_CODES} ) \d ) [^\W\d_]+ \d [\w.]* | (?<!\w) 0x [\da-f]+ \b"
_NUMBER = rf"""
    (?= [-+.\d{_SIGNS}] | (?-i: {_CODES} ) )
    (?: (?<![\w)\]]) (?P<sign>[-+]) )?
    (?P<currency> (?: [{_SIGNS}] | (?<!\w) (?-i: {_CODES} ) ) [ ]? (?P<inner>[-+])? )?
    (?:
        (?P<whole>\d+) [ ]+ (?P<part>\d+/\d+) (?![/\d])                    # 1 1/2
      | (?<!/) (?P<fraction>\d+/\d+) (?![/\d])                             # 3/4, but not 3/4/2024
      | (?P<base>\d+) [ ]? \^ [ ]? \{{? (?P<raised>[-+]?\d+) \}}?
      | (?P<digits> \d+ (?: [.,]\d+ )* | (?<![\w.]) \.\d+ )
        (?: e (?P<exponent>[-+]?\d+) (?!\w) | [ ]?[x×*·][ ]? 10 [ ]? \^ [ ]? \{{? (?P<power>[-+]?\d+) \}}? )?
    )
    (?P<scales> (?: [ -]? (?: (?:{"|".join(w for w in _SCALES if ord(w[0]) < 0x1000)}) (?!\w) [.]?
                            | [{"".join(w for w in _SCALES if ord(w[0]) > 0x1000)}] (?![克米瓦]) ) ){{1,2}} )?
    (?: [ ]? (?P<symbol> (?-i: [{"".join(_SYMBOLS)}] ) ) (?!\w) )?
    (?P<money> [ ]? (?: [{_SIGNS}] | (?-i: {_CODES} ) \b ) (?!\d) )?
    (?P<share> \s? (?: \\?[%‰‱] | p(?:er|ou?r)[ ]?c(?:ent|iento)\b | pct\b | pro[cz]ent\b ) )?
"""
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_OTHERS = ("date", "time", "formula", "code")
_TOKEN = re.compile(
    f"{_START} (?: (?P<date>{_DATE}) | (?P<time>{_TIME}) | (?P<formula>{_FORMULA}) | (?P<code>{_CODE}) | {_NUMBER} )",
    re.VERBOSE | re.IGNORECASE,
)

_PLAIN = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # full width
    | dict.fromkeys("−–‐‑﹣", "-")
    | dict.fromkeys("’‘´٬", "'")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", "\u202f")
    | {"⁄": "/", "٪": "%", "٫": "."}
)
_BLANK_GROUPS = re.compile(
    r"""(?<![\d.,/]) [1-9]\d{0,2} (?: ( ['_\u202f] ) \d{3} (?: \1\d{3} )*
        | (?<![\d.,][ ].) (?<![\d.,][ ]..) (?<![\d.,][ ]...) (?: [ ]\d{3} )+ (?![ ]\d) ) (?![\d/])""",
    re.VERBOSE,
)
_LATEX_FRACTION = re.compile(r"(\d\s*)?\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}")
_VULGAR_FRACTION = re.compile(r"(\d\s*)?([¼-¾⅐-⅞])")
_RAISED = re.compile(r"(?<=\d)[⁺⁻]?[⁰¹²³⁴-⁹]+")
_RAISED_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_MINUS_WORD = re.compile(rf"(?<!\d )(?<!\w)(?:minus|negative) +(?=[\d.{_SIGNS}])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedNumber:
    """A number found in text.

    Attributes:
        value: As written, with the words that multiply it; 25 for "25 %".
        factor: What makes its other reading of it: 1/100 of a percentage, 1000 where "5K" may be thousands.
        notation: The only one in which it can be read; None where it is the same in both, or depends on it.
    """

    value: Fraction
    factor: Fraction = Fraction(1)
    notation: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ParsedText:
    """What a text holds.

    Attributes:
        numbers: In order.
        others: Kinds of digits that are no number: "date", "time", "formula", "code".
        rest: The text without all of these.
    """

    numbers: tuple[ParsedNumber, ...]
    others: frozenset[str]
    rest: str


def find_numbers(text: str, decimal: Decimal = "point") -> list[ParsedNumber]:
    """The numbers in a text, in order.

    Understood are signs (also the Unicode minus), thousands separators (comma or point, apostrophe, blanks), decimals,
    scientific notation, fractions (3/4, 1 1/2, ½, LaTeX), powers, words that multiply (thousand, million), currencies,
    units and percent after. Digits inside a name (H2O) or of a time are no number; of a date the year is one.

    Args:
        text: Any.
        decimal: Which mark parts whole and decimals where a number could be read either way.
    """
    return list(read(text, decimal).numbers)


def read(text: str, decimal: Decimal = "point") -> ParsedText:
    """The numbers in a text as ``find_numbers`` gives them, and what else there is."""
    plain = _plain(text)
    numbers: list[ParsedNumber] = []
    others, rest, end = set(), [], 0
    for match in _TOKEN.finditer(plain):
        rest.append(plain[end : match.start()])
        end = match.end()
        kind = next((kind for kind in _OTHERS if match[kind]), None)
        if kind is None:
            numbers += _numbers(match, decimal)
        else:
            others.add(kind)
            numbers += [ParsedNumber(Fraction(year[0])) for year in _YEAR.finditer(match["date"] or "")]
    return ParsedText(tuple(numbers), frozenset(others), " ".join([*rest, plain[end:]]))


def _plain(text: str) -> str:
    """The text with ASCII digits, signs and fractions, and without separators of thousands that are nothing else."""
    if not text.isascii():
        text = without_invisible(text).translate(_PLAIN)
        text = _RAISED.sub(lambda m: f"^{m[0].translate(_RAISED_DIGITS)}", text)
        text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
        text = _VULGAR_FRACTION.sub(_vulgar_fraction, text)
    if "\\" in text or "{" in text:
        text = _LATEX_FRACTION.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if m[1] else f"{m[2]}/{m[3]}", text)
        text = text.replace("{,}", ",").replace("\\,", "").replace("\\$", "$")
    text = _BLANK_GROUPS.sub(lambda m: re.sub(r"\D", "", m[0]), text)
    return _MINUS_WORD.sub("-", text.replace("\u202f", " "))


def _vulgar_fraction(match: re.Match[str]) -> str:
    value = Fraction(unicodedata.numeric(match[2])).limit_denominator(10)
    return f"{match[1]} {value}" if match[1] else str(value)


def _numbers(match: re.Match[str], decimal: Decimal) -> Iterator[ParsedNumber]:
    """The number matched, or the numbers of a list; none when it divides by zero or is absurdly long."""
    if len(match[0]) > MAX_DIGITS:
        return
    is_negative = "-" in (match["sign"], match["inner"])
    scale, factor = _scale(match)
    if match["digits"] is None:
        value = _fraction(match)
        if value is not None:
            yield ParsedNumber(value * scale * (-1 if is_negative else 1), factor)
        return
    exponent = int(match["exponent"] or match["power"] or 0)
    if abs(exponent) > MAX_DIGITS:
        return
    *listed, last = _split_list(match["digits"], is_tuple=_is_tuple(match))
    yield from (ParsedNumber(Fraction(item)) for item in listed)
    read_as = _decimal(last, decimal)
    if read_as is not None:
        value = Fraction(read_as[0]) * Fraction(10) ** exponent * scale
        yield ParsedNumber(-value if is_negative else value, factor, read_as[1])


def _fraction(match: re.Match[str]) -> Fraction | None:
    """What 1 1/2, 3/4 or 2^10 come to."""
    if match["base"]:
        raised = int(match["raised"])
        fits = len(match["base"]) * abs(raised) <= MAX_DIGITS and (raised >= 0 or int(match["base"]))
        return Fraction(int(match["base"])) ** raised if fits else None
    part = match["part"] or match["fraction"]
    return int(match["whole"] or 0) + Fraction(part) if int(part.rpartition("/")[2]) else None


def _scale(match: re.Match[str]) -> tuple[int, Fraction]:
    """What the number is multiplied by, and in its other reading."""
    scale = 1
    for word in _SCALE.findall(match["scales"] or ""):
        scale *= _SCALES[word.casefold()]
    share = (match["share"] or "").strip(" \\\t\n")
    factor = _SHARES.get(share, Fraction(1, 100)) if share else Fraction(1)
    symbol = match["symbol"]
    is_money = bool(match["currency"] or match["money"])
    if symbol == "k" or (symbol and is_money):
        scale *= _SYMBOLS[symbol]
    elif symbol and symbol not in _UNITS:
        factor *= _SYMBOLS[symbol]
    return scale, factor


def _is_tuple(match: re.Match[str]) -> bool:
    """Whether brackets stand right around the digits: (3,4)."""
    start, end = match.span("digits")
    before = match.string[:start][-2:].rstrip("+-")
    return before.endswith(("(", "[", "{")) and match.string[end : end + 1] in (")", "]", "}")


def _split_list(digits: str, *, is_tuple: bool) -> list[str]:
    """The items of a list without blanks (1,2,3); else the digits alone."""
    parts = digits.split(",")
    is_list = len(parts) > (1 if is_tuple else 2) and not _are_groups(parts) and not _are_lakhs(parts)
    return parts if is_list and all(part.count(".") < 2 for part in parts) else [digits]


def _are_groups(parts: list[str]) -> bool:
    """Whether these can be thousands: 1|234|567, perhaps with decimals in the last."""
    first, *others = parts
    return len(first) <= 3 and not first.startswith("0") and all(len(part.partition(".")[0]) == 3 for part in others)


def _are_lakhs(parts: list[str]) -> bool:
    """Whether these are grouped the Indian way: 12|34|567."""
    first, *middle, last = parts
    return len(first) <= 2 and len(last.partition(".")[0]) == 3 and bool(middle) and {len(m) for m in middle} == {2}


def _decimal(digits: str, decimal: Decimal) -> tuple[str, Decimal | None] | None:
    """Digits with points and commas as Python writes them, and the only notation that allows that; None for 1.2.3."""
    points, commas = digits.count("."), digits.count(",")
    if not points + commas:
        return digits, None
    if points + commas == 1 and _are_groups(re.split("[.,]", digits)):
        return (digits.replace(",", "") if decimal == "point" else digits.replace(".", "").replace(",", ".")), None
    mark: str = max(".,", key=digits.rfind)
    other = "," if mark == "." else "."
    if digits.count(mark) > 1:
        mark, other = "", mark
    whole, _, decimals = digits.partition(mark) if mark else (digits, "", "")
    groups = whole.split(other)
    if not decimals.isdecimal() and mark:
        return None
    if len(groups) > 1 and not (_are_groups(groups) or (other == "," and _are_lakhs(groups))):
        return None
    notation: Decimal = "point" if mark == "." or (not mark and other == ",") else "comma"
    return f"{''.join(groups)}.{decimals}" if mark else "".join(groups), notation
