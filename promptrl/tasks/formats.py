"""Reads rows from JSON and YAML, and says what all formats give. Every fault is reported with its line."""

import json
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from promptrl.tasks.strict_json import NotJsonError, read_json, read_json_at
from promptrl.yaml12 import JSON, Loader

Row = dict[str, Any]

MAX_EXPANDED, MAX_GROWTH = 100_000, 20
"""So many values a YAML file may have once its aliases are expanded, or so many times those that are written."""
LIST_KEYS = ("data", "examples", "rows")
"""Where a json or yaml mapping may keep its list of rows."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a data file holds.

    Attributes:
        rows: In the order of the file.
        lines: Where each begins, counted from 1; empty where that is not known, or one line holds several.
        notes: What was taken for granted that the file does not say, each as the rest of a sentence about it.
    """

    rows: list[Row]
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class DataFileError(Exception):
    """A data file is malformed.

    Args:
        faults: Line (1-based, None when it is not known) and message of each fault.
    """

    def __init__(self, *faults: tuple[int | None, str]) -> None:
        super().__init__("\n".join(message for _, message in faults))
        self.faults = faults


def parse_jsonl(text: str, wanted: Collection[str] = ()) -> Parsed:
    """One JSON object per line; blank lines are skipped. A list of objects over the whole file is one of ``json``."""
    if text.lstrip().startswith("["):
        parsed = parse_json(text, wanted)
        return replace(parsed, notes=("it is one list, not a line for each row", *parsed.notes))
    rows: list[Row] = []
    lines: list[int] = []
    faults: list[tuple[int | None, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_as_row(_parse_json_text(line), number))
            lines.append(number)
        except DataFileError as error:
            faults.append((number, error.faults[0][1]))
    if faults:
        return _objects_in_a_row(text, DataFileError(*faults))
    return Parsed(rows, tuple(lines))


def _objects_in_a_row(text: str, fault: DataFileError) -> Parsed:
    """The objects of a text that holds nothing but objects, one after the other, commas between them or not.

    Raises:
        DataFileError: The fault that was found before, when it holds anything else.
    """
    rows: list[Row] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        if text[at].isspace() or (text[at] == "," and rows):
            at += 1
            continue
        try:
            row, at = read_json_at(text, at)
        except (ValueError, RecursionError):
            raise fault from None
        if not isinstance(row, Mapping):
            raise fault
        rows.append(_as_row(row, None))
    return Parsed(rows, (), ("its objects do not stand on a line each without anything between them",))


def parse_json(text: str, wanted: Collection[str] = ()) -> Parsed:
    """A list of objects; or an object with such a list, with numbered rows, or with the cells of each column.

    Several objects, one after the other, are rows as in ``jsonl``.

    Args:
        text: Of the whole file.
        wanted: Columns that the config names, which tell rows from columns.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        return replace(parse_jsonl(text), notes=("it has one object on each line, as JSON lines have",))
    try:
        document = _parse_json_text(text)
    except DataFileError as error:
        return _objects_in_a_row(text, error)
    where = tuple(_item_lines(text)) if isinstance(document, list) else ()
    return rows_of(document, wanted, where)


def parse_yaml(text: str, wanted: Collection[str] = ()) -> Parsed:
    """A list of mappings, or a mapping as ``parse_json`` takes it.

    Plain scalars are read as in JSON, so that ``no`` is a word, ``010`` keeps its zero and ``12:30`` is no number.
    """
    try:
        document, lines = _load_yaml(text)
        return rows_of(document, wanted, lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise DataFileError((mark.line + 1 if mark else None, f"is not YAML: {error.problem}")) from error
    except RecursionError as error:
        raise DataFileError((None, "is not YAML: too deeply nested")) from error
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:  # PyYAML's, of a tag that does not fit
        raise DataFileError((None, f"is not YAML: {error}")) from error


def _item_lines(text: str) -> Iterator[int]:
    """The lines where the items of a JSON list begin."""
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return
        line, counted = line + text.count("\n", counted, at), at
        yield line
        _, at = read_json_at(text, at)


def _parse_json_text(text: str) -> Any:
    try:
        return read_json(text)
    except NotJsonError as error:
        raise DataFileError((None, str(error))) from error
    except json.JSONDecodeError as error:
        raise DataFileError((error.lineno, f"is not JSON: {error.msg} at column {error.colno}")) from error
    except (ValueError, RecursionError) as error:
        raise DataFileError((None, f"is not JSON: {error}")) from error


def composed(column: str) -> str:
    """A name of a column as most programs write it: "é" as one character, not as an e and an accent."""
    return column if column.isascii() else unicodedata.normalize("NFC", column)


def first_duplicate(names: Iterable[Any]) -> Any:
    """The first name that was there before; None when all differ."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def rows_of(document: Any, wanted: Collection[str], lines: tuple[int, ...]) -> Parsed:
    """The rows of a JSON or YAML document.

    Args:
        document: Plain data.
        wanted: Columns that the config names.
        lines: Where the items of a list begin.
    """
    notes: tuple[str, ...] = ()
    if isinstance(document, Mapping):
        document, notes = _listed({composed(str(key)): value for key, value in document.items()}, wanted)
    if not isinstance(document, list):
        raise DataFileError((None, f"holds {_kind(document)}, expected a list of rows"))
    rows = [_as_row(item, None, f"item {number} ") for number, item in enumerate(document, start=1)]
    return Parsed(rows, lines if len(set(lines)) == len(rows) else (), notes)


def _listed(document: Mapping[str, Any], wanted: Collection[str]) -> tuple[list[Any], tuple[str, ...]]:
    """The rows of a document that is one object, and how they were found."""
    names, data = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return list(_rows_of_cells([str(name) for name in names], data)), ("its rows are lists under `data`",)
    found = next((document[key] for key in LIST_KEYS if key in document), None)
    if isinstance(found, Mapping) and found and all(isinstance(row, Mapping) for row in found.values()):
        return list(found.values()), ()
    if isinstance(found, list) and any(isinstance(row, Mapping) for row in found):
        return found, ()
    if columns := _columns_of(document, wanted):
        return columns, ("its cells stand column by column",)
    if wanted and all(isinstance(row, Mapping) and all(name in row for name in wanted) for row in document.values()):
        return list(document.values()), ("its rows stand under a key each",)
    lists = {key: rows for key, rows in document.items() if _are_rows(rows)}
    if len(lists) == 1:
        ((key, rows),) = lists.items()
        return rows, (f"its rows stand under {key!r}",)
    if isinstance(found, list):
        return found, ()
    expected = f"expected a list of rows, one under {' or '.join(LIST_KEYS)}, or equally long lists of cells by column"
    raise DataFileError((None, f"is one object, {expected}"))


def _rows_of_cells(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[Row]:
    """Rows whose cells stand in the order of the names."""
    twice = first_duplicate(names)
    if twice is not None:
        raise DataFileError((None, f"the column {twice!r} is there twice"))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            message = f"item {number} of `data` has {len(row)} cells, but `columns` has {len(names)}"
            raise DataFileError((None, message))
        yield dict(zip(names, row, strict=True))


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _columns_of(document: Mapping[str, Any], wanted: Collection[str]) -> list[Row]:
    """Rows of an object that holds the cells of each column, as a list or by number; none when it does not.

    Objects of objects may as well be rows by number: the columns that the config names must be among the keys.
    """
    columns = {name: cells for name, cells in document.items() if isinstance(cells, list | Mapping)}
    if not columns or not all(name in columns for name in wanted):
        return []
    by_number = {
        name: cells if isinstance(cells, Mapping) else dict(enumerate(cells)) for name, cells in columns.items()
    }
    first, *others = by_number.values()
    if any(cells.keys() != first.keys() for cells in others) or not (wanted or len(columns) == len(document)):
        return []
    return [{name: cells[number] for name, cells in by_number.items()} for number in first]


def _as_row(value: Any, line: int | None, where: str = "") -> Row:
    if not isinstance(value, Mapping):
        raise DataFileError((line, f"{where}is {_kind(value)}, expected an object with the columns as keys"))
    return {str(key): cell for key, cell in value.items()}


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


def _load_yaml(text: str) -> tuple[Any, tuple[int, ...]]:
    """The document, and the lines where its items begin if it is a list."""
    loader = _DataLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, ()
        sizes: dict[int, int] = {}
        if _expanded_size(node, sizes) > max(MAX_EXPANDED, MAX_GROWTH * len(sizes)):
            raise DataFileError((None, "is not YAML that can be read: its aliases grow beyond all reason"))
        items = node.value if isinstance(node, yaml.SequenceNode) else ()
        return loader.construct_document(node), tuple(item.start_mark.line + 1 for item in items)
    finally:
        loader.dispose()


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node stands for once aliases are expanded.

    Args:
        node: Of a document.
        sizes: Of the nodes seen so far, by identity; 0 for those around this one.
    """
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise DataFileError((node.start_mark.line + 1, "is not YAML that can be read: an alias contains itself"))
        return sizes[id(node)]
    sizes[id(node)] = 0
    parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else ()
    parts = node.value if isinstance(node, yaml.SequenceNode) else parts
    sizes[id(node)] = 1 + sum(_expanded_size(part, sizes) for part in parts)
    return sizes[id(node)]


class _DataLoader(Loader, schema=JSON):
    """Duplicate keys are errors."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = first_duplicate(keys)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)
