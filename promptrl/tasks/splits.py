"""Divides examples into train, validation, test and demonstrations, so that no question stands in two of them.

Rows whose input is equal but for case, width and spacing form one group, and a group is never divided. Which group goes
where depends on the seed and on the rows, not on their order in the file.
"""

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptrl.errors import ConfigError, Problem
from promptrl.tasks.dataset import Example, accepted_answers, as_text

NAMES = ("train", "validation", "test")
MAX_LABELS = 20
MIN_ROWS_PER_LABEL = 5
MIN_ROWS_PER_FOLD = 4


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
    """Rows with one input."""

    rows: tuple[Example, ...]
    label: str
    order: str


def split_examples(
    examples: Sequence[Example] | Mapping[str, Sequence[Example]],
    *,
    fractions: Mapping[str, float],
    seed: int,
    demonstration_candidates: int = 0,
    stratify: bool = True,
    limit: int | None = None,
) -> Splits:
    """Divide the rows of one file, or check and complete the splits of three.

    Sizes are as near to the fractions as groups allow: exact when every input occurs once. With few labels each split
    has its share of each. Demonstrations are taken from train inputs that occur once, labels in turn. The rows of a
    split come in seeded random order, so that any first n of them are a fair sample.

    Args:
        examples: All rows, or the rows by split name; then ``fractions`` is not used.
        fractions: Share of the rows by split name, in (0, 1), adding up to at most 1; what is left is not used.
        seed: Same seed and same rows, same splits.
        demonstration_candidates: How many train rows to set aside; fewer when inputs repeat.
        stratify: Give each split its share of each label, when there are at most 20 labels with 5 rows each on average.
        limit: Use at most about this many rows (of each file), drawn by the seed; None uses all.

    Raises:
        ConfigError: A split would be empty, a question stands in two files, or no train row would be left to score.
    """
    if isinstance(examples, Mapping):
        groups = {name: _sample(_grouped(examples[name], seed), limit, stratify) for name in NAMES}
        _refuse_leaks(groups)
    else:
        rows = _sample(_grouped(examples, seed), limit, stratify)
        shares = [fractions.get(name, 0.0) for name in NAMES]
        parts = _deal(rows, _sizes(sum(len(g.rows) for g in rows), shares), stratify)
        groups = dict(zip(NAMES, parts, strict=False))
    _refuse_empty(groups)
    shown, train = _set_aside(groups["train"], demonstration_candidates, stratify)
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
    stratify: bool = True,
    limit: int | None = None,
) -> tuple[Splits, ...]:
    """Divide the rows of one file into folds that are tested one after the other, each by what came before it.

    Every fold but the first is once the test rows of a search on all earlier folds. So whatever those searches choose,
    they choose it before they have seen the rows that judge it, and the judgements of all folds may be put together.
    (In ordinary cross-validation the rows of one fold help to choose what the others judge: with ten folds up to 8 %
    of equal prompts seem better at a level of 2.5 %.)

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
    groups = _sample(_grouped(examples, seed), limit, stratify)
    shown, rest = _set_aside(groups, demonstration_candidates, stratify)
    total = sum(len(group.rows) for group in rest)
    if len(rest) < MIN_ROWS_PER_FOLD * folds:
        message = f"got {folds}, but {len(rest)} different inputs make folds of less than {MIN_ROWS_PER_FOLD}"
        raise ConfigError([Problem("dataset.folds", message, "fewer folds, fewer demonstrations, or more rows")])
    parts = _deal(rest, _sizes(total, [1 / folds] * folds)[:folds], stratify)
    divisions = []
    for count in range(1, folds + 1):
        train, validation = _searched([group for part in parts[:count] for group in part], fractions, stratify)
        test = parts[count] if count < folds else [group for part in parts[1:] for group in part]
        divisions.append(Splits(*(_in_order(part) for part in (train, validation, test, shown))))
    return tuple(divisions)


def _searched(seen: Sequence[_Group], fractions: Mapping[str, float], stratify: bool) -> list[list[_Group]]:
    """The rows of a search divided in two: those it asks, and those that choose its winner."""
    searched = fractions["train"] + fractions["validation"]
    shares = [fractions["train"] / searched, fractions["validation"] / searched]
    sizes = _sizes(sum(len(group.rows) for group in seen), shares)
    return _deal(sorted(seen, key=lambda group: group.order), sizes[:2], stratify)


def normalise_input(example: Example) -> str:
    """What makes two rows the same question: the input column, else all fields, but for case, width and spacing."""
    text = example.input
    if text is None:
        text = "\n".join(f"{key}={example.fields[key]}" for key in sorted(example.fields))
    return " ".join(unicodedata.normalize("NFKC", text or as_text(dict(example.raw))).casefold().split())


def _grouped(examples: Sequence[Example], seed: int) -> list[_Group]:
    """Groups of equal input in seeded order."""
    by_input: dict[str, list[Example]] = {}
    for example in examples:
        by_input.setdefault(normalise_input(example), []).append(example)
    groups = []
    for text, rows in by_input.items():
        order = hashlib.sha256(f"{seed}:{text}".encode("utf-8", "surrogatepass")).hexdigest()
        label = min(accepted_answers(row.reference)[0] for row in rows)
        groups.append(_Group(tuple(sorted(rows, key=lambda row: row.id)), label, order))
    return sorted(groups, key=lambda group: group.order)


def _in_order(groups: Sequence[_Group]) -> tuple[Example, ...]:
    return tuple(row for group in sorted(groups, key=lambda group: group.order) for row in group.rows)


def _sizes(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers of rows for the shares and for the rest, by largest remainder."""
    exact = [share * total for share in (*shares, max(0.0, 1 - sum(shares)))]
    sizes = [math.floor(size + 1e-9) for size in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: sizes[i] - exact[i])
    for index in by_remainder[: total - sum(sizes)]:
        sizes[index] += 1
    return sizes


