"""Loads the rows of a data set and turns them into examples: fields for the prompt and a reference to score against."""

import gzip
import hashlib
import json
import math
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from promptrl.errors import ConfigError, Problem, suggest
from promptrl.tasks.formats import PARSERS, SUFFIXES, DataFileError, Row
from promptrl.tasks.hub import load_hub_rows

MAX_FAULTS = 20
MAX_NAMED_ROWS = 5
GZIP_MAGIC = b"\x1f\x8b"


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


def load_rows(source: str | Path, *, format: str | None = None, key: str = "dataset.path") -> list[Row]:  # noqa: A002 - the name of the config key
    """Read a data file (plain or gzip), ``builtin:NAME`` or ``hf:NAME[:CONFIG][:SPLIT]``.

    Args:
        source: What to read.
        format: jsonl, json, csv, tsv or yaml; None goes by the ending of the file's name.
        key: Config key to blame.

    Raises:
        ConfigError: It can't be read or is malformed; a malformed file is named with its lines.
        TargetError: A Hugging Face data set is out of reach.
    """
    name = str(source)
    if name.startswith("hf:"):
        rows = load_hub_rows(name.removeprefix("hf:"), key)
    elif name.startswith("builtin:"):
        rows = _parse(_builtin_bytes(name.removeprefix("builtin:"), key), "jsonl", name, key)
    else:
        rows = _parse(_file_bytes(Path(source), key), format or _format_of(Path(source), key), name, key)
    if not rows:
        raise ConfigError([Problem(key, f"{name} has no rows")])
    return [{_composed(column): value for column, value in row.items()} for row in rows]


def _composed(column: str) -> str:
    """A name of a column as most programs write it: "é" as one character, not as an e and an accent."""
    return column if column.isascii() else unicodedata.normalize("NFC", column)


def builtin_names() -> list[str]:
    """Names of the data sets that come with the package."""
    folder = resources.files("promptrl.tasks") / "data"
    return sorted(f.name.removesuffix(".jsonl") for f in folder.iterdir() if f.name.endswith(".jsonl"))


def build_examples(
    rows: Sequence[Mapping[str, Any]],
    *,
    input: str | None,  # noqa: A002 - the name of the config key
    reference: str | None,
    columns: Mapping[str, str],
    placeholders: Iterable[str],
) -> list[Example]:
    """Pick each example's fields and reference from its row.

    A column is named by its key, or by a dotted path into nested objects and lists (``answers.text.0``). The
    placeholder ``{input}`` stands for the input column when ``columns`` does not say otherwise and no row has a column
    of that name.

    Args:
        rows: As ``load_rows`` gives them.
        input: Column that identifies the question: rows with equal input stay in one split.
        reference: Column of the known good answer; None when no metric needs one.
        columns: Placeholder to column, where the two names differ.
        placeholders: Names in the user template.

    Raises:
        ConfigError: A column is in no row, or cells are missing or empty; rows are counted from 1.
    """
    problems: list[Problem] = []
    alias = {"input": input} if input and not any("input" in row for row in rows) else {}
    fields = {name: {**alias, **columns}.get(name, name) for name in placeholders}
    keys = {name: f"dataset.columns.{name}" if name in columns else "prompt.user" for name in fields}
    if input and fields.setdefault("input", input) == input:
        keys["input"] = "dataset.input"
    elif input:
        problems += _column_problems(rows, input, "dataset.input", "the input", is_reference=False)
    for name, column in fields.items():
        problems += _column_problems(rows, column, keys[name], f"the placeholder {{{name}}}", is_reference=False)
    for name, column in fields.items():
        if column == reference:
            message = f"the placeholder {{{name}}} shows the model the column {column!r}, the known good answer"
            problems.append(Problem(keys[name], message, "name another column, or leave it out"))
    if reference:
        problems += _column_problems(rows, reference, "dataset.reference", "the reference", is_reference=True)
    if not problems and fields:
        problems += _blank_inputs(rows, fields, keys)
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    examples: list[Example] = []
    counts: dict[str, int] = {}
    for row in rows:
        texts = {name: as_text(_cell(row, column)) for name, column in fields.items()}
        answer = _cell(row, reference) if reference else None
        digest = _digest([texts, answer] if texts else row)[:12]
        counts[digest] = counts.get(digest, 0) + 1
        row_id = digest if counts[digest] == 1 else f"{digest}-{counts[digest]}"
        examples.append(Example(row_id, texts, answer, row, as_text(_cell(row, input)) if input else None))
    return examples


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


