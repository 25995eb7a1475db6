"""Worlds of templates with published accuracies, and the arms that know nothing but answers."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.allocations import ALLOCATIONS, allocation
from benchmarks.templates import make_template_world, read_cells
from benchmarks.worlds import World

MODELS = ("a", "b", "c", "d")
N = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tasks, four models; on the second task all templates are alike."""
    with (tmp_path / "templates.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["benchmark", "task", "template_id", "template"])
        table.writerows(["made-up", task, str(i), f"Say {task} {i}"] for task in ("sums", "flat") for i in range(N))
    with gzip.open(tmp_path / "accuracies.csv.gz", "wt", newline="") as file:
        table = csv.writer(file)
        table.writerow(["benchmark", "task", "template_id", "model", "accuracy"])
        for model in MODELS:
            table.writerows(["made-up", "sums", str(i), model, str(0.9 if i == 7 else i / 100)] for i in range(N))
            table.writerows(["made-up", "flat", str(i), model, "0.5"] for i in range(N))
    return tmp_path


def test_no_model_is_in_both_parts_and_no_task_that_tells_nothing(folder: Path) -> None:
    """What is tuned on is not what is claimed about."""
    tuning, claims = (read_cells(folder, part) for part in ("tuning", "claims"))
    assert {(c.task, c.model) for c in tuning} == {("sums", "a"), ("sums", "c")}
    assert {(c.task, c.model) for c in claims} == {("sums", "b"), ("sums", "d")}


def test_answers_come_as_often_right_as_was_published(folder: Path) -> None:
    """The baseline is at the lower quartile, the best template scores the whole gain."""
    world = make_template_world(folder, "tuning", 3)
    best = max(world.space.enumerate(), key=world.truth)
    assert (world.truth(best), world.share(best), world.baseline_score) == (0.9, 1.0, 0.15)
    rows = (*world.train, *world.validation)
    outcomes = world.evaluator(1000).evaluate([(best, row) for row in rows])
    assert np.mean([outcome.objective for outcome in outcomes if outcome]) == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_an_allocation_finds_the_best_within_its_calls(folder: Path, name: str) -> None:
    """With rows enough for all; where a prompt has answered every row it is not asked again."""
    world: World = make_template_world(folder, "tuning", 0)
    result = allocation(name, {})(world, 1200, 0)
    assert world.truth(result.winner) == 0.9
    assert 300 < result.calls <= 1200
    assert not result.refused
