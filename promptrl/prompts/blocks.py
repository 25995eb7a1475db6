"""Groups the lines of a plain-text prompt: running text, list items, and structures that are one piece each."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from promptrl.prompts.structures import Span, find_structures, is_within, line_starts

_FENCE = re.compile(r"\s*(```+|~~~+)[^`]*$")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•‣–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})[.)])\s+\S")
_HEADING = re.compile(r"\s*(?:#{1,6}\s|={3,}\s*$|-{3,}\s*$|\*{3,}\s*$)")
_TABLE_ROW = re.compile(r"\s*\|")
_TABLE_RULE = re.compile(r"\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)+$")
_KEY = re.compile(r"\s*(?:- )?[a-z][a-z0-9_-]*:(?:\s|$)")
"""Of YAML as machines read it; a heading or a label for people begins with a capital."""
_ANY_KEY = re.compile(r"\s*(?:- )?[A-Za-z][A-Za-z0-9_-]*:(?:\s+(?P<value>\S.*))?\s*$")
_SCALAR = re.compile(
    r"""["'<\[].*["'>\]]|[|>][+-]?|-?\d[\d.,:/-]*|true|false|null|yes|no|\.{3}|…|\w+(?:\s*\|\s*\w+)+""", re.IGNORECASE
)
"""What a machine writes behind a key and people behind a label do not; a placeholder stands behind either."""
_CODE = re.compile(r"[=;{}]|\w\(.*\)|^\s*(?:def|class|return|import|from|if|for|while|print|SELECT|INSERT|UPDATE)\b")
_SENTENCE_END = re.compile(r"[a-z)][.!?]\s*$")
_CODE_INDENT = "    "

