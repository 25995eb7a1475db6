"""Which rows flipped, and how groups of rows fared."""

from typing import Any

import pytest

from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion
from promptrl.report.row_changes import flips, group_changes, paired_outcomes
from promptrl.tasks.dataset import Example


def outcome(row: str, score: float, prompt: str = "p") -> Outcome:
    """An answer on a test row."""
    return Outcome(prompt, row, 0, "test", Completion(text=f"{prompt} {row}"), {}, score, score)


def example(row: str, question: str, reference: str, **columns: Any) -> Example:
    """A row of the data set."""
    return Example(row, {"question": question}, reference, {"question": question, "answer": reference, **columns})


def test_rows_are_paired_by_id() -> None:
    """Whatever the order; rows that only one has answered are left out."""
    pairs = paired_outcomes([outcome("a", 0), outcome("b", 0)], [outcome("c", 1), outcome("b", 1)])
    assert [(first.row_id, second.row_id) for first, second in pairs] == [("b", "b")]


def test_flips_are_told_from_small_changes() -> None:
    """The largest change first."""
    before = [outcome("a", 0), outcome("b", 1), outcome("c", 0.2), outcome("d", 0.5), outcome("e", 1)]
    after = [outcome("a", 0.6), outcome("b", 0), outcome("c", 0.4), outcome("d", 0.6), outcome("e", 1)]
    after[2] = outcome("c", 1)
    fixed, broken = flips(paired_outcomes(before, after))
    assert [first.row_id for first, _ in fixed] == ["c", "a"]
    assert [first.row_id for first, _ in broken] == ["b"]


def test_groups_by_label_length_and_column_fare_apart() -> None:
    """Every row of a group counts, and the change is the paired one."""
    rows = [
        example(str(i), "word " * (i + 1), "yes" if i % 2 else "no", source="web" if i < 12 else "mail", id=i)
        for i in range(24)
    ]
    examples = {row.id: row for row in rows}
    before = [outcome(row.id, 0) for row in rows]
    after = [outcome(row.id, float(row.reference == "yes")) for row in rows]
    found = group_changes(paired_outcomes(before, after), examples)
    assert [(g.column, g.value) for g in found] == [
        ("reference", "no"),
        ("reference", "yes"),
        ("input length", "short"),
        ("input length", "middle"),
        ("input length", "long"),
        ("source", "mail"),
        ("source", "web"),
    ]
    by_value = {g.value: g for g in found}
    assert (by_value["yes"].before, by_value["yes"].after, by_value["yes"].change.difference) == (0, 1, 1)
    assert by_value["no"].change.difference == 0
    assert by_value["mail"].change.rows == 12


@pytest.mark.parametrize("known", [{}, {"a": example("a", "x", "y")}])
def test_rows_without_a_source_make_no_group(known: dict[str, Example]) -> None:
    """A data set that is gone takes the groups with it."""
    assert group_changes(paired_outcomes([outcome("a", 0)], [outcome("a", 1)]), known) == []
