"""Looks at test rows are counted by their content, once for whoever looks."""

from pathlib import Path

from promptrl.runs.test_reuse import NAME, count_uses, record_use
from promptrl.tasks.dataset import Example


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


def test_a_resumed_run_looks_once(tmp_path: Path) -> None:
    """The second time it only repeats what it has seen."""
    assert [record_use(tmp_path, rows("a"), who) for who in ("run-1", "run-2", "run-1")] == [1, 2, 1]
    assert count_uses(tmp_path, rows("a")) == 2


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    """A process was killed while writing; what follows is counted all the same."""
    record_use(tmp_path, rows("a"), "run-1")
    with (tmp_path / NAME).open("a") as file:
        file.write('{"rows": "12\n')
    assert record_use(tmp_path, rows("a"), "run-2") == 2
