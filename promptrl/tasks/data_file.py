"""Reads data files as other programs write them, and says what was taken for granted about each."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from promptrl.errors import ConfigError, Problem, show, suggest
from promptrl.tasks.formats import DataFileError, Parsed, Row, composed, parse_json, parse_jsonl, parse_yaml
from promptrl.tasks.hub import load_hub_rows
from promptrl.tasks.tables import parse_table

MAX_FAULTS = 20
MAX_NAMED_ROWS = 5
GZIP_MAGIC = b"\x1f\x8b"
SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".yaml": "yaml",
    ".yml": "yaml",
}
TABLES: Mapping[str, str] = {"csv": ",", "tsv": "\t"}
"""Formats of delimited text, and what usually divides their cells."""
_OBJECTS: Mapping[str, Callable[[str, Collection[str]], Parsed]] = {
    "jsonl": parse_jsonl,
    "json": parse_json,
    "yaml": parse_yaml,
}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Longer marks first: one of them begins with another."""
_NO_TEXT = {
    b"PK\x03\x04": "is a spreadsheet or an archive: save it as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "is a spreadsheet of an old Excel: save it as CSV",
    b"PAR1": "is Parquet: write it as JSON lines",
    b"SQLite format 3": "is a database: export a table as CSV",
    b"<!doctype html": "is a web page, as a login gives instead of a file: download the file itself",
    b"<html": "is a web page, as a login gives instead of a file: download the file itself",
    b"version https://git-lfs": "is a pointer of Git LFS: fetch the file itself (git lfs pull)",
}
"""How files begin, in lower case where they are text, that are no rows whatever their name says; and what helps."""


_NO_CHARACTER_SETS = ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined")
"""What Python calls encodings of text, though no program saves its files that way."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a data file is written, as far as the config says so.

    Attributes:
        format: jsonl, json, csv, tsv or yaml; None goes by the ending of the file's name.
        delimiter: What divides the cells of csv and tsv; None: what the format says, or what the header shows.
        encoding: Name of the character encoding; None: UTF-8, or what a byte order mark says.
        skip_rows: Lines before the header of csv and tsv.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    skip_rows: int = 0


@dataclass(frozen=True, slots=True)
class DataFile:
    """The rows of one source.

    Attributes:
        name: Of the source, as messages give it.
        rows: By column.
        lines: The line of each row, counted from 1; empty where that is not known.
        notes: What was taken for granted about the file, each as the rest of a sentence that begins with its name.
    """

    name: str
    rows: Sequence[Row]
    lines: Sequence[int] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def place(self, positions: Sequence[int]) -> str:
        """Where some rows stand, for a message: ``line 3``, ``rows 1, 2, 3, 4, 5 and 7 more``.

        Args:
            positions: Of rows, counted from 0.
        """
        numbers = [self.lines[at] if self.lines else at + 1 for at in positions]
        return f"{'line' if self.lines else 'row'}{'s' if len(numbers) > 1 else ''} {some_of(numbers)}"

    def problem(self, key: str, message: str, hint: str = "", *, first: int = 0, is_warning: bool = False) -> Problem:
        """A problem of the data; where lines are known, at the line of a row.

        Args:
            key: Of the config, to blame.
            message: What is wrong.
            hint: The way out.
            first: Position of the row.
            is_warning: Whether a run can go on all the same.
        """
        if not self.lines:
            return Problem(key, message, hint, is_warning=is_warning)
        return Problem(key, message, hint, self.name, self.lines[first], is_warning)


def some_of(numbers: Sequence[int]) -> str:
    """The first few numbers, and how many more there are."""
    named = ", ".join(map(str, numbers[:MAX_NAMED_ROWS]))
    return f"{named} and {len(numbers) - MAX_NAMED_ROWS} more" if len(numbers) > MAX_NAMED_ROWS else named


def load_rows(
    source: str | Path,
    form: FileForm = FileForm(),
    *,
    wanted: Collection[str] = (),
    key: str = "dataset.path",
) -> DataFile:
    """Read a data file (plain or gzip), ``builtin:NAME`` or ``hf:NAME[:CONFIG][:SPLIT]``.

    Args:
        source: What to read.
        form: How it is written, as far as that is known.
        wanted: Columns that the config names: they show how a file is meant that can be read in two ways.
        key: Config key to blame.

    Raises:
        ConfigError: It can't be read or is malformed; a malformed file is named with its lines.
        TargetError: A Hugging Face data set is out of reach.
    """
    name = str(source)
    notes: list[str] = []
    if name.startswith("hf:"):
        parsed = Parsed(load_hub_rows(name.removeprefix("hf:"), key))
    elif name.startswith("builtin:"):
        parsed = parse_jsonl(_builtin_bytes(name.removeprefix("builtin:"), key).decode())
    else:
        path = Path(source)
        kind = form.format or _format_of(path, key)
        content = _file_bytes(path, key)
        with _told(name, key):
            parsed = _parsed(_text(content, form.encoding, notes), kind, form, [composed(column) for column in wanted])
    if not parsed.rows:
        raise ConfigError([Problem(key, f"{name} has no rows")])
    rows = [{composed(column): value for column, value in row.items()} for row in parsed.rows]
    return DataFile(name, rows, parsed.lines, (*notes, *parsed.notes))


def builtin_names() -> list[str]:
    """Names of the data sets that come with the package."""
    folder = resources.files("promptrl.tasks") / "data"
    return sorted(f.name.removesuffix(".jsonl") for f in folder.iterdir() if f.name.endswith(".jsonl"))


def format_by_name(path: Path) -> str | None:
    """The format that the ending of a file's name says; None where it says none."""
    return SUFFIXES.get(_suffix(path))


