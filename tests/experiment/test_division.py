"""The rows of a run stay divided as they were, whatever happens to the rest of the data set."""

import json
from typing import Any

import pytest

from promptrl.experiment.division import Division, described, restored
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import Splits, fold_examples, split_examples

SHARES = {"train": 0.5, "validation": 0.2, "test": 0.3}


def rows_from(first: int, end: int) -> list[Example]:
    """A row for each number."""
    return [Example(f"r{at}", {"q": f"q{at}"}, at, {"q": f"q{at}"}) for at in range(first, end)]


def kept(divisions: tuple[Splits, ...], rows: list[Example]) -> Division:
    """As it is read from a folder."""
    return dict(json.loads(json.dumps(described(divisions, len(rows)))))


@pytest.mark.parametrize(
    "options", [{}, {"limit": 40}, {"stratify": True}, {"demonstration_candidates": 4}, {"folds": 3}]
)
def test_rows_that_join_change_no_division(options: dict[str, Any]) -> None:
    """Also where shares are cut exactly, so that a new row would move others."""
    rows = rows_from(0, 60)
    if "folds" in options:
        divisions = fold_examples(rows, fractions=SHARES, seed=0, **options)
    else:
        divisions = (split_examples(rows, fractions=SHARES, seed=0, **options),)
    again = restored(kept(divisions, rows), [*rows_from(60, 70), *reversed(rows)])
    assert again is not None
    assert again[0] == divisions
    assert again[1].told == "10 rows were added"


def test_what_is_gone_and_what_says_something_else_is_counted() -> None:
    """A row that was changed is gone, and another one has come."""
    rows = rows_from(0, 60)
    splits = split_examples(rows, fractions=SHARES, seed=0)
    gone, changed = splits.train[:2]
    left = [row for row in rows if row not in (gone, changed)]
    again = restored(kept((splits,), rows), [*left, *rows_from(99, 100)])
    assert again is not None
    assert again[1].told == "2 of its rows are gone or changed and 1 row was added"
    assert again[1].altered == {"train"}
    assert again[0][0].test == splits.test


def test_a_split_without_rows_is_no_division() -> None:
    """What is left could not be worked with."""
    rows = rows_from(0, 60)
    splits = split_examples(rows, fractions=SHARES, seed=0)
    assert restored(kept((splits,), rows), [*splits.train, *splits.validation]) is None
