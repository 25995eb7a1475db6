"""Groups the lines of a plain-text prompt: running text, list items, and structures that are one piece each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from promptrl.prompts.code_blocks import (
    FENCE,
    LIST_ITEM,
    SENTENCE_END,
    end_of_fence,
    end_of_indented,
    end_of_statement,
    fences,
)
from promptrl.prompts.samples import sample_ends
from promptrl.prompts.structures import Span, find_structures, is_within, line_starts

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

    A structure is code, a table, YAML, a worked example, or something in brackets or tags: see ``structures``. One that
    begins within a line makes the block of that line longer.
    """
    lines = text.splitlines(keepends=True)
    starts = line_starts(lines)
    structures = find_structures(text, list(fences(lines, starts)))
    is_inside = [is_within(start, structures) for start in starts]
    widths, samples = _widths(lines, is_inside), sample_ends(lines)
    blocks = []
    at = 0
    while at < len(lines):
        end, kind = _block(lines, at, widths, samples)
        while end < len(lines) and is_inside[end]:
            end += 1
        body = "".join(lines[at:end])
        blocks.append(TextBlock(starts[at], body, kind))
        at = end
    return blocks, structures


def _block(lines: Sequence[str], at: int, widths: Sequence[int], samples: Mapping[int, int]) -> tuple[int, BlockKind]:
    """Where the block that begins in this line ends, and what it is."""
    if at in samples:
        return samples[at], "structure"
    for ends in (end_of_fence, _end_of_table, _end_of_yaml, _end_of_capital_yaml, end_of_indented, end_of_statement):
        end = ends(lines, at)
        if end > at:
            return end, "structure"
    if _HEADING.match(lines[at]):
        return at + 1, "heading"
    is_item = bool(LIST_ITEM.match(lines[at]))
    end = at + 1
    while end < len(lines) and (
        _continues(lines[end - 1], lines[end], is_item=is_item) or _is_full(lines[end - 1], lines[end], widths[end])
    ):
        end = max(end_of_fence(lines, end), end + 1)
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
    return None if match is None or (match["value"] and SENTENCE_END.search(match["value"])) else match


def _continues(line: str, following: str, *, is_item: bool) -> bool:
    """Whether the next line only wraps this one: lower case after no stop, or indented under a list item."""
    if not line.strip() or not following.strip() or LIST_ITEM.match(following):
        return False
    if is_item and following[0] in " \t":
        return True
    return _is_open(line, following) and following.lstrip()[0].islower()


def _is_open(line: str, following: str) -> bool:
    """Whether a line ends without a stop, and the next one begins nothing new."""
    if not line.strip() or not following.strip() or line.rstrip()[-1] in ".!?:;。！？":
        return False
    return not any(begins.match(following) for begins in (LIST_ITEM, FENCE, _HEADING, _TABLE_ROW))


def _widths(lines: Sequence[str], is_inside: Sequence[bool]) -> list[int]:
    """For each line how wide its paragraph is where that is wrapped, as lower case at the start of a line shows.

    Lines that begin inside a structure are as its author set them, and show nothing.
    """
    widths = [0] * len(lines)
    start = 0
    for at in range(len(lines) + 1):
        if at < len(lines) and lines[at].strip():
            continue
        paragraph = lines[start:at]
        pairs = zip(pairwise(paragraph), is_inside[start + 1 : at], strict=True) if paragraph else ()
        if any(_continues(*pair, is_item=False) for pair, is_set in pairs if not is_set):
            widths[start:at] = [max(len(line.rstrip()) for line in paragraph)] * len(paragraph)
        start = at + 1
    return widths


def _is_full(line: str, following: str, width: int) -> bool:
    """Whether the next line wraps this one although it begins with a capital: its first word did not fit here."""
    return (
        width > 0 and _is_open(line, following) and len(line.rstrip()) + 1 + len(following.split(maxsplit=1)[0]) > width
    )