def _builtin_bytes(name: str, key: str) -> bytes:
    names = builtin_names()
    if name not in names:
        raise ConfigError([Problem(key, f"there is no built-in data set {name!r}", suggest(name, names))])
    return (resources.files("promptrl.tasks") / "data" / f"{name}.jsonl").read_bytes()


def _file_bytes(path: Path, key: str) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except FileNotFoundError as error:
        siblings = sorted(f.name for f in path.parent.iterdir()) if path.parent.is_dir() else []
        near = suggest(path.name, siblings)
        hint = near if near.startswith("did") else ""
        raise ConfigError([Problem(key, f"there is no file {path}", hint)]) from error
    except (OSError, EOFError, zlib.error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError([Problem(key, f"{path} can't be read: {reason}")]) from error


def _format_of(path: Path, key: str) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in SUFFIXES:
        message = f"{path} ends in {suffix or 'nothing'}, expected {', '.join(SUFFIXES)}, or these with .gz"
        raise ConfigError([Problem(key, message, "say dataset.format")])
    return SUFFIXES[suffix]


def _parse(content: bytes, format: str, name: str, key: str) -> list[Row]:  # noqa: A002 - the name of the config key
    if format not in PARSERS:
        raise ConfigError([Problem("dataset.format", f"got {format!r}", suggest(format, PARSERS))])
    try:
        return PARSERS[format](content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(key, "is not UTF-8", "save the file as UTF-8", file=name, line=line)]) from error
    except DataFileError as error:
        problems = [Problem(key, message, file=name, line=line) for line, message in error.faults[:MAX_FAULTS]]
        if len(error.faults) > MAX_FAULTS:
            problems.append(Problem(key, f"{len(error.faults) - MAX_FAULTS} more faults", file=name))
        raise ConfigError(problems) from error


def _cell(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; None when the row has none."""
    column = _composed(column)
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


def _column_problems(
    rows: Sequence[Mapping[str, Any]], column: str, key: str, role: str, *, is_reference: bool
) -> list[Problem]:
    missing = [n for n, row in enumerate(rows, 1) if _is_missing(_cell(row, column), is_reference=is_reference)]
    if not missing:
        return []
    if len(missing) == len(rows) and all(_cell(row, column) is None for row in rows):
        return [Problem(key, f"no row has a column {column!r} for {role}", suggest(column, _columns(rows)))]
    return [Problem(key, f"{role} is missing or empty: column {column!r} in {_name_rows(missing)}")]


def _blank_inputs(
    rows: Sequence[Mapping[str, Any]], fields: Mapping[str, str], keys: Mapping[str, str]
) -> list[Problem]:
    """Rows in which nothing at all would be asked."""
    blank = [
        number
        for number, row in enumerate(rows, start=1)
        if not any(as_text(_cell(row, column)).strip() for column in fields.values())
    ]
    name = next(iter(fields))
    return [Problem(keys[name], f"nothing is asked in {_name_rows(blank)}: the cells are empty")] if blank else []


def _name_rows(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:MAX_NAMED_ROWS]))
    more = f" and {len(numbers) - MAX_NAMED_ROWS} more" if len(numbers) > MAX_NAMED_ROWS else ""
    return f"row{'s' if len(numbers) > 1 else ''} {named}{more}"


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that a column could have been meant by, in the order of the file; nested ones by their path."""
    names: dict[str, None] = {}
    for row in rows[:100]:
        for name, value in row.items():
            names[name] = None
            if isinstance(value, Mapping):
                names.update((f"{name}.{inner}", None) for inner in value)
    return list(names)
