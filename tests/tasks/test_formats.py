"""Every format gives the same rows; every fault is reported with its line."""

import gzip
import json
from pathlib import Path

import pytest

from promptrl.errors import ConfigError
from promptrl.tasks.data_file import FileForm, load_rows

ROWS = [{"ticket": "No money, again", "label": "cash"}, {"ticket": 'It says "no"', "label": "no"}]
TEXTS = {
    "jsonl": "\n".join(json.dumps(row) for row in ROWS) + "\n\n",
    "json": json.dumps(ROWS),
    "csv": 'ticket,label\r\n"No money, again",cash\r\n"It says ""no""",no\r\n',
    "tsv": 'ticket\tlabel\nNo money, again\tcash\n"It says ""no"""\tno\n',
    "yaml": "- {ticket: 'No money, again', label: cash}\n- ticket: It says \"no\"\n  label: no\n",
}

GROWING = "- a0: &a0 {k: v}\n" + "".join(
    f"  a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}\n" for n in range(9)
)
"""A few hundred bytes whose aliases stand for hundreds of millions of values."""


def write(folder: Path, name: str, text: str) -> Path:
    """Put a data file somewhere."""
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def faults(path: Path) -> list[tuple[str | None, int | None, str]]:
    """File, line and message of each problem."""
    with pytest.raises(ConfigError) as caught:
        load_rows(path)
    assert {problem.key for problem in caught.value.problems} == {"dataset.path"}
    return [(problem.file, problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize("kind", TEXTS)
def test_all_formats_give_the_same_rows(kind: str, tmp_path: Path) -> None:
    """The format is known by the ending."""
    assert load_rows(write(tmp_path, f"rows.{kind}", TEXTS[kind])).rows == ROWS


@pytest.mark.parametrize("kind", TEXTS)
def test_compressed_files_are_read(kind: str, tmp_path: Path) -> None:
    """By their content, and by the ending before .gz."""
    path = tmp_path / f"rows.{kind}.gz"
    path.write_bytes(gzip.compress(TEXTS[kind].encode()))
    assert load_rows(path).rows == ROWS


@pytest.mark.parametrize("kind", TEXTS)
def test_a_byte_order_mark_is_no_content(kind: str, tmp_path: Path) -> None:
    """Spreadsheets on Windows write one."""
    assert load_rows(write(tmp_path, f"rows.{kind}", "\ufeff" + TEXTS[kind])).rows == ROWS


def test_the_format_may_be_said(tmp_path: Path) -> None:
    """For files whose name says nothing."""
    assert load_rows(write(tmp_path, "rows.txt", TEXTS["jsonl"]), FileForm(format="jsonl")).rows == ROWS


@pytest.mark.parametrize("key", ["data", "examples", "rows"])
@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_rows_may_stand_under_a_key(key: str, kind: str, tmp_path: Path) -> None:
    """As public benchmarks write them."""
    assert load_rows(write(tmp_path, f"rows.{kind}", json.dumps({"licence": "MIT", key: ROWS}))).rows == ROWS
    numbered = {str(number): row for number, row in enumerate(ROWS)}
    assert load_rows(write(tmp_path, f"numbered.{kind}", json.dumps({key: numbered}))).rows == ROWS


def test_a_line_separator_inside_a_json_text_ends_no_line(tmp_path: Path) -> None:
    """U+2028 is legal in JSON, though Python's splitlines cuts there."""
    assert load_rows(write(tmp_path, "rows.jsonl", '{"a": "x\u2028y"}\n')).rows == [{"a": "x\u2028y"}]


def test_cells_may_hold_line_breaks(tmp_path: Path) -> None:
    """In quotes, and the lines of later faults are still right."""
    path = write(tmp_path, "rows.csv", 'a,b\n"one\ntwo",x\n1,2,3\n')
    quoting = "a cell that holds ',' must be in quotes"
    assert faults(path) == [(str(path), 4, f"has 3 cells, but the header has 2; {quoting}")]


def test_yaml_words_stay_words(tmp_path: Path) -> None:
    """In YAML 1.1 these would be false, 8, 750 and a date."""
    text = "- {label: no, zip: 010, time: 12:30, day: 2024-01-05, n: 3, x: 1.5, y: 3e-4, t: true, e: null}\n"
    (row,) = load_rows(write(tmp_path, "rows.yaml", text)).rows
    assert row == {
        "label": "no",
        "zip": "010",
        "time": "12:30",
        "day": "2024-01-05",
        "n": 3,
        "x": 1.5,
        "y": 3e-4,
        "t": True,
        "e": None,
    }


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("r.jsonl", '{"a": 1}\n\n{"a": \n', 3, "is not JSON"),
        ("r.jsonl", '{"a": 1}\n[1]\n', 2, "is a list, expected an object"),
        ("r.jsonl", '{"a": 1, "a": 2}\n', 1, "'a' is there twice"),
        ("r.jsonl", '{"a": NaN}\n', 1, "NaN is not JSON"),
        ("r.jsonl", '{"a": 1}\n' + "9" * 5000 + "\n", 2, "is not JSON"),
        ("r.json", '[\n{"a": 1},\n{"a" 2}]', 3, "is not JSON"),
        ("r.json", '{"a": 1}', None, "expected a list of rows, one under data or examples or rows, or"),
        ("r.json", '{"rows": "x"}', None, "expected a list of rows"),
        ("r.json", '[{"a": 1}, 2]', None, "item 2 is a number"),
        ("r.json", "null", None, "holds nothing"),
        ("r.csv", "a,b\n1\n", 2, "has 1 cells, but the header has 2"),
        ("r.csv", "a,b\n1,2\n\n1,2,3\n", 4, "has 3 cells"),
        ("r.csv", 'a,b\n1,"2\n', 2, "is malformed"),
        ("r.csv", "a,b,a\n1,2,3\n", 1, "'a' is there twice"),
        ("r.tsv", "a\tb\n1,2\n", 2, "has 1 cells"),
        ("r.yaml", "- a: 1\n- a: [\n", 3, "is not YAML"),
        ("r.yaml", "- a: 1\n- b: 1\n  b: 2\n", 2, "'b' is there twice"),
        ("r.yaml", "- a: !!python/name:os.system\n", 1, "is not YAML"),
        ("r.yaml", "just text", None, "holds text"),
        ("r.yaml", "- a: !!int x\n", None, "is not YAML"),
        ("r.yaml", "- a: !!bool x\n", None, "is not YAML"),
        ("r.yaml", "- a: !!timestamp x\n", None, "is not YAML"),
        ("r.yaml", "- a: !!timestamp 2001-99-99\n", None, "is not YAML"),
        ("r.yaml", "- &a {a: *a}\n", 1, "an alias contains itself"),
        ("r.yaml", GROWING, None, "aliases grow beyond all reason"),
        ("r.yaml", "- {? [1, 2] : 3}", 1, "is not YAML"),
    ],
)
def test_faults_name_file_and_line(name: str, text: str, line: int | None, words: str, tmp_path: Path) -> None:
    """So that an editor can jump there."""
    path = write(tmp_path, name, text)
    ((file, found_line, message),) = faults(path)
    assert (file, found_line) == (str(path), line)
    assert words in message


