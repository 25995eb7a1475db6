"""How a run divided its rows, as its folder keeps it: they stay its own when others join them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptrl.errors import Problem
from promptrl.tasks.dataset import Example, dataset_hash
from promptrl.tasks.splits import NAMES, Splits

PARTS = (*NAMES, "demonstrations")
Division = Mapping[str, Any]
"""``rows``: how many there were; ``divisions``: ids by split; ``hashes``: of the last division's rows, by split."""


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What became of the rows of a run since it began.

    Attributes:
        added: Rows that the data set has now and had not.
        lost: Rows of the run that are gone, or say something else.
        altered: Splits with such rows, or with other cells in columns that no prompt shows.
    """

    added: int = 0
    lost: int = 0
    altered: frozenset[str] = frozenset()

    @property
    def told(self) -> str:
        """In words; empty when all is as it was."""
        lost = f"{self.lost} of its rows {_are(self.lost)} gone or changed" if self.lost else ""
        if self.altered and not lost:
            lost = "other cells of its rows have changed"
        added = f"{self.added} {'row was' if self.added == 1 else 'rows were'} added" if self.added else ""
        return " and ".join(part for part in (lost, added) if part)

    @property
    def problems(self) -> list[Problem]:
        """The same as a warning, for whom goes on with what is left."""
        if not self.told:
            return []
        return [Problem("dataset", f"{self.told} since the run began, which keeps to its own rows", is_warning=True)]


def told_of(changes: RowChanges | None) -> str:
    """What became of the rows of a run whose data set is not what it was; None: no more than that is known."""
    return (changes and changes.told) or "its data set, or how it is divided, has changed"


def described(divisions: Sequence[Splits], rows: int) -> Division:
    """What a run keeps of its division, of so many rows."""
    return {
        "rows": rows,
        "divisions": [{name: [row.id for row in getattr(splits, name)] for name in PARTS} for splits in divisions],
        "hashes": {name: dataset_hash(getattr(divisions[-1], name)) for name in PARTS},
    }


def restored(division: Division, rows: Sequence[Example]) -> tuple[tuple[Splits, ...], RowChanges] | None:
    """The rows divided as they were, as far as they are still there; None where a split has lost all of its rows."""
    known = {row.id: row for row in rows}
    divisions = []
    for ids in division["divisions"]:
        parts = {name: tuple(known[row_id] for row_id in ids[name] if row_id in known) for name in PARTS}
        if not all(parts[name] for name in NAMES):
            return None
        divisions.append(Splits(**parts))
    used = {row_id for ids in division["divisions"] for name in PARTS for row_id in ids[name]}
    lost = len(used - known.keys())
    last = divisions[-1]
    altered = [name for name in PARTS if dataset_hash(getattr(last, name)) != division["hashes"][name]]
    added = max(0, len(rows) - (division["rows"] - lost))
    return tuple(divisions), RowChanges(added, lost, frozenset(altered))


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
