"""Divides examples into train, validation, test and demonstrations, so that no question stands in two of them.

Rows whose input is equal but for case, width and spacing form one group, and a group is never divided. Where a group
goes follows from a hash of its input and the seed alone: rows that come, go or change places move no other, so that the
test rows of tonight were never train rows of last night. (Géron, Hands-On Machine Learning, 2nd ed., chapter 2.)
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from promptrl.errors import ConfigError, Problem
from promptrl.safe_text import canonical
from promptrl.tasks.dataset import Example, accepted_answers, as_text, dataset_hash

NAMES = ("train", "validation", "test")
MIN_ROWS_PER_FOLD = 4
LEAST_OF_SHARE = 0.5
"""A split that chance leaves with less than this part of its share is made to have all of it."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows by what they are for; no two of these share an input.

    Attributes:
        train: Scored during the search.
        validation: Where the winner is chosen.
        test: Scored once, for the verdict.
        demonstrations: Taken out of train to be shown in prompts; never scored.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    demonstrations: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows with one input; ``key`` is a hash of it and of the seed."""

    rows: tuple[Example, ...]
    label: str
    key: str


def split_examples(
    examples: Sequence[Example] | Mapping[str, Sequence[Example]],
    *,
    fractions: Mapping[str, float],
    seed: int,
    demonstration_candidates: int = 0,
    stratify: bool = False,
    limit: int | None = None,
) -> Splits:
    """Divide the rows of one file, or check and complete the splits of three.

    Shares are of the different inputs, and chance deals them: a split is about as large as its share. Where it would
    have less than half of it, the inputs are cut at the exact shares in the order of their hashes; then, and where
    ``stratify`` or ``limit`` ask for it, an input that comes or goes can move one other across each border.
    Demonstrations are taken from train inputs that occur once, labels in turn. The rows of a split come in seeded
    random order, so that any first n of them are a fair sample.

    Args:
        examples: All rows, or the rows by split name; then ``fractions`` is not used.
        fractions: Share of the inputs by split name, in (0, 1), adding up to at most 1; what is left is not used.
        seed: Same seed and same input, same split.
        demonstration_candidates: How many train rows to set aside; fewer when inputs repeat.
        stratify: Give each split its share of each label, but for one row.
        limit: Use at most this many rows (of each file), drawn by the seed; None uses all.

    Raises:
        ConfigError: A split would be empty, a question stands in two files, or no train row would be left to score.
    """
    if isinstance(examples, Mapping):
        groups = {name: _sample(_grouped(examples[name], seed), limit, stratify) for name in NAMES}
        _refuse_leaks(groups)
    else:
        drawn = _sample(_grouped(examples, seed), limit, stratify)
        order = NAMES[::-1]  # test first: other shares for train and validation leave it as it is
        parts = _divide(drawn, [fractions.get(name, 0.0) for name in order], "split", stratify)
        groups = dict(zip(order, parts, strict=True))
    _refuse_empty(groups)
    shown, train = _set_aside(groups["train"], demonstration_candidates)
    if not train:
        message = f"{demonstration_candidates} of {len(shown)} train rows are set aside, none would be left to score"
        raise ConfigError(
            [Problem("prompt.demonstrations.candidates", message, "fewer candidates, or more train rows")]
        )
    ordered = [_in_order(part) for part in (train, groups["validation"], groups["test"], shown)]
    return Splits(*ordered)


def fold_examples(
    examples: Sequence[Example],
    *,
    folds: int,
    fractions: Mapping[str, float],
    seed: int,
    demonstration_candidates: int = 0,
    stratify: bool = False,
    limit: int | None = None,
) -> tuple[Splits, ...]:
    """Divide the rows of one file into folds that are tested one after the other, each by what came before it.

    Every fold but the first is once the test rows of a search on all earlier folds. So whatever those searches choose,
    they choose it before they have seen the rows that judge it, and the judgements of all folds may be put together.
    (In ordinary cross-validation the rows of one fold help to choose what the others judge: with ten folds up to 8 %
    of equal prompts seem better at a level of 2.5 %.)

    Folds are for few rows, so they are cut equal: an input that comes or goes can move one other from each to the next.

    Args:
        examples: All rows.
        folds: How many, at least 2.
        fractions: "train" and "validation" say in what proportion the rows of a search are divided.
        seed: Same seed and same rows, same folds.
        demonstration_candidates: How many rows to set aside first; fewer when inputs repeat.
        stratify: As for ``split_examples``.
        limit: As for ``split_examples``.

    Returns:
        One division for each fold but the first, then the one of the search on all rows: its test rows are all that
        were judged.

    Raises:
        ConfigError: The rows are too few.
    """
    drawn = _sample(_grouped(examples, seed), limit, stratify)
    shown, rest = _set_aside(drawn, demonstration_candidates)
    if len(rest) < MIN_ROWS_PER_FOLD * folds:
        message = f"got {folds}, but {len(rest)} different inputs make folds of less than {MIN_ROWS_PER_FOLD}"
        hint = _more_inputs(drawn, "fewer folds, fewer demonstrations, or more rows")
        raise ConfigError([Problem("dataset.folds", message, hint)])
    parts = _cut(rest, [1 / folds] * folds, "fold", stratify)
    searched = fractions["train"] + fractions["validation"]
    shares = [fractions["validation"] / searched, fractions["train"] / searched]
    divisions = []
    for count in range(1, folds + 1):
        seen = [group for part in parts[:count] for group in part]
        validation, train = _cut(seen, shares, "search", stratify)
        test = parts[count] if count < folds else [group for part in parts[1:] for group in part]
        divisions.append(Splits(*(_in_order(part) for part in (train, validation, test, shown))))
    return tuple(divisions)


def division_hash(divisions: Iterable[Splits]) -> str:
    """16 hex digits that change with any cell of any row, and when a row gets another purpose."""
    parts = [
        part for splits in divisions for part in (splits.train, splits.validation, splits.test, splits.demonstrations)
    ]
    return _digest(" ".join(map(dataset_hash, parts)))[:16]


def normalise_input(example: Example) -> str:
    """What makes two rows the same question: the input column, else all fields, but for case, width and spacing."""
    text = example.input
    if text is None:
        text = "\n".join(f"{key}={example.fields[key]}" for key in sorted(example.fields))
    return " ".join(canonical(text or as_text(dict(example.raw))).casefold().split())


def _grouped(examples: Sequence[Example], seed: int) -> list[_Group]:
    """Groups of equal input."""
    by_input: dict[str, list[Example]] = {}
    for example in examples:
        by_input.setdefault(normalise_input(example), []).append(example)
    groups = []
    for text, rows in by_input.items():
        label = min(accepted_answers(row.reference)[0] for row in rows)
        groups.append(_Group(tuple(sorted(rows, key=lambda row: row.id)), label, _digest(f"{seed}:{text}")))
    return groups


def _in_order(groups: Sequence[_Group]) -> tuple[Example, ...]:
    return tuple(row for group in sorted(groups, key=lambda group: group.key) for row in group.rows)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _fraction(text: str) -> float:
    """A number in [0, 1) that looks drawn at random."""
    return int(_digest(text)[:13], 16) / 16**13


def _placed(groups: Sequence[_Group], purpose: str, stratify: bool) -> list[tuple[float, _Group]]:
    """The groups by their place in [0, 1): for each purpose another, so that a sample by one is fair to the others.

    Stratified, those of one label have evenly spaced places, in the order that they would have had without.
    """
    placed = [(_fraction(f"{purpose}:{group.key}"), group) for group in groups]
    if stratify:
        by_label: dict[str, list[_Group]] = {}
        for _, group in sorted(placed, key=_place):
            by_label.setdefault(group.label, []).append(group)
        placed = [
            ((rank + _fraction(f"{purpose}:{label}")) / len(members), group)
            for label, members in by_label.items()
            for rank, group in enumerate(members)
        ]
    return sorted(placed, key=_place)


def _place(placed: tuple[float, _Group]) -> tuple[float, str]:
    return placed[0], placed[1].key


def _divide(groups: Sequence[_Group], shares: Sequence[float], purpose: str, stratify: bool) -> list[list[_Group]]:
    """The groups by where their places lie among the shares; what lies beyond them is left out."""
    placed = _placed(groups, purpose, stratify)
    borders = _borders(shares)
    parts = [[group for place, group in placed if low <= place < high] for low, high in pairwise(borders)]
    if all(len(part) >= LEAST_OF_SHARE * share * len(groups) for part, share in zip(parts, shares, strict=True)):
        return parts
    return _cut(groups, shares, purpose, stratify)


def _cut(groups: Sequence[_Group], shares: Sequence[float], purpose: str, stratify: bool) -> list[list[_Group]]:
    """The groups in the order of their places, cut at the exact shares: one that joins moves one across each cut."""
    ordered = [group for _, group in _placed(groups, purpose, stratify)]
    cuts = [math.floor(border * len(ordered) + 0.5) for border in _borders(shares)]
    return [ordered[low:high] for low, high in pairwise(cuts)]


def _borders(shares: Sequence[float]) -> list[float]:
    """Where each share begins, and where the last one ends; thirds add up to one."""
    return [round(border, 9) for border in (0.0, *accumulate(shares))]


def _sample(groups: Sequence[_Group], limit: int | None, stratify: bool) -> Sequence[_Group]:
    """The first groups that have no more rows than the limit."""
    if limit is None or limit >= sum(len(group.rows) for group in groups):
        return groups
    drawn = [group for _, group in _placed(groups, "limit", stratify)]
    rows = accumulate(len(group.rows) for group in drawn)
    return [group for group, count in zip(drawn, rows, strict=True) if count <= limit]


def _set_aside(groups: Sequence[_Group], candidates: int) -> tuple[list[_Group], list[_Group]]:
    """Demonstrations and what is left of train; a row that comes or goes exchanges one of them at most."""
    turns: Counter[str] = Counter()
    single: list[tuple[int, str, _Group]] = []
    for group in sorted(groups, key=lambda group: group.key):
        if len(group.rows) == 1:
            single.append((turns[group.label], group.key, group))
            turns[group.label] += 1
    shown = [group for *_, group in sorted(single, key=lambda turn: turn[:2])[:candidates]]
    keys = {group.key for group in shown}
    return shown, [group for group in groups if group.key not in keys]


def _refuse_empty(groups: Mapping[str, Sequence[_Group]]) -> None:
    empty = [name for name in NAMES if not groups[name]]
    if empty:
        inputs = sum(map(len, groups.values()))
        message = f"{' and '.join(empty)} would be empty: {inputs} different inputs are too few for these shares"
        drawn = [group for part in groups.values() for group in part]
        raise ConfigError([Problem("dataset.splits", message, _more_inputs(drawn, "more rows, or larger shares"))])


def _more_inputs(groups: Sequence[_Group], hint: str) -> str:
    """The hint for too few inputs; before it the way out where only ``dataset.input`` makes them few."""
    rows = [row for group in groups for row in group.rows]
    count = len({tuple(sorted(row.fields.items())) for row in rows})
    if count <= len(groups) or any(row.input is None for row in rows):
        return hint
    return f"without dataset.input all fields tell rows apart, and {count} differ; else {hint}"


def _refuse_leaks(groups: Mapping[str, Sequence[_Group]]) -> None:
    """Three files must not share a question, or the held-out score would be flattered."""
    problems = []
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        seen = {group.key for group in groups[first]}
        shared = [group for group in groups[second] if group.key in seen]
        if shared:
            text = " ".join(next(iter(shared[0].rows[0].fields.values()), "").split())
            message = f"{len(shared)} inputs of {second} are in {first} too, the first: {text[:60]!r}"
            problems.append(Problem(f"dataset.files.{second}", message, f"take them out of {first}"))
    if problems:
        raise ConfigError(problems)
