"""Sentence splitting of a plain-text prompt, without losing a byte of it.

A phrase is what can sensibly be dropped as one: a sentence of running text, a list item with its continuation lines,
a heading, or a structure: a table, fenced code, JSON, YAML, markup. The whitespace between phrases is kept apart, so
that the unchanged text comes back exactly and a text with phrases dropped still has its paragraph breaks.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Literal

from promptrl.prompts.blocks import split_blocks
from promptrl.prompts.prompt import UserTemplate
from promptrl.prompts.sentence_ends import sentence_ends
from promptrl.prompts.structures import Span, is_within

_BLANKS = re.compile(r"\s*")
_NUMBERED = re.compile(r"\(?\w")
_Place = Literal["free", "item", "kept"]
_TAG_LINE = re.compile(r"</?[A-Za-z][\w.:-]*(?:\s[^<>]*)?/?>")


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """The phrases of one text and the whitespace around them.

    A selection is a tuple of phrase indices in rendering order.

    Attributes:
        phrases: Each starts and ends with a visible character.
        gaps: Whitespace, one more than phrases: before the first, between each two, after the last.
        is_template: True when the text is a user template.
        anchored: Indices of the phrases that keep their place: headings, structures, what ends in one, lone tags, and
            items with a number.
        items: Indices of the other list items.
        pinned: Indices of the phrases that the user wants kept: they stay, in their place.
    """

    phrases: tuple[str, ...]
    gaps: tuple[str, ...]
    is_template: bool = False
    anchored: frozenset[int] = frozenset()
    items: frozenset[int] = frozenset()
    pinned: frozenset[int] = frozenset()

    @property
    def everything(self) -> tuple[int, ...]:
        """The selection that renders to the original text."""
        return tuple(range(len(self.phrases)))

    @property
    def has_repeats(self) -> bool:
        """Whether a phrase occurs twice; then selections out of order are not told apart, nor recognised."""
        return len(set(self.phrases)) < len(self.phrases)

    def is_fixed(self, index: int) -> bool:
        """Whether a phrase must stay: pinned, with a placeholder, or a lone ``<tag>`` with a partner elsewhere."""
        phrase = self.phrases[index]
        has_place = self.is_template and bool(UserTemplate(phrase).placeholders)
        return index in self.pinned or bool(_TAG_LINE.fullmatch(phrase)) or has_place

    def may_move(self, index: int) -> bool:
        """Whether a phrase may leave its place: it is neither anchored nor pinned."""
        return index not in self.anchored and index not in self.pinned

    def may_swap(self, first: int, second: int) -> bool:
        """Whether two phrases may change places: they and all that stood between them may move.

        Items change places with items beside them, sentences with sentences.
        """
        low, high = sorted((first, second))
        between = range(low, high + 1)
        is_one_kind = self.items.issuperset(between) or self.items.isdisjoint(between)
        return is_one_kind and all(self.may_move(at) for at in between)

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


@lru_cache(maxsize=256)
def split_phrases(text: str, *, is_template: bool = False) -> PhraseTable:
    """Cut a text into phrases and the whitespace between them.

    Splits at sentence ends, list items, headings and structures (code, tables, JSON, YAML, markup); not after
    abbreviations, numbers, inside quotes, parentheses or inline code, nor where a line merely wraps.
    ``render(everything)`` is the text, byte for byte, unless it is all whitespace: then there is no phrase.
    """
    phrases: list[str] = []
    gaps = [""]
    anchored, items = set(), set()
    for piece, place in _pieces(text):
        body = piece.strip()
        if not body:
            gaps[-1] += piece
            continue
        start = piece.index(body)
        gaps[-1] += piece[:start]
        if place == "kept" or _TAG_LINE.fullmatch(body) or (place == "item" and _NUMBERED.match(body)):
            anchored.add(len(phrases))
        elif place == "item":
            items.add(len(phrases))
        phrases.append(body)
        gaps.append(piece[start + len(body) :])
    return PhraseTable(tuple(phrases), tuple(gaps), is_template, frozenset(anchored), frozenset(items))


def _pieces(text: str) -> Iterator[tuple[str, _Place]]:
    """What is cut off the text one after the other, and whether that may move; what holds a structure does not."""
    blocks, structures = split_blocks(text)
    of_lines = [(start, end) for start, end in structures if "\n" in text[start:end]]
    for block in blocks:
        start, end = block.start, block.start + len(block.text)
        ends = [end]
        if block.kind == "prose":
            held = partial(_is_held, structures, start)
            ends = [*(start + found for found in sentence_ends(block.text, held)), end]
        for cut in ends:
            is_kept = block.kind in ("heading", "structure") or _holds_one(of_lines, start, cut)
            yield text[start:cut], "kept" if is_kept else "item" if block.kind == "item" else "free"
            start = cut


def _is_held(structures: Sequence[Span], offset: int, position: int) -> bool:
    return is_within(offset + position, structures)


def _holds_one(structures: Sequence[Span], start: int, end: int) -> bool:
    """Whether a structure begins between these positions."""
    first = bisect_left(structures, (start, -1))
    return first < len(structures) and structures[first][0] < end
