"""Reads rows from tables of delimited text, as spreadsheets, pandas and databases write them.

What is clearly meant is done and said: another delimiter by which the columns are found that the config names, a
first line ``sep=;``, columns without a name, lines without a cell.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from promptrl.tasks.formats import DataFileError, Parsed, Row, composed, first_duplicate

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MAX_TITLE_LINES = 20
"""Among so many lines the header is looked for where the first is none."""
_SEP_LINE = re.compile(r'"?sep=([^\r\n"])"?\r?(?:\n|$)', re.IGNORECASE)
"""What Excel reads, and some programs write, to say what divides the cells."""


def parse_table(text: str, delimiter: str, *, is_certain: bool, skip_rows: int, wanted: Collection[str]) -> Parsed:
    """Delimited cells under a header; quoting as in RFC 4180.

    Args:
        text: Of the whole file.
        delimiter: What divides the cells, if the file doesn't say otherwise.
        is_certain: Whether the config says so; then nothing else is tried.
        skip_rows: Lines before the header that are no part of the table.
        wanted: Columns that the config names.

    Raises:
        DataFileError: Lines have other than the cells of the header, or quotes are not closed.
    """
    notes: list[str] = []
    text = "".join(text.split("\n", skip_rows)[skip_rows:])
    begin = skip_rows + 1
    if (said := _SEP_LINE.match(text)) and not is_certain:
        delimiter, is_certain, begin, text = said[1], True, begin + 1, text[said.end() :]
        notes.append(f"its first line says that {_named(delimiter)} divide the cells")
    if not is_certain:
        delimiter, found = _delimiter(text, delimiter, begin, wanted)
        notes += found
    return _read(text, delimiter, begin, notes)


def _delimiter(text: str, usual: str, line: int, wanted: Collection[str]) -> tuple[str, list[str]]:
    """What divides the cells: the usual, unless only another way gives the columns that the config names."""
    header = _first_cells(text, usual)
    if _has(header, wanted) and (wanted or len(header) > 1):
        return usual, []
    shown = (
        header or text.partition("\n")[:1]
    )  # quotes around each cell can't be read where something else divides them
    others = [sign for sign in DELIMITERS if sign != usual and any(sign in cell for cell in shown)]
    fitting = [sign for sign in others if wanted and _has(_first_cells(text, sign), wanted)]
    if len(fitting) == 1:
        return fitting[0], [f"{_named(fitting[0])} divide its cells: that way the columns of the config are found"]
    for sign in DELIMITERS:
        _refuse_other_header(text, sign, line, wanted)
    if others and len(header) == 1:
        named = header[0] if len(header[0]) <= 60 else f"{header[0][:60]}…"
        hint = f'if {_named(others[0])} divide the cells, say dataset.delimiter: "{_escaped(others[0])}"'
        raise DataFileError((line, f"the header is one column, {named!r}: {hint}"))
    return usual, []


def _refuse_other_header(text: str, delimiter: str, begin: int, wanted: Collection[str]) -> None:
    """Refuse a table whose header stands below lines of another kind, as reports have them.

    Raises:
        DataFileError: A later line has the columns that the config names; says how many lines to skip.
    """
    for line, cells in _first_records(text, delimiter, begin):
        if wanted and line > begin and _has([cell.strip() for cell in cells], wanted):
            message = f"names no column of the config, but line {line} does: say dataset.skip_rows: {line - 1}"
            raise DataFileError((begin, message))


def _has(header: Collection[str], wanted: Collection[str]) -> bool:
    names = set(map(composed, header))
    return all(name in names or name.split(".")[0] in names for name in wanted)


def _named(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, f"signs {delimiter!r}")


def _escaped(delimiter: str) -> str:
    return "\\t" if delimiter == "\t" else delimiter


def _first_cells(text: str, delimiter: str) -> list[str]:
    """The cells of the header; none where it can't be read."""
    return next(([cell.strip() for cell in cells] for _, cells in _first_records(text, delimiter, 1) if cells), [])


def _first_records(text: str, delimiter: str, begin: int) -> Iterator[tuple[int, list[str]]]:
    """As ``_records`` gives them, as far as they can be read."""
    try:
        yield from islice(_records(text, delimiter, begin), MAX_TITLE_LINES)
    except DataFileError:
        return


def _records(text: str, delimiter: str, begin: int) -> Iterator[tuple[int, list[str]]]:
    """The cells of each record, with the line where it begins.

    Raises:
        DataFileError: Its quotes are not as they should be.
    """
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = begin
    try:
        for cells in reader:
            yield line, cells
            line = begin + reader.line_num
    except csv.Error as error:
        message = f"is malformed: {error}; a quote mark inside a quoted cell is doubled"
        raise DataFileError((line, message)) from error


def _read(text: str, delimiter: str, begin: int, notes: list[str]) -> Parsed:
    """The rows, once it is known what divides their cells."""
    names: list[str] = []
    kept: list[tuple[int, list[str]]] = []
    faults: list[tuple[int | None, str]] = []
    blank = 0
    try:
        for line, cells in _records(text, delimiter, begin):
            if not any(cell.strip() for cell in cells):
                blank += bool(cells)
            elif not names:
                names = _header([cell.strip() for cell in cells], line, notes)
            elif len(cells) < _named_cells(names) or any(cell.strip() for cell in cells[len(names) :]):
                faults.append((line, _uneven(len(cells), len(names), delimiter)))
            else:
                kept.append((line, cells))
    except DataFileError as error:
        faults += error.faults
    if faults:
        raise DataFileError(*faults)
    if blank:
        notes.append(f"{blank} line{'s' if blank > 1 else ''} with nothing in any cell left out")
    notes += _left_out(names, [cells for _, cells in kept])
    rows: list[Row] = [{name: cell for name, cell in zip(names, cells, strict=False) if name} for _, cells in kept]
    return Parsed(rows, tuple(line for line, _ in kept), tuple(notes))


def _named_cells(names: Sequence[str]) -> int:
    """How many cells a row must have: those after the last column with a name may be missing."""
    return max(number for number, name in enumerate(names, start=1) if name)


def _uneven(count: int, expected: int, delimiter: str) -> str:
    quoting = f"; a cell that holds {delimiter!r} must be in quotes" if count > expected else ""
    return f"has {count} cells, but the header has {expected}{quoting}"


def _header(names: list[str], line: int, notes: list[str]) -> list[str]:
    """The names of the columns: ``index`` for a first one without a name, as pandas writes the numbers of its rows."""
    twice = first_duplicate(name for name in names if name)
    if twice is not None:
        raise DataFileError((line, f"the column {twice!r} is there twice"))
    if names[0] or "index" in names or len(names) == 1:
        return names
    notes.append("its first column has no name, as the index of pandas: it is called index")
    return ["index", *names[1:]]


def _left_out(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """What is said of columns that no config can name."""
    for at, name in enumerate(names):
        if not name:
            filled = sum(any(cell.strip() for cell in cells[at : at + 1]) for cells in rows)
            held = f", though {filled} of its cells hold something" if filled else ", as are its cells"
            yield f"the name of column {at + 1} is empty{held}: it is left out"
