"""How a report says things: figures, verdicts, differences of texts; hostile text made harmless to read."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Change = Literal["same", "gone", "new"]

MAX_CHANCE_WORDS = 2

_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), "�") | {13: None}
_CONTROLS |= dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Control characters, and marks that turn the direction of the text around them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a diff."""

    change: Change
    text: str


def printable(text: object, limit: int | None = None, *, keep_end: bool = False) -> str:
    """A text without control characters, shortened to about ``limit`` characters.

    Args:
        text: Anything.
        limit: None for all of it.
        keep_end: Leave out the middle: an answer is often at the end.
    """
    clean = str(text).translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")
    if limit is None or len(clean) <= limit:
        return clean
    left_out = f"… ({len(clean) - limit:,} characters more)"
    if keep_end:
        return f"{clean[: limit // 2].rstrip()} {left_out} …{clean[-(limit - limit // 2) :].lstrip()}"
    return f"{clean[:limit].rstrip()}{left_out}"


def percent(share: float | None) -> str:
    """A score in [0, 1] as a percentage."""
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


def headline(result: Mapping[str, Any]) -> str:
    """The verdict in one sentence."""
    before, after = result["baseline"]["test"], result["winner"]["test"]
    if result["winner"]["prompt_id"] == result["baseline"]["prompt_id"]:
        return "Nothing beat your prompt: keep it."
    if not before or not after:
        return "A challenger was found, but no test row could be answered: nothing is proven."
    rows = result["improvement"]["test"]["rows"] if result["improvement"]["test"] else after["rows"]
    scores = f"{percent(after['score'])} instead of {percent(before['score'])} on {rows} test rows"
    return {
        "improved": f"The new prompt is better: it scores {scores} that the search never saw.",
        "worse": f"The new prompt is worse: it scores {scores} that the search never saw. Keep yours.",
        "same": f"The new prompt is as good as yours, no better: it scores {scores} that the search never saw.",
        "inconclusive": f"Not proven: the new prompt scores {scores}, which can be chance.",
    }[str(result["verdict"])]


def evidence(result: Mapping[str, Any]) -> str:
    """What the verdict rests on, in one sentence; empty when nothing was tested."""
    measured = result["improvement"]["test"]
    if not measured:
        return ""
    share = f"{100 * measured.get('confidence', 0.95):g}\u00a0%"
    return (
        f"Paired row by row that is {points(measured['score'])} points, {share} interval "
        f"{between(measured, is_signed=True)}, p\u00a0{p_value(measured['p_value'])}."
    )


def word_diff(before: str, after: str) -> list[Piece]:
    """What became of a text, word by word; blanks go with the word before them.

    A word or two that stayed by chance between changes counts as changed, or nobody could read the rest.
    """
    old, new = _words(before), _words(after)
    pieces: list[Piece] = []
    gone: list[str] = []
    come: list[str] = []
    matches = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for number, (tag, a, b, c, d) in enumerate(matches):
        if tag == "equal" and (b - a > MAX_CHANCE_WORDS or number in (0, len(matches) - 1)):
            pieces += [*_changed(gone, come), Piece("same", "".join(old[a:b]))]
            gone, come = [], []
        else:
            gone, come = gone + old[a:b], come + new[c:d]
    return [*pieces, *_changed(gone, come)]


def _changed(gone: list[str], come: list[str]) -> Iterator[Piece]:
    if gone:
        yield Piece("gone", "".join(gone))
    if come:
        yield Piece("new", "".join(come))


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)
