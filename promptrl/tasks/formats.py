"""Reads rows from the text of a data file: jsonl, json, csv, tsv, yaml. Every fault is reported with its line."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from promptrl.tasks.strict_json import NotJsonError, read_json
from promptrl.yaml12 import JSON, Loader

Row = dict[str, Any]

MAX_EXPANDED, MAX_GROWTH = 100_000, 20
"""So many values a YAML file may have once its aliases are expanded, or so many times those that are written."""
LIST_KEYS = ("data", "examples", "rows")
"""Where a json or yaml mapping may keep its list of rows."""


class DataFileError(Exception):
    """A data file is malformed.

    Args:
        faults: Line (1-based, None when it is not known) and message of each fault.
    """

    def __init__(self, *faults: tuple[int | None, str]) -> None:
        super().__init__("\n".join(message for _, message in faults))
        self.faults = faults


def parse_jsonl(text: str) -> list[Row]:
    """One JSON object per line; blank lines are skipped. A list of objects over the whole file is one of ``json``."""
    if text.lstrip().startswith("["):
        return parse_json(text)
    rows: list[Row] = []
    faults: list[tuple[int | None, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_as_row(_parse_json_text(line), number))
        except DataFileError as error:
            faults.append((number, error.faults[0][1]))
    if faults:
        raise DataFileError(*faults)
    return rows


def parse_json(text: str) -> list[Row]:
    """A list of objects, or an object that keeps its rows, as a list or by number, under data, examples or rows.

    Several objects, one on each line, are rows as in ``jsonl``.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        return parse_jsonl(text)
    return _rows_of(_parse_json_text(text))


def parse_csv(text: str) -> list[Row]:
    """Comma-separated cells under a header; quoting as in RFC 4180. A first column without a name is ``index``."""
    return _parse_table(text, ",")


def parse_tsv(text: str) -> list[Row]:
    """Tab-separated cells under a header; quoting as spreadsheets write it."""
    return _parse_table(text, "\t")


def parse_yaml(text: str) -> list[Row]:
    """A list of mappings, or a mapping that keeps such a list under data, examples or rows.

    Plain scalars are read as in JSON, so that ``no`` is a word, ``010`` keeps its zero and ``12:30`` is no number.
    """
    try:
        return _rows_of(_load_yaml(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise DataFileError((mark.line + 1 if mark else None, f"is not YAML: {error.problem}")) from error
    except RecursionError as error:
        raise DataFileError((None, "is not YAML: too deeply nested")) from error
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:  # PyYAML's, of a tag that does not fit
        raise DataFileError((None, f"is not YAML: {error}")) from error


PARSERS: Mapping[str, Callable[[str], list[Row]]] = {
    "jsonl": parse_jsonl,
    "json": parse_json,
    "csv": parse_csv,
    "tsv": parse_tsv,
    "yaml": parse_yaml,
}
SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".yaml": "yaml",
    ".yml": "yaml",
}


def _parse_json_text(text: str) -> Any:
    try:
        return read_json(text)
    except NotJsonError as error:
        raise DataFileError((None, str(error))) from error
    except json.JSONDecodeError as error:
        raise DataFileError((error.lineno, f"is not JSON: {error.msg} at column {error.colno}")) from error
    except (ValueError, RecursionError) as error:
        raise DataFileError((None, f"is not JSON: {error}")) from error


def _first_duplicate(names: Iterable[Any]) -> Any:
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _rows_of(document: Any) -> list[Row]:
    if isinstance(document, Mapping):
        found = next((document[key] for key in LIST_KEYS if key in document), None)
        if isinstance(found, Mapping) and all(isinstance(row, Mapping) for row in found.values()):
            found = list(found.values())
        if not isinstance(found, list):
            raise DataFileError((None, f"is one object, expected a list of rows or one under {' or '.join(LIST_KEYS)}"))
        document = found
    if not isinstance(document, list):
        raise DataFileError((None, f"holds {_kind(document)}, expected a list of rows"))
    return [_as_row(item, None, f"item {number} ") for number, item in enumerate(document, start=1)]


def _as_row(value: Any, line: int | None, where: str = "") -> Row:
    if not isinstance(value, Mapping):
        raise DataFileError((line, f"{where}is {_kind(value)}, expected an object with the columns as keys"))
    return {str(key): cell for key, cell in value.items()}


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


def _parse_table(text: str, delimiter: str) -> list[Row]:
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[Row] = []
    faults: list[tuple[int | None, str]] = []
    line = 1
    try:
        for cells in reader:
            if cells and not header:
                header = _named_columns([cell.strip() for cell in cells])
                _check_header(header, line, delimiter)
            elif cells and len(cells) != len(header):
                faults.append((line, f"has {len(cells)} cells, but the header has {len(header)}"))
            elif cells:
                rows.append(dict(zip(header, cells, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append((line, f"is malformed: {error}; a quote mark inside a quoted cell is doubled"))
    if faults:
        raise DataFileError(*faults)
    return rows


def _named_columns(header: list[str]) -> list[str]:
    """The header with a name for its first column where it has none, as pandas writes the index of its rows."""
    return ["index", *header[1:]] if header[0] == "" and "index" not in header and len(header) > 1 else header


def _check_header(header: list[str], line: int, delimiter: str) -> None:
    other = next((sign for sign in ";\t" if sign != delimiter and sign in header[0]), None)
    if other and len(header) == 1:
        hint = "save the file with commas" if other == ";" else "say dataset.format: tsv"
        raise DataFileError((line, f"the header is one column, {header[0]!r}, divided by {other!r}: {hint}"))
    if "" in header:
        raise DataFileError((line, f"column {header.index('') + 1} of the header has no name"))
    if len(set(header)) < len(header):
        raise DataFileError((line, f"the column {_first_duplicate(header)!r} is there twice"))


def _load_yaml(text: str) -> Any:
    loader = _DataLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        sizes: dict[int, int] = {}
        if _expanded_size(node, sizes) > max(MAX_EXPANDED, MAX_GROWTH * len(sizes)):
            raise DataFileError((None, "is not YAML that can be read: its aliases grow beyond all reason"))
        return loader.construct_document(node)
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
        twice = _first_duplicate(keys)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)
