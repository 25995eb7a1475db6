"""Where rows come from, and which examples they make."""

import re
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest

from promptrl.errors import ConfigError, Problem
from promptrl.tasks.data_file import DataFile, FileForm, builtin_names, load_rows
from promptrl.tasks.dataset import Columns, Example, accepted_answers, build_examples, dataset_hash

ROWS = [
    {"ticket": "No money", "category": "cash", "meta": {"lang": "en"}, "answers": {"text": ["a", "b"]}},
    {"ticket": "No card", "category": "card", "meta": {"lang": "de"}, "answers": {"text": ["c", "d"]}},
]


def build(rows: list[dict[str, Any]] = ROWS, **changes: Any) -> list[Example]:
    """Examples of the usual columns."""
    built = build_examples(DataFile("rows", rows), columns(**changes))
    assert not built.problems
    return list(built.by_position.values())


def columns(**changes: Any) -> Columns:
    """The usual columns."""
    return Columns(**({"reference": "category", "placeholders": ("ticket",)} | changes))


def problems_of(rows: list[dict[str, Any]] = ROWS, **changes: Any) -> list[Problem]:
    """What is wrong."""
    return list(build_examples(DataFile("rows", rows), columns(**changes)).problems)


class TestSources:
    """What ``load_rows`` reads."""

    def test_a_missing_file_names_its_neighbour(self, tmp_path: Path) -> None:
        """Most missing files are misspelt."""
        (tmp_path / "tickets.jsonl").write_text("{}", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"no file .*tikets\.jsonl \(did you mean tickets\.jsonl\)"):
            load_rows(tmp_path / "tikets.jsonl")

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        """The reason comes from the system."""
        (tmp_path / "x.csv").mkdir()
        with pytest.raises(ConfigError, match="can't be read"):
            load_rows(tmp_path / "x.csv")

    @pytest.mark.parametrize("content", [b"\x1f\x8b\x08\x00broken", b"\x1f\x8b"])
    def test_a_broken_archive_is_refused(self, content: bytes, tmp_path: Path) -> None:
        """A download that broke off."""
        path = tmp_path / "rows.csv.gz"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="can't be read"):
            load_rows(path)

    @pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.gz"])
    def test_unknown_endings_are_refused(self, name: str, tmp_path: Path) -> None:
        """With those that are known, and the way out."""
        (tmp_path / name).write_text("{}", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"expected \.jsonl.*say dataset\.format"):
            load_rows(tmp_path / name)

    def test_an_unknown_format_names_the_nearest(self, tmp_path: Path) -> None:
        """And the key at fault."""
        (tmp_path / "x.csv").write_text("a\n1\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"dataset\.format: got 'jsnl' \(did you mean jsonl\)"):
            load_rows(tmp_path / "x.csv", FileForm(format="jsnl"))

    @pytest.mark.parametrize("text", ["", "a,b\n"])
    def test_a_file_without_rows_is_refused(self, text: str, tmp_path: Path) -> None:
        """A header alone is none."""
        (tmp_path / "x.csv").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="has no rows"):
            load_rows(tmp_path / "x.csv")

    def test_the_key_to_blame_can_be_said(self, tmp_path: Path) -> None:
        """With three files there are three keys."""
        with pytest.raises(ConfigError, match=r"^dataset\.files\.test: "):
            load_rows(tmp_path / "x.csv", key="dataset.files.test")

    @pytest.mark.parametrize("name", builtin_names())
    def test_bundled_data_sets_are_read(self, name: str) -> None:
        """Each has enough rows to find a better prompt with."""
        assert len(load_rows(f"builtin:{name}").rows) >= 400

    def test_unknown_bundled_data_sets_list_what_exists(self) -> None:
        """There is something to list."""
        assert builtin_names()
        with pytest.raises(ConfigError) as caught:
            load_rows("builtin:zzz")
        assert caught.value.problems[0].hint == f"there are {', '.join(builtin_names())}"