def _deal(groups: Sequence[_Group], sizes: Sequence[int], stratify: bool) -> list[list[_Group]]:
    """Divide groups into parts of about the given numbers of rows.

    Each group goes to the part that lacks most of its share so far. Groups of several rows come first, so that single
    rows, label by label, can make up for them; with single rows alone no part ever lags by a whole row, and all end
    exact.
    """
    is_labelled = stratify and _has_few_labels(groups)
    repeated = sorted((g for g in groups if len(g.rows) > 1), key=lambda g: (-len(g.rows), g.order))
    single = sorted((g for g in groups if len(g.rows) == 1), key=lambda g: (g.label if is_labelled else "", g.order))
    parts: list[list[_Group]] = [[] for _ in sizes]
    wanted = list(sizes)
    for batch in (repeated, single):
        total, seen = sum(wanted), 0
        got = [0] * len(sizes)
        for group in batch:
            seen += len(group.rows)
            lacking = [want * seen / max(total, 1) - have for want, have in zip(wanted, got, strict=True)]
            index = lacking.index(max(lacking))
            parts[index].append(group)
            got[index] += len(group.rows)
        wanted = [max(want - have, 0) for want, have in zip(wanted, got, strict=True)]
    return parts


def _has_few_labels(groups: Sequence[_Group]) -> bool:
    labels = {group.label for group in groups}
    return len(labels) <= min(MAX_LABELS, len(groups) / MIN_ROWS_PER_LABEL)


def _sample(groups: list[_Group], limit: int | None, stratify: bool) -> list[_Group]:
    total = sum(len(group.rows) for group in groups)
    if limit is None or limit >= total:
        return groups
    return _deal(groups, [limit, total - limit], stratify)[0]


def _set_aside(groups: Sequence[_Group], candidates: int, stratify: bool) -> tuple[list[_Group], list[_Group]]:
    """Demonstrations and what is left of train."""
    single = [group for group in groups if len(group.rows) == 1]
    repeated = [group for group in groups if len(group.rows) > 1]
    count = min(candidates, len(single))
    if count == 0:
        return [], list(groups)
    shown, rest = _deal(single, [count, len(single) - count], stratify)
    return shown, rest + repeated


def _refuse_empty(groups: Mapping[str, Sequence[_Group]]) -> None:
    empty = [name for name in NAMES if not groups[name]]
    if empty:
        inputs = sum(map(len, groups.values()))
        message = f"{' and '.join(empty)} would be empty: {inputs} different inputs are too few for these shares"
        raise ConfigError([Problem("dataset.splits", message, "more rows, or larger shares")])


def _refuse_leaks(groups: Mapping[str, Sequence[_Group]]) -> None:
    """Three files must not share a question, or the held-out score would be flattered."""
    problems = []
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        seen = {group.order for group in groups[first]}
        shared = [group for group in groups[second] if group.order in seen]
        if shared:
            text = " ".join(next(iter(shared[0].rows[0].fields.values()), "").split())
            message = f"{len(shared)} inputs of {second} are in {first} too, the first: {text[:60]!r}"
            problems.append(Problem(f"dataset.files.{second}", message, f"take them out of {first}"))
    if problems:
        raise ConfigError(problems)
