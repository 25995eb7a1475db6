"""What happened to the rows: which ones flipped between two prompts, and how groups of rows fared."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptrl.evaluation.outcome import Outcome
from promptrl.evaluation.pairing import answered_differences, inputs_of, scores_by_input
from promptrl.stats.paired import Comparison, compare_pairs
from promptrl.tasks.dataset import Example

FLIP = 0.5
"""A row flipped when its score changed by this much at least."""
MAX_GROUPS = 8
MIN_GROUP_ROWS = 5
MAX_NAME = 40

OutcomePair = tuple[Outcome, Outcome]


@dataclass(frozen=True, slots=True)
class GroupChange:
    """How the rows of one group fared.

    Attributes:
        column: What the group goes by: "reference", "input length" or a column of the data.
        value: The value that its rows share.
        before: Mean score of the first prompt.
        after: Mean score of the second.
        change: After minus before, paired by row.
    """

    column: str
    value: str
    before: float
    after: float
    change: Comparison


def paired_outcomes(first: Sequence[Outcome], second: Sequence[Outcome]) -> list[OutcomePair]:
    """Outcomes of two prompts on the rows that both answered, in the order of the first."""
    others = {(o.row_id, o.repeat): o for o in second}
    return [(o, others[o.row_id, o.repeat]) for o in first if (o.row_id, o.repeat) in others]


def flips(pairs: Sequence[OutcomePair]) -> tuple[list[OutcomePair], list[OutcomePair]]:
    """The pairs whose score rose (fixed) and those whose score fell (broken), the largest change first."""
    fixed = [pair for pair in pairs if pair[1].score - pair[0].score >= FLIP]
    broken = [pair for pair in pairs if pair[0].score - pair[1].score >= FLIP]
    fixed.sort(key=lambda pair: pair[0].score - pair[1].score)
    broken.sort(key=lambda pair: pair[1].score - pair[0].score)
    return fixed, broken


def group_changes(
    pairs: Sequence[OutcomePair], examples: Mapping[str, Example], confidence: float = 0.95
) -> list[GroupChange]:
    """Compare two prompts within groups of rows: by reference, length of the input, and columns with few values.

    Args:
        pairs: Outcomes on the same rows, the reference prompt's first.
        examples: By row id; rows without are left out.
        confidence: Of each interval; they are not corrected for how many there are.

    Returns:
        Group by group, only columns with 2 to ``MAX_GROUPS`` groups of ``MIN_GROUP_ROWS`` rows at least.
    """
    known = [pair for pair in pairs if pair[0].row_id in examples]
    inputs = inputs_of(examples[pair[0].row_id] for pair in known)
    found = []
    for column, values in _columns([examples[pair[0].row_id] for pair in known]):
        counts = Counter(values)
        if 2 <= len(counts) <= MAX_GROUPS and min(counts.values()) >= MIN_GROUP_ROWS:
            for value in sorted(counts, key=_order):
                members = [pair for pair, own in zip(known, values, strict=True) if own == value]
                found.append(_change(column, value, members, inputs, confidence))
    return found


def _change(
    column: str, value: str, pairs: Sequence[OutcomePair], inputs: Mapping[str, str], confidence: float
) -> GroupChange:
    before, after = [first for first, _ in pairs], [second for _, second in pairs]
    change = compare_pairs(answered_differences(after, before, inputs), confidence)
    old, new = (scores_by_input(outcomes, inputs).values() for outcomes in (before, after))
    return GroupChange(column, value, sum(old) / len(old), sum(new) / len(new), change)


def _columns(examples: Sequence[Example]) -> Iterator[tuple[str, list[str]]]:
    """Columns by which rows can be grouped, with the value of every row."""
    yield "reference", [_name(example.reference) for example in examples]
    yield "input length", _lengths(examples)
    names = dict.fromkeys(name for example in examples for name in example.raw)
    references = [_name(example.reference) for example in examples]
    for name in names:
        values = [_name(example.raw.get(name)) for example in examples]
        if values != references:
            yield name, values


def _lengths(examples: Sequence[Example]) -> list[str]:
    """Thirds by length of the input."""
    lengths = [sum(map(len, example.fields.values())) for example in examples]
    ordered = sorted(lengths)
    if not ordered:
        return []
    cuts = ordered[len(ordered) // 3], ordered[2 * len(ordered) // 3]
    return ["short" if n < cuts[0] else "middle" if n < cuts[1] else "long" for n in lengths]


def _order(value: str) -> tuple[int, str]:
    order = ("short", "middle", "long")
    return (order.index(value) if value in order else 0), value


def _name(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split()) or "(empty)"
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"