BlockKind = Literal["prose", "item", "heading", "structure"]


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Lines that belong together.

    Attributes:
        start: Where they begin in the text.
        text: The lines.
        kind: Running text that may hold several sentences; a list item; a heading or a rule; or a structure.
    """

    start: int
    text: str
    kind: BlockKind


def split_blocks(text: str) -> tuple[list[TextBlock], list[Span]]:
    """The blocks of a text, which make it up, and the structures in it that are not to be cut.

    A structure is fenced or indented code, a table, YAML, or something in brackets or tags: see ``structures``. One
    that begins within a line makes the block of that line longer.
    """
    lines = text.splitlines(keepends=True)
    starts = line_starts(lines)
    fences = list(_fences(lines, starts))
    structures = find_structures(text, fences)
    widths = _widths(lines)
    is_inside = [is_within(start, structures) for start in starts]
    blocks = []
    at = 0
    while at < len(lines):
        end, kind = _block(lines, at, widths)
        while end < len(lines) and is_inside[end]:
            end += 1
        body = "".join(lines[at:end])
        blocks.append(TextBlock(starts[at], body, kind))
        at = end
    return blocks, structures


def _fences(lines: Sequence[str], starts: Sequence[int]) -> Iterator[Span]:
    at = 0
    while at < len(lines):
        end = _end_of_fence(lines, at)
        if end > at:
            yield starts[at], starts[end - 1] + len(lines[end - 1])
        at = max(end, at + 1)


def _end_of_fence(lines: Sequence[str], at: int) -> int:
    """The line after the fenced code that begins here; this very line where none does. One never closed goes on."""
    fence = _FENCE.match(lines[at])
    if not fence:
        return at
    end = at + 1
    while end < len(lines) and not lines[end].lstrip().startswith(fence[1]):
        end += 1
    return min(end + 1, len(lines))


def _block(lines: Sequence[str], at: int, widths: Sequence[int]) -> tuple[int, BlockKind]:
    """Where the block that begins in this line ends, and what it is."""
    for ends in (_end_of_fence, _end_of_table, _end_of_yaml, _end_of_capital_yaml, _end_of_code):
        end = ends(lines, at)
        if end > at:
            return end, "structure"
    if _HEADING.match(lines[at]):
        return at + 1, "heading"
    is_item = bool(_LIST_ITEM.match(lines[at]))
    end = at + 1
    while end < len(lines) and (
        _continues(lines[end - 1], lines[end], is_item=is_item) or _is_full(lines[end - 1], lines[end], widths[end])
    ):
        end = max(_end_of_fence(lines, end), end + 1)
    return end, "item" if is_item else "prose"


def _end_of_table(lines: Sequence[str], at: int) -> int:
    end = at
    if "|" in lines[at] and at + 1 < len(lines) and _TABLE_RULE.match(lines[at + 1]):
        end = at + 2
        while end < len(lines) and "|" in lines[end]:
            end += 1
    while end < len(lines) and _TABLE_ROW.match(lines[end]):
        end += 1
    return end


def _end_of_yaml(lines: Sequence[str], at: int) -> int:
    """Two keys or more, with all that is indented below them."""
    end, keys, has_list = at, 0, False
    while end < len(lines) and lines[end].strip():
        is_key = bool(_KEY.match(lines[end]))
        is_below = end > at and (lines[end][0] in " \t" or (has_list and lines[end].startswith("- ")))
        if not (is_key or is_below):
            break
        keys += is_key
        has_list = has_list or lines[end].rstrip().endswith(":")
        end += 1
    return end if keys > 1 else at


def _end_of_capital_yaml(lines: Sequence[str], at: int) -> int:
    """The same where keys begin with a capital, as labels do: half of them must have scalars or stand below a key."""
    if at > 0 and _capital_key(lines[at - 1]):
        return at
    end, of_machines = at, 0
    while end < len(lines) and (key := _capital_key(lines[end])):
        is_below = end > at and lines[end][0] in " \t"
        of_machines += is_below or bool(key["value"] and _SCALAR.fullmatch(key["value"].strip()))
        end += 1
    return end if end - at > 1 and 2 * of_machines >= end - at else at


def _capital_key(line: str) -> re.Match[str] | None:
    """A key with what stands behind it on its line, unless that is a sentence."""
    match = _ANY_KEY.match(line)
    return None if match is None or (match["value"] and _SENTENCE_END.search(match["value"])) else match


def _end_of_code(lines: Sequence[str], at: int) -> int:
    """Paragraphs that are set in, as Markdown marks code; the first must look like it, and none like sentences."""
    end = at
    if at == 0 or lines[at - 1].strip() or not lines[at].strip():
        return at
    while (last := _end_of_indented(lines, end)) > end:
        paragraph = [line for line in lines[end:last] if line.strip()]
        is_prose = any(_SENTENCE_END.search(line) or _LIST_ITEM.match(line) for line in paragraph)
        if is_prose or (end == at and not any(map(_CODE.search, paragraph))):
            break
        end = last
    return end


def _end_of_indented(lines: Sequence[str], at: int) -> int:
    """The line after the paragraph that is set in and begins here, or behind the blank lines that begin here."""
    start = at
    while start < len(lines) and not lines[start].strip():
        start += 1
    end = start
    while end < len(lines) and lines[end].strip() and lines[end].startswith((_CODE_INDENT, "\t")):
        end += 1
    return end if end > start else at


def _continues(line: str, following: str, *, is_item: bool) -> bool:
    """Whether the next line only wraps this one: lower case after no stop, or indented under a list item."""
    if not line.strip() or not following.strip() or _LIST_ITEM.match(following):
        return False
    if is_item and following[0] in " \t":
        return True
    return _is_open(line, following) and following.lstrip()[0].islower()


def _is_open(line: str, following: str) -> bool:
    """Whether a line ends without a stop, and the next one begins nothing new."""
    if not line.strip() or not following.strip() or line.rstrip()[-1] in ".!?:;。！？":
        return False
    return not any(begins.match(following) for begins in (_LIST_ITEM, _FENCE, _HEADING, _TABLE_ROW))


def _widths(lines: Sequence[str]) -> list[int]:
    """For each line how wide its paragraph is where that is wrapped, as lower case at the start of a line shows."""
    widths = [0] * len(lines)
    start = 0
    for at in range(len(lines) + 1):
        if at < len(lines) and lines[at].strip():
            continue
        paragraph = lines[start:at]
        if any(_continues(line, following, is_item=False) for line, following in pairwise(paragraph)):
            widths[start:at] = [max(len(line.rstrip()) for line in paragraph)] * len(paragraph)
        start = at + 1
    return widths


def _is_full(line: str, following: str, width: int) -> bool:
    """Whether the next line wraps this one although it begins with a capital: its first word did not fit here."""
    return (
        width > 0 and _is_open(line, following) and len(line.rstrip()) + 1 + len(following.split(maxsplit=1)[0]) > width
    )