class TestExamples:
    """Rows become examples."""

    def test_fields_are_what_the_template_names(self) -> None:
        """Everything else stays in ``raw``."""
        example = build()[0]
        assert example.fields == {"ticket": "No money"}
        assert example.reference == "cash"
        assert example.raw == ROWS[0]

    def test_the_input_column_fills_the_placeholder_input(self) -> None:
        """And is there under that name even if the template does not name it."""
        assert build(input="ticket", placeholders=("input",))[0].fields == {"input": "No money"}
        assert build(input="ticket")[0].fields == {"ticket": "No money", "input": "No money"}

    def test_a_column_of_that_name_wins_over_the_input_column(self) -> None:
        """The rows of Alpaca have an instruction, and an input beside it that is often empty."""
        rows = [{"instruction": "Add.", "input": "2, 2"}, {"instruction": "Name a fruit.", "input": ""}]
        options: dict[str, Any] = {"rows": rows, "reference": None, "placeholders": ("instruction", "input")}
        for named in ("instruction", None):
            examples = build(**options, input=named)
            assert [example.fields for example in examples] == rows
            assert [example.input for example in examples] == (
                [row["instruction"] for row in rows] if named else [None] * 2
            )
        (problem,) = problems_of(**options, input="instruktion")
        assert (problem.key, problem.hint) == ("dataset.input", "did you mean instruction")

    @pytest.mark.parametrize(
        "changes",
        [
            {"placeholders": ("category",)},
            {"renamed": {"x": "category"}, "placeholders": ("x",)},
            {"renamed": {"x": "answers"}, "placeholders": ("x",), "reference": "answers.text.0"},
        ],
    )
    def test_the_reference_is_no_placeholder(self, changes: dict[str, Any]) -> None:
        """A prompt that shows the known good answer would score by copying it."""
        (problem,) = [found for found in problems_of(**changes) if "known good answer" in found.message]
        assert problem.key == ("dataset.columns.x" if "renamed" in changes else "prompt.user")

    def test_columns_rename_placeholders(self) -> None:
        """The mapping wins over a column of the placeholder's own name."""
        example = build(renamed={"category": "ticket"}, placeholders=("category",))[0]
        assert example.fields == {"category": "No money"}

    def test_dotted_paths_reach_nested_cells(self) -> None:
        """Through objects and lists."""
        example = build(reference="answers.text.1", renamed={"language": "meta.lang"}, placeholders=("language",))[0]
        assert example.fields == {"language": "en"}
        assert example.reference == "b"

    def test_a_column_with_a_dot_in_its_name_comes_first(self) -> None:
        """Before the path."""
        rows = [{"a.b": "flat", "a": {"b": "nested"}}]
        assert build(rows, reference=None, placeholders=("a.b",))[0].fields == {"a.b": "flat"}

    def test_cells_that_are_no_text_are_shown_as_json(self) -> None:
        """With Unicode as it is."""
        rows = [{"t": [1, "é"]}, {"t": 3}, {"t": True}, {"t": 1.5}]
        assert [e.fields["t"] for e in build(rows, reference=None, placeholders=("t",))] == [
            '[1, "é"]',
            "3",
            "true",
            "1.5",
        ]

    def test_ids_depend_on_content_alone(self) -> None:
        """Neither on the order nor on columns that no one uses."""
        first, second = build()
        again = build([{**ROWS[1], "extra": 1}, ROWS[0]])
        assert (again[0].id, again[1].id) == (second.id, first.id)
        assert re.fullmatch("[0-9a-f]{12}", first.id)

    def test_equal_rows_have_ids_of_their_own(self) -> None:
        """Outcomes are logged by id."""
        first, second, third = build([ROWS[0]] * 3)
        assert (second.id, third.id) == (f"{first.id}-2", f"{first.id}-3")

    def test_the_hash_sees_every_cell_but_no_order(self) -> None:
        """Also cells that only a metric reads."""
        base = dataset_hash(build())
        assert dataset_hash(reversed(build())) == base
        assert dataset_hash(build([{**ROWS[0], "note": 1}, ROWS[1]])) != base
        assert dataset_hash(build([ROWS[0]])) != base

    def test_a_list_is_several_right_answers(self) -> None:
        """Anything else is one."""
        assert accepted_answers(["a", 2]) == ("a", "2")
        assert accepted_answers("a") == ("a",)
        assert accepted_answers({"a": 1}) == ('{"a": 1}',)