def test_every_bad_line_is_reported(tmp_path: Path) -> None:
    """Each kind of fault once, with the first lines that have it, so that a foreign file does not flood the screen."""
    (fault,) = faults(write(tmp_path, "rows.jsonl", '{"a": 1}\nx\n{"a": 1}\ny\n'))
    assert fault[1] == 2
    assert fault[2].endswith("; likewise line 4")
    (flood,) = faults(write(tmp_path, "flood.jsonl", "x\n" * 500))
    assert flood[2].endswith("; likewise lines 2, 3, 4, 5, 6 and 494 more")
    kinds = faults(write(tmp_path, "kinds.csv", "a,b\n1\n1,2,3\n1\n1,2,3,4\n"))
    assert [line for _, line, _ in kinds] == [2, 3, 5]
    many = faults(write(tmp_path, "many.csv", "a\n" + "".join(f"{'x,' * n}x\n" for n in range(1, 31))))
    assert (len(many), many[-1][2]) == (21, "10 more faults")


def test_other_encodings_are_refused_with_their_line(tmp_path: Path) -> None:
    """Guessing an encoding corrupts data without a word; but what helps is said."""
    path = tmp_path / "rows.csv"
    path.write_bytes("a\nx\ncafé\n".encode("latin-1"))
    told = 'is not UTF-8: save it as UTF-8, or say dataset.encoding (with cp1252 the line is "café")'
    assert faults(path) == [(str(path), 3, told)]


def test_a_long_cell_is_read_whole(tmp_path: Path) -> None:
    """Whole documents stand in cells: longer ones than Python's own limit of 131,072 characters."""
    long = "x" * 150_000
    assert load_rows(write(tmp_path, "a.csv", f"text,label\n{long},y\n")).rows == [{"text": long, "label": "y"}]


@pytest.mark.parametrize(
    ("text", "hint"), [("q;a\n1;2\n", 'dataset.delimiter: ";"'), ("q\ta\n1\t2\n", 'dataset.delimiter: "\\t"')]
)
def test_another_delimiter_is_told_with_what_helps(tmp_path: Path, text: str, hint: str) -> None:
    """Instead of one column with an odd name, where no column that the config names shows what is meant."""
    assert hint in faults(write(tmp_path, "a.csv", text))[0][2]


@pytest.mark.parametrize(("name", "kind"), [("a.json", "jsonl"), ("a.jsonl", "json")])
def test_json_lines_and_lists_are_told_apart_by_what_they_hold(tmp_path: Path, name: str, kind: str) -> None:
    """Whatever the ending of the file says: neither can be the other."""
    assert load_rows(write(tmp_path, name, TEXTS[kind])).rows == ROWS
