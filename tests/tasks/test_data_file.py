"""Files as other programs write them: what is clear is read and said, what is not is told with the key that helps."""

import json
import unicodedata
from pathlib import Path

import pytest

from promptrl.errors import ConfigError
from promptrl.tasks.data_file import DataFile, FileForm, is_encoding, load_rows

ROWS = [{"q": "Wie spät, bitte?", "a": "zehn; oder elf"}, {"q": "Wo?", "a": "hier"}]
BY_SEMICOLON = 'q;a\r\nWie spät, bitte?;"zehn; oder elf"\r\nWo?;hier\r\n'
COLUMNS = {"q": [row["q"] for row in ROWS], "a": [row["a"] for row in ROWS]}
NUMBERED = {name: {str(at): cell for at, cell in enumerate(cells)} for name, cells in COLUMNS.items()}
SPLIT = {"columns": ["q", "a"], "index": [0, 1], "data": [list(row.values()) for row in ROWS]}


def load(folder: Path, name: str, content: bytes | str, form: FileForm | None = None) -> DataFile:
    """What is read from a file whose columns q and a the config names."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_rows(path, form or FileForm(), wanted={"q", "a"})


def fault(folder: Path, name: str, content: bytes | str, form: FileForm | None = None) -> str:
    """The one thing that is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        load(folder, name, content, form)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("excel.csv", "\ufeff" + BY_SEMICOLON, "semicolons divide its cells"),
        ("excel.tsv", BY_SEMICOLON, "semicolons divide its cells"),
        ("quoted.csv", '\ufeff"q";"a"\r\n"Wie spät, bitte?";"zehn; oder elf"\r\n"Wo?";"hier"\r\n', "semicolons divide"),
        ("quoted.tsv", '"q","a"\n"Wie spät, bitte?","zehn; oder elf"\n"Wo?","hier"\n', "commas divide its cells"),
        ("commas.jsonl", ",\n".join(json.dumps(row) for row in ROWS), "do not stand on a line each"),
        ("bars.csv", "q|a\nWie spät, bitte?|zehn; oder elf\nWo?|hier\n", "vertical bars divide its cells"),
        ("tabs.csv", "q\ta\nWie spät, bitte?\tzehn; oder elf\nWo?\thier\n", "tabs divide its cells"),
        ("sep.csv", "sep=;\r\n" + BY_SEMICOLON, "its first line says that semicolons"),
        ("unicode.csv", BY_SEMICOLON.encode("utf-16"), "its byte order mark says that it is UTF-16"),
        ("by_column.json", json.dumps(COLUMNS), "column by column"),
        ("pandas.json", json.dumps(NUMBERED), "column by column"),
        ("split.json", json.dumps(SPLIT), "its rows are lists under `data`"),
        ("list.jsonl", json.dumps(ROWS), "it is one list"),
        ("lines.json", "\n".join(json.dumps(row) for row in ROWS), "one object on each line"),
        ("by_id.json", json.dumps({"one": ROWS[0], "two": ROWS[1]}), "its rows stand under a key each"),
        ("train.json", json.dumps({"licence": "MIT", "train": ROWS}), "its rows stand under 'train'"),
        ("pretty.jsonl", "\n".join(json.dumps(row, indent=1) for row in ROWS), "do not stand on a line each"),
        ("jq.json", "\n".join(json.dumps(row, indent=1) for row in ROWS), "do not stand on a line each"),
        ("glued.jsonl", "".join(json.dumps(row) for row in ROWS), "do not stand on a line each"),
        ("by_column.yaml", json.dumps(COLUMNS), "column by column"),
        ("trailing.csv", BY_SEMICOLON + ";;\r\n;\r\n", "2 lines with nothing in any cell"),
        ("nameless.csv", BY_SEMICOLON.replace("\r\n", ";\r\n"), "the name of column 3 is empty, as are its cells"),
        (
            "notes.csv",
            BY_SEMICOLON.replace("q;a", "q;a;").replace("hier", "hier;sicher?").replace('elf"', 'elf";'),
            "though 1 of its cells hold something: it is left out",
        ),
    ],
)
def test_what_is_clear_is_read_and_said(name: str, content: bytes | str, note: str, tmp_path: Path) -> None:
    """The same rows from all of them."""
    file = load(tmp_path, name, content)
    assert file.rows == ROWS
    assert any(note in found for found in file.notes), file.notes


def test_plain_files_need_no_word(tmp_path: Path) -> None:
    """Nothing is guessed about what is as its name says, a byte order mark or not."""
    for mark in ("", "\ufeff"):
        assert load(tmp_path, "a.csv", mark + 'q,a\n"Wie spät, bitte?",zehn; oder elf\nWo?,hier\n').notes == ()


def test_the_usual_delimiter_goes_first(tmp_path: Path) -> None:
    """A sign in the header divides nothing where the columns are found without it."""
    file = load(tmp_path, "a.csv", "q,a,with; without\n1,2,3\n")
    assert (file.rows, file.notes) == ([{"q": "1", "a": "2", "with; without": "3"}], ())


def test_the_index_of_pandas_is_a_column_of_its_own(tmp_path: Path) -> None:
    """It has no name in the file."""
    file = load(tmp_path, "a.csv", ",q,a\n0,2 + 2,4\n")
    assert file.rows == [{"index": "0", "q": "2 + 2", "a": "4"}]
    assert "called index" in file.notes[0]
    assert load(tmp_path, "b.csv", ",q,a,index\n0,2 + 2,4,7\n").rows == [{"q": "2 + 2", "a": "4", "index": "7"}]


