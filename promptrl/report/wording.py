"""How a report says things: verdicts, evidence, differences of texts."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from promptrl.evaluation.doubts import faults_told
from promptrl.prompts.edits.base import quoted
from promptrl.report.numbers import between, p_value, percent, points

DiffTag = Literal["same", "gone", "new"]

MAX_CHANCE_WORDS = 2
_BLIND = {
    "faults": "Little could be measured: most answers were none.",
    "same_score": "Nothing could be measured: all answers score alike.",
}
MAX_EQUAL_PAIRS = 1_000_000
"""Pairs of equal words in two texts: with more, as where one word fills pages, a diff would take minutes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a diff."""

    change: DiffTag
    text: str


def headline(result: Mapping[str, Any]) -> str:
    """The verdict in one sentence."""
    before, after = result["baseline"]["test"], result["winner"]["test"]
    if is_blind(result):
        return _BLIND[next(doubt["kind"] for doubt in result["doubts"] if doubt["is_blind"])]
    if is_unchanged(result):
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


def faults(result: Mapping[str, Any]) -> str:
    """How many answers were none and why, with what helps, in one sentence; empty when all were sound."""
    answers = sum(result["calls"][stage] for stage in ("search", "validation", "test"))
    return faults_told(result.get("faults") or {}, answers)


def doubts(result: Mapping[str, Any]) -> list[str]:
    """Why scores may say little of the prompts, and what would help; without the faults, which ``faults`` tells."""
    return [str(doubt["text"]) for doubt in result.get("doubts", ()) if doubt["kind"] != "faults"]


def is_unchanged(result: Mapping[str, Any]) -> bool:
    """Whether the winner is the prompt that the run began with."""
    return bool(result["winner"]["prompt_id"] == result["baseline"]["prompt_id"])


def is_unproven(result: Mapping[str, Any]) -> bool:
    """Whether the prompt that the run began with stays the one to use, although another one was found."""
    return result["verdict"] != "improved" and not is_unchanged(result)


def is_blind(result: Mapping[str, Any]) -> bool:
    """Whether nothing is known because no verdict could rest on the scores."""
    return result["verdict"] == "inconclusive" and any(doubt["is_blind"] for doubt in result.get("doubts", ()))


def evidence(result: Mapping[str, Any]) -> str:
    """What the verdict rests on, in one sentence; empty when nothing was tested."""
    measured = result["improvement"]["test"]
    if not measured:
        return ""
    share = f"{100 * measured.get('confidence', 0.95):g}\u00a0%"
    return (
        f"Paired row by row that is {points(measured['score'])} points, {share} interval "
        f"{between(measured, is_signed=True)}, p\u00a0{p_value(measured['p_value'])}.{shortfalls(measured)}"
    )


def shortfalls(measured: Mapping[str, Any]) -> str:
    """What rows and answers are missing from a comparison, and what that did to its verdict, to follow its figures."""
    return _unpaid_rows(measured) + _lost_answers(measured)


def _unpaid_rows(measured: Mapping[str, Any]) -> str:
    count = measured.get("unpaid_rows")
    if not count:
        return ""
    rows = "1 test row was" if count == 1 else f"{count} test rows were"
    return f" {rows} not asked: budget.max_usd or budget.max_tokens did not pay for them; raise it to test on all."


def _lost_answers(measured: Mapping[str, Any]) -> str:
    missing = measured.get("missing")
    if not missing:
        return ""
    return (
        f" Answers that never came: {missing['winner']} of the new prompt, {missing['baseline']} of the baseline. Each "
        "counts as the worst that it can be for any claim; without the rows that lack them the verdict would be "
        f"“{missing['verdict_without']}”."
    )


def edit_label(edit: Mapping[str, Any]) -> str:
    """What an edit does, on one line and in full: of an option its text alone, for the slot's name says little.

    Args:
        edit: As attribution.json names it: ``edit``, its short label; ``slot`` and ``text``, which old runs lack.
    """
    label, slot, text = str(edit["edit"]), edit.get("slot"), " ".join(str(edit.get("text") or "").split())
    if slot is not None and label.startswith(f"{slot} = "):
        return text or f"{slot}: left out"
    return label.replace(quoted(text), f'"{text}"', 1) if text else label


def word_diff(before: str, after: str) -> list[Piece]:
    """What became of a text, word by word, with the blanks between them.

    A word or two that stayed by chance between changes counts as changed, or nobody could read the rest.
    """
    old, new = _words_and_blanks(before), _words_and_blanks(after)
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    pieces = [*_same(old[:start]), *_compared(old[start : len(old) - end], new[start : len(new) - end])]
    pieces += _same(old[len(old) - end :])
    runs = groupby(pieces, key=lambda piece: piece.change)
    return [Piece(change, "".join(piece.text for piece in run)) for change, run in runs]


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    """The pieces of two texts that begin and end otherwise; with too many equal words to weigh, one stands for one."""
    times = Counter(new)
    if sum(times[token] for token in old if not token.isspace()) > MAX_EQUAL_PAIRS:
        yield from _changed(old, new)
        return
    first, second = 0, 0
    for gone_at, come_at, kept, stays in _common(old, new):
        yield from _changed(old[first:gone_at], new[second:come_at])
        yield from _same(kept) if kept == stays else _changed(kept, stays)
        first, second = gone_at + len(kept), come_at + len(stays)
    yield from _changed(old[first:], new[second:])


def _common(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, Sequence[str], Sequence[str]]]:
    """What both texts have in one order: words that follow each other, and the blanks between them, one by one.

    Yields:
        Where it begins in the old text and in the new one, and the tokens there: equal but for a blank.
    """
    of_old, of_new = ([at for at, token in enumerate(tokens) if not token.isspace()] for tokens in (old, new))
    matcher = difflib.SequenceMatcher(None, [old[at] for at in of_old], [new[at] for at in of_new], autojunk=False)
    for a, b, size in matcher.get_matching_blocks():
        ours, theirs = of_old[a : a + size], of_new[b : b + size]
        if size <= MAX_CHANCE_WORDS and not (_fills_lines(old, ours) and _fills_lines(new, theirs)):
            continue
        for at, (i, j) in enumerate(zip(ours, theirs, strict=True)):
            if at:
                yield i - 1, j - 1, old[i - 1 : i], new[j - 1 : j]
            yield i, j, old[i : i + 1], new[j : j + 1]


def _fills_lines(tokens: Sequence[str], places: Sequence[int]) -> bool:
    """Whether these words are all that stands on their lines."""
    if not places:
        return False
    before, after = tokens[: places[0]][-1:], tokens[places[-1] + 1 :][:1]
    return all("\n" in blank for blank in (*before, *after))


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """With how many equal tokens both begin."""
    differing = (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other)
    return next(differing, min(len(old), len(new)))


def _same(words: Sequence[str]) -> Iterator[Piece]:
    if words:
        yield Piece("same", "".join(words))


def _changed(gone: Sequence[str], come: Sequence[str]) -> Iterator[Piece]:
    """One in the place of the other; the blank that both end in stays."""
    stays = len(gone) > 0 and gone[-1].isspace() and gone[-1:] == come[-1:]
    if without := gone[: len(gone) - stays]:
        yield Piece("gone", "".join(without))
    if without := come[: len(come) - stays]:
        yield Piece("new", "".join(without))
    yield from _same(gone[-1:] if stays else ())


def _words_and_blanks(text: str) -> list[str]:
    return re.findall(r"\S+|\s+", text)
