"""``progress.csv`` holds every figure that was logged."""

import csv
from pathlib import Path

from promptrl.trackers.csv_file import CsvTracker


def test_a_figure_that_comes_up_later_gets_a_column(tmp_path: Path) -> None:
    """Lines before it have nothing there, and no line is lost."""
    tracker = CsvTracker()
    tracker.start(tmp_path, {})
    tracker.log({"b": 1.0, "a": 2.0}, 10)
    tracker.log({"a": 3.0, "b": 4.5}, 20)
    tracker.log({"late": 5.0, "a": 6.0}, 30)
    tracker.finish(None)
    with (tmp_path / "progress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"a": "2.0", "b": "1.0", "late": ""},
        {"a": "3.0", "b": "4.5", "late": ""},
        {"a": "6.0", "b": "", "late": "5.0"},
    ]


def test_without_figures_there_is_no_file(tmp_path: Path) -> None:
    """A baseline has none to log."""
    tracker = CsvTracker()
    tracker.start(tmp_path, {})
    tracker.finish({})
    assert not list(tmp_path.iterdir())
