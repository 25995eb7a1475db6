"""The benchmarks of effects and pruning run on the tables that are kept, and say what the README says."""

import re
from typing import Any

import numpy as np
import pytest

from benchmarks import attribution, kept, pruning


@pytest.fixture
def tasks() -> list[Any]:
    """Every table."""
    return list(kept.read(None))


def test_the_tables_hold_every_prompt_of_their_configs(tasks: list[Any]) -> None:
    """Else exact effects would be those of a part; the baseline comes first."""
    assert [task.name for task in tasks] == ["arithmetic", "extraction", "sentiment"]
    for task in tasks:
        assert task.scores.shape == (task.space.size(), 200)
        assert task.table.prompts[0] == task.space.baseline


def test_the_fewest_answers_that_give_effects_give_honest_intervals(tasks: list[Any]) -> None:
    """90 % intervals from 50 uniform answers hold the exact effect in 80 to 96 % of 30 small runs.

    Of extraction's answers one in twenty is right: few runs with 50 of them give effects at all.
    """
    for task in tasks:
        n_answers = 100 if task.name == "extraction" else 50
        holds = np.array([task.space.holds(prompt) for prompt in task.table.prompts])
        line = attribution.simulate(holds, [edit.slot for edit in task.space.edits], task.scores, n_answers, 30)
        covered, cases = (float(re.findall(pattern, line)[0]) for pattern in (r"([\d.]+)% covered", r"(\d+) cases"))
        assert 80 < covered < 96
        assert cases > 200


def test_undoing_leaves_fewer_edits_that_are_worth_more(tasks: list[Any]) -> None:
    """From a prompt with an option in each slot, with what a quickstart has left, and without a point of test score."""
    for task in tasks:
        found = [pruning.prune(task, one, 78, 36) for one in pruning.searches(task, 8, is_full=True)]
        before = np.array([worth for one in found for worth in one.before])
        after = np.array([worth for one in found for worth in one.after])
        assert len(after) < len(before)
        assert np.mean(after > 0) > np.mean(before > 0)
        assert np.mean([one.change for one in found]) > -0.01
