"""What a careful reader would ask about the rows of a data set before anyone pays for a run on them.

Nothing here is an error for sure: data may be meant as they are. So each finding is a warning, with what helps.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from decimal import Context, Decimal
from difflib import get_close_matches
from typing import Any

from promptrl.errors import Problem, show
from promptrl.safe_text import canonical
from promptrl.tasks.data_file import DataFile
from promptrl.tasks.dataset import Example, accepted_answers

MAX_LABELS = 20
MIN_ROWS_PER_LABEL = 3
MIN_ROWS_PER_VARIANT = 2
"""Of labels among which one may be written in two ways: in a small file, that is found on fewer rows."""
MAX_SHOWN = 3
"""Of several findings of one kind."""
MIN_ROWS = 10
"""Fewer rows show no habit."""
_UNKNOWN = frozenset({"n/a", "na", "nan", "null", "#n/a", "#nv", "-", "--", "?", "tbd", "todo", "k.a.", "keine angabe"})
"""What people and programs write where they know no answer, in lower case."""
_NO_PART_OF_A_WORD = re.compile(r"(?<=\w)-(?=\w)|(?<!\S)-(?!\S)|[^\w+#<>≤≥=-]|_")
"""Signs that change no answer; those that do stand at the edge of a word, as in A-, C# and <5."""
_NOT_TYPED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffd\ud800-\udfff]")
"""Control characters but tab and line ends, a byte order mark within, what was lost in decoding, half a pair."""

Positions = dict[Any, list[int]]


def data_warnings(file: DataFile, examples: Mapping[int, Example]) -> Iterator[Problem]:
    """Yield what was taken for granted about a file, and what looks odd about its rows.

    Args:
        file: The rows.
        examples: What they make, by position; rows with errors are left out.
    """
    for note in file.notes:
        yield Problem("dataset", note, file=file.name, is_warning=True)
    references = {at: example.reference for at, example in examples.items() if example.reference is not None}
    groups = _same_questions(examples)
    yield from _control_characters(file, examples)
    yield from _repetitions(file, groups, references)
    yield from _contradictions(file, examples, groups, references)
    yield from _unknown_answers(file, references)
    yield from _label_variants(file, references)
    yield from _shown_references(file, {at: examples[at] for at in references})


def _control_characters(file: DataFile, examples: Mapping[int, Example]) -> Iterator[Problem]:
    """Cells that are shown or compared, with signs that no person typed."""
    found: dict[str, list[int]] = {}
    for at, example in examples.items():
        cells = [*example.fields.values(), *(accepted_answers(example.reference) if example.reference else ())]
        for sign in {sign for cell in cells for sign in _NOT_TYPED.findall(cell)}:
            found.setdefault(sign, []).append(at)
    if found:
        shown = "; ".join(f"U+{ord(sign):04X} in {file.place(found[sign])}" for sign in sorted(found)[:MAX_SHOWN])
        message = f"cells hold characters that nobody types: {shown}{_more(sorted(found))}"
        hint = (
            "they are sent and compared as they stand: take them out, or say dataset.encoding if it was guessed wrong"
        )
        yield file.problem("dataset", message, hint, first=min(found[min(found)]), is_warning=True)


def label_counts(examples: Sequence[Example]) -> dict[str, int] | None:
    """How often each reference occurs, the commonest first, then by name; None when they are no few labels."""
    texts = [accepted_answers(example.reference)[0] for example in examples if example.reference is not None]
    counts = Counter(texts)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))) if _are_labels(counts) else None


def same_answer(reference: Any) -> str:
    """What is the same for references that differ in case, spaces, signs, or in how a number is written."""
    text = canonical(accepted_answers(reference)[0]).casefold().strip()
    try:
        return str(Decimal(text).normalize(Context(prec=len(text))))
    except ArithmeticError:  # of a word, and of an exponent beyond all reason
        return " ".join(_NO_PART_OF_A_WORD.sub(" ", text).split()) or text


def _are_labels(counts: Mapping[str, int], rows_per_label: int = MIN_ROWS_PER_LABEL) -> bool:
    rows = sum(counts.values())
    return 1 < len(counts) <= MAX_LABELS and len(counts) * rows_per_label <= rows


def _repetitions(file: DataFile, groups: Sequence[Sequence[int]], references: Mapping[int, Any]) -> Iterator[Problem]:
    """Rows that say what an earlier one says."""
    again: list[int] = []
    for group in groups:
        known = [None if at not in references else same_answer(references[at]) for at in group]
        again += [at for place, at in enumerate(group) if known[place] in known[:place]]
    if again:
        again.sort()
        message = (
            f"{len(again)} row{'s say' if len(again) > 1 else ' says'} what an earlier one says: {file.place(again)}"
        )
        hint = "rows with one input count as one: take out those that are there by mistake"
        yield file.problem("dataset", message, hint, first=again[0], is_warning=True)


def _contradictions(
    file: DataFile,
    examples: Mapping[int, Example],
    groups: Sequence[Sequence[int]],
    references: Mapping[int, Any],
) -> Iterator[Problem]:
    """Rows that ask the same and expect different answers."""
    found = [group for group in groups if len({same_answer(references[at]) for at in group if at in references}) > 1]
    if found:
        shown = "; ".join(
            f"{show(next(iter(examples[group[0]].fields.values()), ''))} in {file.place(group)} "
            f"({', '.join(dict.fromkeys(show(references[at]) for at in group))})"
            for group in found[:MAX_SHOWN]
        )
        count = "an input has" if len(found) == 1 else f"{len(found)} inputs have"
        hint = "no prompt can be right on both: keep one of them"
        message = f"{count} contradictory answers: {shown}{_more(found)}"
        yield file.problem("dataset.reference", message, hint, first=found[0][0], is_warning=True)


