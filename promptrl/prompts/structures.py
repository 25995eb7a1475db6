"""Finds what in a text stands or falls as a whole: bracketed templates such as JSON, and elements of markup.

Both are found by matching what opens with what closes; what never closes is plain text.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

Span = tuple[int, int]
"""Start and end in the text, the end left out."""

_BRACKETS = {"{": "}", "[": "]", "【": "】", "(": ")"}
_BRACKET_OR_STRING = re.compile(r'[{}\[\]【】]|\((?=[ \t\r]*\n)|(?<=\n)[ \t]*\)|"(?:[^"\\\n]|\\[^\n])*"|\n[ \t\r]*\n')
_LATEX = re.compile(r"\\(?P<which>begin|end)\{(?P<name>\w+\*?)\}")
_TAG = re.compile(r"<(?P<closes>/)?(?P<name>[A-Za-z][\w.:-]*)(?:\s[^<>]*)?(?<!/)>")
_ROW_OF_TAGS = re.compile(r"[ \t]*<[^\n]*>[ \t\r]*")
_SAMPLE = re.compile(r"(?:.*[_.:-])?(?:examples?|samples?|schema)(?:[_.:-].*)?", re.IGNORECASE)
"""Elements whose lines belong together even where they are prose."""
_MORE_THAN_A_SENTENCE = re.compile(r"[.!?…]\s+\S|[。！？]\s*\S")


def find_structures(text: str, verbatim: Sequence[Span] = ()) -> list[Span]:
    """The structures of a text, in order, none within another.

    Args:
        text: The text.
        verbatim: What holds no structure of this text, such as code; in order.
    """
    found = [
        *_comments(text, verbatim),
        *_brackets(text, verbatim),
        *_elements(text, verbatim),
        *_environments(text, verbatim),
    ]
    return list(_outermost(found))


def is_within(position: int, spans: Sequence[Span]) -> bool:
    """Whether a position lies inside one of the spans, which are in order and apart; their own ends are outside."""
    at = bisect_right(spans, (position, -1)) - 1
    return at >= 0 and spans[at][0] < position < spans[at][1]


def _outermost(spans: Iterable[Span]) -> Iterator[Span]:
    """Those that lie in no other; of two that overlap, as markup and brackets may, one that holds both."""
    held: Span | None = None
    for start, end in sorted(spans):
        if held and start < held[1]:
            held = held[0], max(held[1], end)
            continue
        if held:
            yield held
        held = start, end
    if held:
        yield held


def _comments(text: str, verbatim: Sequence[Span]) -> Iterator[Span]:
    start = text.find("<!--")
    while start >= 0 and (end := text.find("-->", start)) >= 0:
        if not is_within(start, verbatim):
            yield start, end + 3
        start = text.find("<!--", end)


def _brackets(text: str, verbatim: Sequence[Span]) -> Iterator[Span]:
    """From an opening bracket to the one that closes it; what opens in mid-line ends with its paragraph.

    Round ones count where the one ends its line and the other begins its own, as in code.
    """
    opened: list[tuple[str, int]] = []
    waiting: Counter[str] = Counter()
    for match in _BRACKET_OR_STRING.finditer(text):
        token = match[0].lstrip(" \t")
        if is_within(match.start(), verbatim):
            continue
        if token in _BRACKETS:
            opened.append((_BRACKETS[token], match.start()))
            waiting[_BRACKETS[token]] += 1
        elif token[0] == "\n":
            while opened and not _begins_or_ends_line(text, opened[-1][1]):
                waiting[opened.pop()[0]] -= 1
        elif waiting[token]:
            closing, start = "", 0
            while closing != token:
                closing, start = opened.pop()
                waiting[closing] -= 1
            yield start, match.end()


def _begins_or_ends_line(text: str, at: int) -> bool:
    line_start, line_end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    return not text[line_start:at].strip() or not text[at + 1 : line_end if line_end >= 0 else None].strip()


def _elements(text: str, verbatim: Sequence[Span]) -> Iterator[Span]:
    """From an opening tag to its closing one, where what is between stands or falls with them."""
    opened: list[tuple[str, int, int]] = []
    waiting: Counter[str] = Counter()
    for match in _TAG.finditer(text):
        if is_within(match.start(), verbatim):
            continue
        if not match["closes"]:
            opened.append((match["name"], match.start(), match.end()))
            waiting[match["name"]] += 1
        elif waiting[match["name"]]:
            name, start, inner = "", 0, 0
            while name != match["name"]:
                name, start, inner = opened.pop()
                waiting[name] -= 1
            if _is_whole(name, text[start : match.end()], text[inner : match.start()]):
                yield start, match.end()


def _environments(text: str, verbatim: Sequence[Span]) -> Iterator[Span]:
    r"""From ``\begin{name}`` to the ``\end{name}`` behind it."""
    begun: dict[str, int] = {}
    for match in _LATEX.finditer(text):
        if is_within(match.start(), verbatim):
            continue
        if match["which"] == "begin":
            begun.setdefault(match["name"], match.start())
        elif match["name"] in begun:
            yield begun.pop(match["name"]), match.end()


def _is_whole(name: str, element: str, content: str) -> bool:
    """Whether an element is one thing: on one line, a sample, of tags alone, or around a single sentence."""
    lines = element.splitlines()
    if len(lines) == 1 or _SAMPLE.fullmatch(name):
        return True
    if all(_ROW_OF_TAGS.fullmatch(line) for line in lines if line.strip()):
        return True
    return content.strip().count("\n") == 0 and not _MORE_THAN_A_SENTENCE.search(content.strip())


def line_starts(lines: Iterable[str]) -> list[int]:
    """Where each line starts in the text that the lines make up."""
    return list(accumulate(map(len, lines), initial=0))[:-1]
