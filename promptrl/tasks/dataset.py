"""Turns the rows of a data set into examples: fields for the prompt and a reference to score against."""

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptrl.errors import Problem, suggest
from promptrl.tasks.data_file import DataFile
from promptrl.tasks.formats import composed


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a data set.

    Attributes:
        id: Hash of fields and reference, the same in every run; equal rows are told apart by a counter.
        fields: Text by placeholder of the user template; the input column under "input" as well, if it is named and the
            template has no other column there.
        reference: The known good answer as the file has it; a list means that any of its items will do. None without.
        raw: The whole row, for metrics that are the user's own.
        input: Text of the input column, which says what is the same question; None: all fields say it.
    """

    id: str
    fields: Mapping[str, str]
    reference: Any
    raw: Mapping[str, Any]
    input: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a config names, each by its key or by a dotted path into nested cells (``answers.text.0``).

    Attributes:
        input: Column that identifies the question: rows with equal input stay in one split.
        reference: Column of the known good answer; None when no metric needs one.
        renamed: Placeholder to column, where the two names differ.
        placeholders: Names in the user template.
    """

    input: str | None = None
    reference: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    placeholders: tuple[str, ...] = ()

    @property
    def wanted(self) -> set[str]:
        """All of them, as far as the config alone tells."""
        return {*self.by_placeholder([]).values(), *(name for name in (self.input, self.reference) if name)}

    def by_placeholder(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The column of each placeholder.

        ``{input}`` stands for the input column when ``renamed`` does not say otherwise and no row has a column of that
        name.
        """
        alias = {"input": self.input} if self.input and not any("input" in row for row in rows) else {}
        return {name: {**alias, **self.renamed}.get(name, name) for name in self.placeholders}


@dataclass(frozen=True, slots=True)
class BuiltExamples:
    """What the rows of a file make.

    Attributes:
        by_position: The examples by their row's position in the file, from 0; rows with a problem are left out.
        problems: Columns that are in no row, and cells that are missing or empty.
    """

    by_position: Mapping[int, Example]
    problems: tuple[Problem, ...] = ()


def build_examples(file: DataFile, columns: Columns) -> BuiltExamples:
    """Pick each example's fields and reference from its row; everything that is wrong is told at once."""
    fields = columns.by_placeholder(file.rows)
    named: dict[str, tuple[str, str]] = {}
    for name, column in fields.items():
        key = f"dataset.columns.{name}" if name in columns.renamed else "prompt.user"
        named.setdefault(column, (key, f"the placeholder {{{name}}}"))
    if columns.input:
        fields.setdefault("input", columns.input)
        named[columns.input] = ("dataset.input", "the input")
    problems: list[Problem] = []
    unusable: set[int] = set()
    for column, (key, role) in named.items():
        if columns.reference == column or (columns.reference or "").startswith(f"{column}."):
            message = f"{role} shows the model the column {column!r}, which holds the known good answer"
            problems.append(Problem(key, message, "name another column, or leave it out"))
        problems += _column_problems(file, column, key, role, unusable)
    if columns.reference:
        problems += _column_problems(file, columns.reference, "dataset.reference", "", unusable)
    if fields:
        problems += _blank_inputs(file, fields.values(), next(iter(named.values()))[0], unusable)
    examples: dict[int, Example] = {}
    counts: dict[str, int] = {}
    for position, row in enumerate(file.rows):
        if position not in unusable:
            examples[position] = _example(row, columns, fields, counts)
    return BuiltExamples(examples, tuple(dict.fromkeys(problems)))


def _example(row: Mapping[str, Any], columns: Columns, fields: Mapping[str, str], counts: dict[str, int]) -> Example:
    texts = {name: as_text(_cell(row, column)) for name, column in fields.items()}
    answer = _cell(row, columns.reference) if columns.reference else None
    digest = _digest([texts, answer] if texts else row)[:12]
    counts[digest] = counts.get(digest, 0) + 1
    row_id = digest if counts[digest] == 1 else f"{digest}-{counts[digest]}"
    question = as_text(_cell(row, columns.input)) if columns.input else None
    return Example(row_id, texts, answer, row, question)


def as_text(value: Any) -> str:
    """A cell as the prompt or a solved example shows it: text as it stands, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def accepted_answers(reference: Any) -> tuple[str, ...]:
    """The texts that count as right: the items of a list, else the reference alone."""
    return tuple(map(as_text, reference)) if isinstance(reference, list | tuple) else (as_text(reference),)


def dataset_hash(examples: Iterable[Example]) -> str:
    """16 hex digits that change with any cell of any row, but not with the order of the rows."""
    return _digest(sorted(_digest([e.fields, e.reference, e.raw]) for e in examples))[:16]


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _cell(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; None when the row has none."""
    column = composed(column)
    if column in row:
        return row[column]
    value: Any = row
    for step in column.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _is_missing(value: Any, *, is_reference: bool) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    if not is_reference:
        return False
    items = value if isinstance(value, list) else [value]
    return not items or any(item is None or (isinstance(item, str) and not item.strip()) for item in items)


def _column_problems(file: DataFile, column: str, key: str, role: str, unusable: set[int]) -> Iterator[Problem]:
    """A column that is in no row, or rows in which it is missing or empty; these are added to ``unusable``.

    Args:
        file: The rows.
        column: Its name.
        key: Of the config, to blame.
        role: What the column is for; empty for the reference.
        unusable: Positions.
    """
    is_reference = not role
    cells = [_cell(row, column) for row in file.rows]
    missing = [at for at, cell in enumerate(cells) if _is_missing(cell, is_reference=is_reference)]
    unusable.update(missing)
    role = role or "the reference"
    if missing and all(cell is None for cell in cells):
        yield Problem(key, f"no row has a column {column!r} for {role}", suggest(column, _columns(file.rows)))
    elif missing:
        message = f"{role} is missing or empty: column {column!r} in {file.place(missing)}"
        yield file.problem(key, message, "fill in these cells, or take the rows out", first=missing[0])


def _blank_inputs(file: DataFile, columns: Collection[str], key: str, unusable: set[int]) -> Iterator[Problem]:
    """Rows in which nothing at all would be asked; they are added to ``unusable``."""
    blank = [
        position for position, row in enumerate(file.rows) if all(_is_blank(_cell(row, column)) for column in columns)
    ]
    unusable.update(blank)
    if blank:
        message = f"nothing is asked in {file.place(blank)}: the cells are empty"
        yield file.problem(key, message, "fill them in, or take the rows out", first=blank[0])


def _is_blank(cell: Any) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that a column could have been meant by, in the order of the file; nested ones by their path."""
    names: dict[str, None] = {}
    for row in rows[:100]:
        for name, value in row.items():
            names[name] = None
            if isinstance(value, Mapping):
                names.update((f"{name}.{inner}", None) for inner in value)
    return list(names)