class TestColumnProblems:
    """Every error before the first call."""

    def test_a_placeholder_without_a_column_names_the_nearest(self) -> None:
        """The template is to blame."""
        (problem,) = problems_of(placeholders=("tickt",))
        assert (problem.key, problem.hint) == ("prompt.user", "did you mean ticket")
        assert "{tickt}" in problem.message

    @pytest.mark.parametrize(
        ("changes", "key"),
        [
            ({"renamed": {"ticket": "tikket"}}, "dataset.columns.ticket"),
            ({"input": "tikket"}, "dataset.input"),
            ({"reference": "categry"}, "dataset.reference"),
        ],
    )
    def test_the_key_at_fault_is_named(self, changes: dict[str, Any], key: str) -> None:
        """As the user wrote it."""
        (problem,) = problems_of(**changes)
        assert problem.key == key
        assert problem.hint in ("did you mean ticket", "did you mean category")

    def test_nested_columns_are_proposed_by_path(self) -> None:
        """A near miss inside an object."""
        (problem,) = problems_of(reference="meta.lng")
        assert problem.hint == "did you mean meta.lang"

    def test_all_problems_come_at_once(self) -> None:
        """One run of ``validate`` is enough."""
        assert [p.key for p in problems_of(placeholders=("x", "y"), reference="z")] == [
            "prompt.user",
            "prompt.user",
            "dataset.reference",
        ]

    @pytest.mark.parametrize("cell", ["", "  \n", None, [], [""], ["a", None], float("nan")])
    def test_an_empty_reference_names_its_row(self, cell: Any) -> None:
        """It would score every answer as wrong."""
        (problem,) = problems_of(rows=[ROWS[0], {**ROWS[1], "category": cell}])
        assert problem.key == "dataset.reference"
        assert problem.message.endswith("column 'category' in row 2")

    def test_many_rows_are_counted(self) -> None:
        """Five are named."""
        rows = [ROWS[0]] + [{"ticket": f"t{i}"} for i in range(9)]
        (problem,) = problems_of(rows=rows)
        assert problem.message.endswith("in rows 2, 3, 4, 5, 6 and 4 more")

    def test_a_missing_field_names_its_row(self) -> None:
        """An empty text is a value, nothing is not."""
        (problem,) = problems_of(rows=[ROWS[0], {"category": "x"}])
        assert problem.message.endswith("column 'ticket' in row 2")

    def test_a_row_that_asks_nothing_is_refused(self) -> None:
        """But one empty field among others may be meant."""
        rows = [{"a": "", "b": "x"}, {"a": " ", "b": ""}]
        (problem,) = problems_of(rows=rows, reference=None, placeholders=("a", "b"))
        assert problem.message == "nothing is asked in row 2: the cells are empty"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_a_column_is_known_by_both_ways_to_write_an_accent(
    tmp_path: Path, form: Literal["NFC", "NFD"], other: Literal["NFC", "NFD"]
) -> None:
    """A file from another system may hold e and accent apart; nobody sees the difference."""
    file = tmp_path / "rows.csv"
    file.write_text(unicodedata.normalize(form, "question,réponse\nwhat,yes\n"), encoding="utf-8")
    reference = unicodedata.normalize(other, "réponse")
    built = build_examples(load_rows(file), Columns("question", reference, placeholders=("question",)))
    assert built.by_position[0].reference == "yes"