def is_encoding(name: str) -> bool:
    """Whether text is kept under this name of an encoding."""
    try:
        b"text".decode(name, "replace")
        return codecs.lookup(name).name not in _NO_CHARACTER_SETS
    except (LookupError, UnicodeError, ValueError):
        return False


@contextmanager
def _told(name: str, key: str) -> Iterator[None]:
    """Tell what is wrong in a file, each kind of fault once, with the first lines that have it."""
    try:
        yield
    except DataFileError as error:
        lines: dict[str, list[int]] = {}
        for line, message in error.faults:
            lines.setdefault(message, []).extend([] if line is None else [line])
        problems = [
            Problem(key, f"{message}{_likewise(found[1:])}", file=name, line=found[0] if found else None)
            for message, found in list(lines.items())[:MAX_FAULTS]
        ]
        if len(lines) > MAX_FAULTS:
            problems.append(Problem(key, f"{len(lines) - MAX_FAULTS} more faults", file=name))
        raise ConfigError(problems) from error


def _likewise(lines: Sequence[int]) -> str:
    return f"; likewise line{'s' if len(lines) > 1 else ''} {some_of(lines)}" if lines else ""


def _parsed(text: str, kind: str, form: FileForm, wanted: Collection[str]) -> Parsed:
    if kind in TABLES:
        delimiter, is_certain = form.delimiter or TABLES[kind], form.delimiter is not None
        return parse_table(text, delimiter, is_certain=is_certain, skip_rows=form.skip_rows, wanted=wanted)
    if kind not in _OBJECTS:
        raise ConfigError([Problem("dataset.format", f"got {kind!r}", suggest(kind, [*_OBJECTS, *TABLES]))])
    return _OBJECTS[kind](text, wanted)


def _text(content: bytes, encoding: str | None, notes: list[str]) -> str:
    """The characters of a file.

    Raises:
        DataFileError: They are not in the encoding, and names the line; or it is no file of text at all.
    """
    begin = content[:30].lstrip()
    for mark, message in _NO_TEXT.items():
        if begin.startswith(mark) or begin.lower().startswith(mark):
            raise DataFileError((None, message))
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    if encoding is None and marked is not None:
        notes.append(f"its byte order mark says that it is {marked.upper()}")
    chosen = encoding or marked or "utf-8-sig"
    try:
        text = content.decode("utf-8-sig" if codecs.lookup(chosen).name == "utf-8" else chosen)
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content.count(b"\n", 0, at) + 1
        raise DataFileError(
            (line, f"is not {'UTF-8' if encoding is None else encoding}{_other_encoding(content, line)}")
        ) from error
    if encoding is None and text[:1000].count("\0") > len(text[:1000]) // 4:
        raise DataFileError((1, "every other character is none: if it is UTF-16, say dataset.encoding: utf-16-le"))
    return text


def _other_encoding(content: bytes, line: int) -> str:
    """What to do about a file that is not UTF-8, with its line as the commonest other encoding reads it."""
    shown = content.split(b"\n")[line - 1].strip().decode("cp1252", "replace")
    return f": save it as UTF-8, or say dataset.encoding (with cp1252 the line is {show(shown)})"


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
    kind = format_by_name(path)
    if kind is None:
        message = f"{path} ends in {_suffix(path) or 'nothing'}, expected {', '.join(SUFFIXES)}, or these with .gz"
        raise ConfigError([Problem(key, message, "say dataset.format")])
    return kind


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
