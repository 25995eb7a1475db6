"""How numbers are said, in reports and on the screen: shares, differences, money, time."""

from collections.abc import Mapping
from typing import Any


def percent(share: float | None) -> str:
    """A score in [0, 1] as a percentage with one digit."""
    return "–" if share is None else f"{100 * share:.1f}\u00a0%"


def points(difference: float) -> str:
    """A difference of scores in percentage points, signed."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def between(entry: Mapping[str, Any], *, is_signed: bool = False) -> str:
    """An interval of scores in percent, or of differences in points."""
    if is_signed:
        return f"{points(entry['low'])} to {points(entry['high'])}"
    return f"{100 * entry['low']:.1f} to {100 * entry['high']:.1f}"


def p_value(value: float) -> str:
    """A p-value to two digits."""
    return "<\u00a00.0001" if value < 0.0001 else f"=\u00a0{value:.2g}"


def money(usd: float | None) -> str:
    """Dollars as far as they are known."""
    if usd is None:
        return "unknown"
    return "no cost" if usd == 0 else f"${usd:.4f}" if usd < 1 else f"${usd:,.2f}"


def duration(seconds: float) -> str:
    """A time span in its largest two units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def plain(number: str) -> str:
    """A number as a terminal or a Markdown file takes it: with ordinary spaces and hyphens for minus signs."""
    return number.replace("\u00a0", " ").replace("−", "-")