@pytest.mark.parametrize("decimal", ["1,5;2,5", "x;y"])
def test_columns_that_are_not_found_leave_the_delimiter_to_the_user(decimal: str, tmp_path: Path) -> None:
    """With the key to write."""
    told = fault(tmp_path, "a.csv", f"frage;antwort\n{decimal}\n")
    assert "the header is one column, 'frage;antwort'" in told
    assert 'if semicolons divide the cells, say dataset.delimiter: ";"' in told


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (BY_SEMICOLON, FileForm(delimiter=";")),
        (BY_SEMICOLON.encode("cp1252"), FileForm(encoding="cp1252")),
        ("\ufeff" + BY_SEMICOLON, FileForm(encoding="utf-8")),
        (BY_SEMICOLON.encode("utf-16-le"), FileForm(encoding="utf-16-le")),
        ("Bericht vom 1. Mai\r\n\r\n" + BY_SEMICOLON, FileForm(skip_rows=2)),
        (BY_SEMICOLON.replace(";", "^"), FileForm(delimiter="^")),
    ],
)
def test_the_config_can_say_how_a_file_is_written(content: bytes | str, form: FileForm, tmp_path: Path) -> None:
    """What it says is not guessed."""
    rows = load(tmp_path, "a.csv", content, form).rows
    assert [row["q"] for row in rows] == [row["q"] for row in ROWS]


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """Also after lines that are skipped, left out, or inside of cells; where a format tells them."""
    text = 'report\nsep=;\nq;a\n"1\n1";x\n;\n2;y\n'
    assert load(tmp_path, "a.csv", text, FileForm(skip_rows=1)).lines == (4, 7)
    assert load(tmp_path, "a.jsonl", '\n{"q": 1}\n\n{"q": 2}\n').lines == (2, 4)
    assert load(tmp_path, "a.json", '[\n{"q": "]",\n "a": 1}, {"q": 2},\n\n{"q": 3}]').lines == (2, 3, 5)
    assert load(tmp_path, "a.yaml", "- q: 1\n  a: 2\n\n- q: 3\n").lines == (1, 4)
    numbered = load(tmp_path, "b.json", json.dumps(COLUMNS))
    assert (numbered.lines, numbered.place([0])) == ((), "row 1")


def test_utf_16_without_a_mark_is_told_with_what_helps(tmp_path: Path) -> None:
    """It looks like UTF-8 with nothing between the letters."""
    assert "dataset.encoding: utf-16-le" in fault(tmp_path, "a.csv", "q,a\n1,2\n".encode("utf-16-le"))


def test_another_encoding_than_the_config_says_is_told(tmp_path: Path) -> None:
    """With its line."""
    assert "a.csv:2: dataset.path: is not ascii" in fault(tmp_path, "a.csv", BY_SEMICOLON, FileForm(encoding="ascii"))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["q"], "item 1 of `data` has 2 cells, but `columns` has 1"),
        (["q", "q"], "the column 'q' is there twice"),
    ],
)
def test_cells_that_fit_no_columns_are_told(columns: list[str], words: str, tmp_path: Path) -> None:
    """None is left out, and none takes another's place."""
    assert words in fault(tmp_path, "a.json", json.dumps(SPLIT | {"columns": columns}))


def test_columns_named_by_several_words_are_read(tmp_path: Path) -> None:
    """As pandas names them that have two headers."""
    assert list(load(tmp_path, "a.json", json.dumps(SPLIT | {"columns": [["q", "en"], "a"]})).rows[0])[1] == "a"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "Größe;Maß\n1;2\n"), ("a.json", json.dumps({"Größe": ["1"], "Maß": ["2"]}, ensure_ascii=False))],
)
def test_columns_are_found_however_their_accents_are_written(name: str, content: str, tmp_path: Path) -> None:
    """Also where they show how the file is meant."""
    path = tmp_path / name
    path.write_text(unicodedata.normalize("NFD", content), encoding="utf-8")
    assert load_rows(path, wanted={"Größe", "Maß"}).rows == [{"Größe": "1", "Maß": "2"}]


def test_objects_of_objects_are_columns_only_where_the_config_names_them(tmp_path: Path) -> None:
    """They may as well be rows by number."""
    assert "is one object" in fault(tmp_path, "a.json", json.dumps({"0": ROWS[0], "1": {"q": "no answer"}}))


@pytest.mark.parametrize("title", ["Report of May\n\n", "Report of May;;\nfor,you;\n", '"Report, of\nMay"\n'])
def test_lines_above_the_header_are_told_with_what_to_skip(title: str, tmp_path: Path) -> None:
    """With the number to write, which then works."""
    told = fault(tmp_path, "a.csv", title + BY_SEMICOLON)
    assert "a.csv:1: dataset.path: names no column of the config, but line 3 does: say dataset.skip_rows: 2" in told
    assert load(tmp_path, "a.csv", title + BY_SEMICOLON, FileForm(skip_rows=2)).rows == ROWS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04\x14\x00\x06", "save it as CSV"),
        (b"PAR1\x15\x04", "is Parquet"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "git lfs pull"),
    ],
)
def test_files_that_hold_no_rows_are_told_by_what_they_are(content: bytes, words: str, tmp_path: Path) -> None:
    """Whatever their name says."""
    assert words in fault(tmp_path, "a.csv", content)


def test_rows_on_one_line_are_told_by_their_number(tmp_path: Path) -> None:
    """The line would be no help."""
    file = load(tmp_path, "a.json", json.dumps(ROWS))
    assert (file.lines, file.place([0, 1])) == ((), "rows 1, 2")


@pytest.mark.parametrize(("name", "is_one"), [("UTF-8", True), ("cp1252", True), ("rot13", False), ("idna", False)])
def test_encodings_are_those_that_files_have(name: str, is_one: bool) -> None:
    """Python has more than that under this word."""
    assert is_encoding(name) is is_one
    assert not is_encoding("latin-99")