def _same_questions(examples: Mapping[int, Example]) -> list[list[int]]:
    """The positions of the rows that show the model the same, where there are several."""
    groups: dict[Hashable, list[int]] = {}
    for at, example in examples.items():
        groups.setdefault(_asked(example), []).append(at)
    return [group for group in groups.values() if len(group) > 1]


def _asked(example: Example) -> Hashable:
    return tuple(" ".join(text.casefold().split()) for _, text in sorted(example.fields.items()))


def _unknown_answers(file: DataFile, references: Mapping[int, Any]) -> Iterator[Problem]:
    """References that are words for having none."""
    groups: Positions = {}
    for at, reference in references.items():
        if _is_unknown(reference):
            groups.setdefault(reference, []).append(at)
    if groups:
        shown = ", ".join(f"{show(text)} in {file.place(group)}" for text, group in groups.items())
        message = f"the reference looks like a missing one: {shown}"
        hint = "if nobody knows the answer, take these rows out"
        yield file.problem("dataset.reference", message, hint, first=next(iter(groups.values()))[0], is_warning=True)


def _is_unknown(reference: Any) -> bool:
    return isinstance(reference, str) and reference.strip().lower() in _UNKNOWN


def _label_variants(file: DataFile, references: Mapping[int, Any]) -> Iterator[Problem]:
    """Labels that are one label written in several ways."""
    groups: Positions = {}
    for at, reference in references.items():
        if isinstance(reference, str | int | float) and not _is_unknown(reference):
            groups.setdefault(accepted_answers(reference)[0], []).append(at)
    counts = {text: len(group) for text, group in groups.items()}
    merged: Counter[str] = Counter()
    for text, count in counts.items():
        merged[same_answer(text)] += count
    if not _are_labels(merged, MIN_ROWS_PER_VARIANT) and not (len(merged) == 1 < len(counts)):
        return
    variants = [(text, kept) for text in groups if (kept := _written_otherwise(text, counts))]
    if variants:
        shown = ", ".join(
            f"{show(text)} in {file.place(groups[text])} beside {show(kept)} ({counts[kept]} rows)"
            for text, kept in variants[:MAX_LABELS]
        )
        hint = "write each label in one way, if they are meant to be one"
        message = f"labels that may be one label: {shown}"
        first = groups[variants[0][0]][0]
        yield file.problem("dataset.reference", message, hint, first=first, is_warning=True)


def _written_otherwise(text: str, counts: Mapping[str, int]) -> str:
    """The commoner label that this one may be a way to write of; empty when there is none."""
    plain = same_answer(text)
    commoner = [other for other in counts if (counts[other], other) > (counts[text], text)]
    for other in sorted(commoner, key=lambda other: -counts[other]):
        if same_answer(other) == plain or _is_short_for(plain, same_answer(other)):
            return other
    others = {same_answer(other): other for other in commoner if counts[other] >= 5 * counts[text]}
    return others.get(_misspelt(plain, list(others)), "")


def _misspelt(text: str, others: Sequence[str]) -> str:
    """The word that this one may be a misspelling of; empty for none, and for one with a syllable before (unlikely)."""
    if len(text) < 4 or not text.replace(" ", "").isalpha():
        return ""
    unlike = [other for other in others if not other.endswith(text) and not text.endswith(other)]
    return next(iter(get_close_matches(text, unlike, n=1, cutoff=0.85)), "")


def _is_short_for(text: str, other: str) -> bool:
    """Whether one is an abbreviation of the other: it ends in the middle of its word."""
    short, long = sorted((text, other), key=len)
    return (
        len(short) >= 3 and short.isalpha() and long.startswith(short) and long[len(short) : len(short) + 1].isalpha()
    )


def _shown_references(file: DataFile, examples: Mapping[int, Example]) -> Iterator[Problem]:
    """References that the model can read in the input, where other rows' references are not there as well."""
    rows = [(at, example, _text_of(example.reference)) for at, example in examples.items()]
    shown = [at for at, example, answer in rows if _holds(example, answer)]
    if len(rows) < MIN_ROWS or 2 * len(shown) <= len(rows):
        return
    others = [answer for _, _, answer in (*rows[1:], rows[0])]
    listed = sum(
        _holds(example, other) for (_, example, answer), other in zip(rows, others, strict=True) if other != answer
    )
    if 2 * listed < len(shown):
        message = f"the reference stands word for word in the input of {len(shown)} of {len(rows)} rows"
        hint = "a prompt may win by having it copied: leave out the column that gives it away, if that is not the task"
        yield file.problem("dataset.reference", f"{message}, as in {file.place(shown[:1])}", hint, is_warning=True)


def _text_of(reference: Any) -> str:
    return accepted_answers(reference)[0].strip() if accepted_answers(reference) else ""


def _holds(example: Example, answer: str) -> bool:
    """Whether an answer stands in a field, not as a part of a longer word."""
    return bool(answer) and any(_stands_in(answer.lower(), text.lower()) for text in example.fields.values())


def _stands_in(words: str, text: str) -> bool:
    at = text.find(words)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(words) : at + len(words) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        at = text.find(words, at + 1)
    return False


def _more(found: Sequence[object]) -> str:
    return f"; and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
