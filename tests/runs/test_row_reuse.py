"""Looks at test rows are counted row by row, once for whoever looks."""

import json
from pathlib import Path

import pytest

from promptrl.runs.row_reuse import NAME, count_uses, record_use
from promptrl.tasks.dataset import Example, dataset_hash


def rows(*questions: str) -> list[Example]:
    """Test rows."""
    return [Example(question, {"input": question}, None, {}) for question in questions]


def test_looks_are_numbered_by_rows(tmp_path: Path) -> None:
    """Other rows have a count of their own; the order of the rows does not matter."""
    folder = tmp_path / "runs"
    assert count_uses(folder, rows("a", "b")) == 0
    assert [record_use(folder, rows("a", "b"), f"run-{n}") for n in range(3)] == [1, 2, 3]
    assert record_use(folder, rows("b", "a"), "run-3") == 4
    assert record_use(folder, rows("c"), "run-4") == 1
    assert count_uses(folder, rows("a", "b")) == 4


@pytest.mark.parametrize(
    ("questions", "uses"),
    [
        ("abcdefgh", 3),
        ("abcdefghi", 3),
        ("abcdefg", 3),
        ("xabcdefgh"[::-1], 3),
        ("abcdwxyz", 2),
        ("awxyz", 1),
        ("tuvwxyza", 0),
    ],
    ids=["the same", "one more", "one less", "another order", "half of them", "few of them", "one of them"],
)
def test_rows_that_come_and_go_leave_the_count_of_the_others(tmp_path: Path, questions: str, uses: int) -> None:
    """Each look counts for as much as it saw of the rows of today."""
    for night in range(3):
        record_use(tmp_path, rows(*"abcdefgh"), f"run-{night}")
    assert count_uses(tmp_path, rows(*questions)) == uses
    assert record_use(tmp_path, rows(*questions), "tonight") == uses + 1


def test_a_row_is_known_by_its_input(tmp_path: Path) -> None:
    """A corrected label, and how the question is spaced, make no new row; nor does the question asked twice."""
    record_use(tmp_path, rows("What is up?", "b"), "run-1")
    relabelled = Example("other", {"input": "what is  UP?"}, "fine", {"note": "checked"})
    assert count_uses(tmp_path, [relabelled]) == 1
    assert count_uses(tmp_path, [*rows("new"), *[relabelled] * 9]) == 1


def test_looks_of_whole_sets_are_still_counted(tmp_path: Path) -> None:
    """Older versions wrote down a hash of all rows together."""
    line = {"rows": dataset_hash(rows("a", "b")), "subject": "run-1", "at": "2026-11-01T00:00:00+00:00"}
    (tmp_path / NAME).write_text(json.dumps(line) + "\n")
    assert count_uses(tmp_path, rows("a", "b")) == 1
    assert count_uses(tmp_path, rows("a", "b", "c")) == 0


@pytest.mark.parametrize("line", ['{"rows": "12', "7", "{}", '{"rows": {"a": 1}}', '{"rows": [1, null, {}]}', "null"])
def test_a_damaged_line_is_passed_over(tmp_path: Path, line: str) -> None:
    """It is no look at any row."""
    (tmp_path / NAME).write_text(line + "\n")
    assert count_uses(tmp_path, rows("a")) == 0
    assert record_use(tmp_path, rows("a"), "run-1") == 1


def test_a_resumed_run_looks_once(tmp_path: Path) -> None:
    """The second time it only repeats what it has seen."""
    assert [record_use(tmp_path, rows("a"), who) for who in ("run-1", "run-2", "run-1")] == [1, 2, 1]
    assert count_uses(tmp_path, rows("a")) == 2


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    """The disk was full, or a process killed while it wrote; what follows is counted all the same."""
    record_use(tmp_path, rows("a"), "run-1")
    with (tmp_path / NAME).open("a") as file:
        file.write('{"rows": "12')
    assert [record_use(tmp_path, rows("a"), f"run-{n}") for n in (2, 3)] == [2, 3]
