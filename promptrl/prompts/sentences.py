"""Sentence splitting of a plain-text prompt, without losing a byte of it.

A phrase is what can sensibly be dropped as one: a sentence of running text, a list item with its continuation lines,
a heading, a table or a fenced code block. The whitespace between phrases is kept apart, so that the unchanged text
comes back exactly and a text with phrases dropped still has its paragraph breaks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from promptrl.prompts.prompt import UserTemplate

_BLANKS = re.compile(r"\s*")
_FENCE = re.compile(r"\s*(```+|~~~+)[^`]*$")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•‣–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})[.)])\s+\S")
_HEADING = re.compile(r"\s*(?:#{1,6}\s|={3,}\s*$|-{3,}\s*$|\*{3,}\s*$)")
_TABLE_ROW = re.compile(r"\s*\|")
_TAG_LINE = re.compile(r"</?[A-Za-z][\w.:-]*(?:\s[^<>]*)?/?>")

_SENTENCE_END = re.compile(
    r"""(?P<spaced>[.!?…]+["'”’»)\]*_]*)(?=\s+["'“‘«(\[*_`]*(?P<next>[^\s"'“‘«(\[*_`]\S*))
      | [。！？]+["”’」』）]*  # full-width stops need no blank after them
    """,
    re.VERBOSE,
)
_PROTECTED = re.compile(r"`[^`]*`|\"[^\"]*\"|“[^”]*”|«[^»]*»|\([^()]*\)|「[^」]*」")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'“])(?:cf|vs|viz|approx|resp|incl|excl|mr|mrs|ms|dr|prof|sr|jr|st|inc|ltd|corp|dept"
    r"|(?:[a-z]\.\s?)+[a-z])\.$",
    re.IGNORECASE,
)
_INITIAL = re.compile(r"(?:^|[\s(])[A-Z]\.$")
_ABBREVIATION_OF_NUMBER = re.compile(r"(?:^|[\s(])(?:nos?|figs?|eqs?|sec|ch|vol|pp?|art)\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """The phrases of one text and the whitespace around them.

    A selection is a tuple of phrase indices in rendering order.

    Attributes:
        phrases: Each starts and ends with a visible character.
        gaps: Whitespace, one more than phrases: before the first, between each two, after the last.
        is_template: True when the text is a user template.
    """

    phrases: tuple[str, ...]
    gaps: tuple[str, ...]
    is_template: bool = False

    @property
    def everything(self) -> tuple[int, ...]:
        """The selection that renders to the original text."""
        return tuple(range(len(self.phrases)))

    @property
    def has_repeats(self) -> bool:
        """Whether a phrase occurs twice; then selections out of order are not told apart, nor recognised."""
        return len(set(self.phrases)) < len(self.phrases)

    def is_fixed(self, index: int) -> bool:
        """Whether a phrase must stay: it holds a placeholder, or is a lone ``<tag>`` with a partner elsewhere."""
        phrase = self.phrases[index]
        return bool(_TAG_LINE.fullmatch(phrase)) or (self.is_template and bool(UserTemplate(phrase).placeholders))

    def render(self, selection: Sequence[int]) -> str:
        """The text made of the selected phrases, empty when there is none.

        Between two phrases stands the widest gap (most newlines, then longest) among those that separate them in the
        original, so dropping the last sentence of a paragraph keeps the paragraph break.
        """
        if not selection:
            return ""
        parts = [self.gaps[0], self.phrases[selection[0]]]
        for left, right in pairwise(selection):
            parts += [self._gap(left, right), self.phrases[right]]
        return "".join([*parts, self.gaps[-1]])

    def selection_in(self, text: str) -> tuple[int, ...] | None:
        """The selection that renders to this text, None when no selection does.

        Equal texts always mean the same selection: where a phrase occurs twice, the first that fits is taken.
        """
        return _selection_in(self, text)

    def _gap(self, left: int, right: int) -> str:
        low, high = sorted((left, right))
        return max(self.gaps[low + 1 : high + 1], key=lambda gap: (gap.count("\n"), len(gap)))


@lru_cache(maxsize=16_384)
def _selection_in(table: PhraseTable, text: str) -> tuple[int, ...] | None:
    first, last = table.gaps[0], table.gaps[-1]
    if not text:
        return ()
    if not (text.startswith(first) and text.endswith(last)):
        return None
    body = text[len(first) : len(text) - len(last)]
    in_order = _parse(table, body, is_ordered=True)
    return in_order if in_order or table.has_repeats else _parse(table, body, is_ordered=False)


def _parse(table: PhraseTable, body: str, *, is_ordered: bool) -> tuple[int, ...] | None:
    """The first selection, low indices first, that the text between the outer gaps reads as.

    In order, what follows depends on the place and the last phrase alone, so each such pair is tried once and the time
    is quadratic in the phrases even for texts made to be ambiguous.
    """
    stack: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    tried = set()
    while stack:
        at, taken = stack.pop()
        if at == len(body) and taken:
            return taken
        if is_ordered:
            if (at, taken[-1:]) in tried:
                continue
            tried.add((at, taken[-1:]))
        stack += reversed(list(_next_steps(table, body, at, taken, is_ordered=is_ordered)))
    return None


def _next_steps(
    table: PhraseTable, body: str, at: int, taken: tuple[int, ...], *, is_ordered: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    start = _BLANKS.match(body, at).end()  # type: ignore[union-attr]  # it matches everywhere, if only nothing
    candidates = range(taken[-1] + 1 if taken and is_ordered else 0, len(table.phrases))
    for index in candidates:
        phrase = table.phrases[index]
        if not body.startswith(phrase, start) or index in taken:
            continue
        if body[at:start] == (table._gap(taken[-1], index) if taken else ""):
            yield start + len(phrase), (*taken, index)


def split_phrases(text: str, *, is_template: bool = False) -> PhraseTable:
    """Cut a text into phrases and the whitespace between them.

    Splits at sentence ends, list items, headings, tables and fenced code blocks; not after abbreviations, numbers,
    inside quotes, parentheses or inline code, nor where a line merely wraps. ``render(everything)`` is the text, byte
    for byte, unless it is all whitespace: then there is no phrase.
    """
    phrases: list[str] = []
    gaps = [""]
    for piece in _pieces(text):
        body = piece.strip()
        if not body:
            gaps[-1] += piece
            continue
        start = piece.index(body)
        gaps[-1] += piece[:start]
        phrases.append(body)
        gaps.append(piece[start + len(body) :])
    return PhraseTable(tuple(phrases), tuple(gaps), is_template)


def _pieces(text: str) -> Iterator[str]:
    for block, is_prose in _blocks(text.splitlines(keepends=True)):
        if not is_prose:
            yield block
            continue
        start = 0
        for end in _sentence_ends(block):
            yield block[start:end]
            start = end
        yield block[start:]


def _blocks(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Groups of lines that belong together, and whether each is running text that may hold several sentences."""
    at = 0
    while at < len(lines):
        end = at + 1
        line = lines[at]
        if fence := _FENCE.match(line):
            while end < len(lines) and not lines[end].lstrip().startswith(fence[1]):
                end += 1
            end = min(end + 1, len(lines))
            is_prose = False
        elif _TABLE_ROW.match(line):
            while end < len(lines) and _TABLE_ROW.match(lines[end]):
                end += 1
            is_prose = False
        elif _HEADING.match(line):
            is_prose = False
        else:
            is_item = bool(_LIST_ITEM.match(line))
            while end < len(lines) and _continues(lines[end - 1], lines[end], is_item=is_item):
                end += 1
            is_prose = not is_item
        yield "".join(lines[at:end]), is_prose
        at = end


def _continues(line: str, following: str, *, is_item: bool) -> bool:
    """Whether the next line only wraps this one: lower case after no stop, or indented under a list item."""
    if not line.strip() or not following.strip():
        return False
    if _FENCE.match(following) or _LIST_ITEM.match(following) or _HEADING.match(following):
        return False
    if is_item and following[0] in " \t":
        return True
    return following.lstrip()[0].islower() and line.rstrip()[-1] not in ".!?:;。！？"


def _sentence_ends(block: str) -> Iterator[int]:
    protected = [match.span() for match in _PROTECTED.finditer(block)]
    for match in _SENTENCE_END.finditer(block):
        end = match.end()
        if any(start < end < stop for start, stop in protected):
            continue
        if match["spaced"] and _is_inside_sentence(block[:end], match["next"]):
            continue
        yield end


def _is_inside_sentence(so_far: str, following: str) -> bool:
    """Whether a stop ends no sentence: lower case follows it, or it belongs to an abbreviation or to initials."""
    return (
        following[0].islower()
        or bool(_ABBREVIATION.search(so_far))
        or (following[0].isdigit() and bool(_ABBREVIATION_OF_NUMBER.search(so_far)))
        or (bool(_INITIAL.search(so_far)) and bool(_INITIAL.search(following)))
    )
