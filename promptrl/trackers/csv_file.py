"""The tracker that every run has: ``progress.csv`` in the run's folder."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class CsvTracker:
    """Writes one line per step; a figure that comes up later gets a column behind the others."""

    def __init__(self) -> None:
        self._path = Path()
        self._columns: list[str] = []
        self._rows: list[Mapping[str, float]] = []

    def start(self, run: Path, config: Mapping[str, Any]) -> None:
        """The file is made with the first figures: a search without any leaves none."""
        self._path = run / "progress.csv"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write a line; where there are new columns, the whole file."""
        self._rows.append(dict(figures))
        new = sorted(figures.keys() - set(self._columns))
        self._columns += new
        with self._path.open("w" if new else "a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerows(self._rows if new else self._rows[-1:])

    def finish(self, result: Mapping[str, Any] | None) -> None:
        """Every line is in the file already."""
