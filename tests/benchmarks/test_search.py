"""The search benchmark still runs, and goes on where it stopped."""

import csv
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(out: Path, *arms: str) -> list[str]:
    """Run the benchmark on the smallest world; what it printed."""
    world = ["--worlds", "1e2", "--budgets", "80", "--seeds", "2", "--out", str(out)]
    command = [sys.executable, "-m", "benchmarks.search", *world, "--arms", *arms]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout.splitlines()


def test_a_continued_benchmark_runs_only_what_is_missing(tmp_path: Path) -> None:
    """A second sitting with one more arm adds that arm's runs and keeps the others as they were."""
    run(tmp_path, "random")
    first = (tmp_path / "runs.csv").read_text()
    printed = run(tmp_path, "greedy", "random")
    both = (tmp_path / "runs.csv").read_text()
    assert both.startswith(first)
    rows = list(csv.DictReader(both.splitlines()))
    assert [(row["arm"], row["seed"]) for row in rows] == [(arm, seed) for arm in ("random", "greedy") for seed in "01"]
    assert all(0 < int(row["calls"]) <= 80 for row in rows)
    assert sum(" at 80: " in line for line in printed) == 2
    assert (tmp_path / "1e2.svg").is_file()
    assert "greedy,80,2," in (tmp_path / "summary.csv").read_text()
