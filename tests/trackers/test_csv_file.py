"""``progress.csv`` holds every figure that was logged."""

import csv
import math
from pathlib import Path

from stable_baselines3.common.logger import CSVOutputFormat

from promptrl.trackers.csv_file import CsvTracker


def lines(path: Path) -> list[dict[str, str]]:
    """By column, in whatever order those are."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_figure_that_comes_up_later_gets_a_column(tmp_path: Path) -> None:
    """Lines before it have nothing there, and no line is lost."""
    tracker = CsvTracker()
    tracker.start(tmp_path, {})
    tracker.log({"b": 1.0, "a": 2.0}, 10)
    tracker.log({"a": 3.0, "b": 4.5}, 20)
    tracker.log({"late": 5.0, "a": 6.0}, 30)
    tracker.finish(None)
    assert lines(tmp_path / "progress.csv") == [
        {"a": "2.0", "b": "1.0", "late": ""},
        {"a": "3.0", "b": "4.5", "late": ""},
        {"a": "6.0", "b": "", "late": "5.0"},
    ]


def test_the_file_is_the_one_that_sb3_would_write(tmp_path: Path) -> None:
    """Whoever reads the logs of Stable-Baselines3 reads these, figures that come up later and missing ones too."""
    logged = [{"time/fps": 120, "rollout/ep_rew_mean": 0.25}, {"time/fps": 99, "train/loss": math.nan}]
    ours, theirs = CsvTracker(), CSVOutputFormat(str(tmp_path / "sb3.csv"))
    ours.start(tmp_path, {})
    for step, figures in enumerate(logged):
        ours.log(figures, step)
        theirs.write(figures, {}, step)
    ours.finish(None)
    theirs.close()
    assert lines(tmp_path / "progress.csv") == lines(tmp_path / "sb3.csv")


def test_without_figures_there_is_no_file(tmp_path: Path) -> None:
    """A baseline has none to log."""
    tracker = CsvTracker()
    tracker.start(tmp_path, {})
    tracker.finish({})
    assert not list(tmp_path.iterdir())
