"""A run has the random generators of the process to itself, and leaves them as it found them."""

import json
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from promptrl.experiment.parallel import TrainingJob, carry_out
from promptrl.experiment.randomness import lent_to_others, own_randomness
from tests.servers.toy_model import write_experiment


def draw() -> tuple[float, float, float]:
    """A number from each generator."""
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def seed(number: int) -> None:
    """Begin anew with all of them."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def job(folder: Path, runs: str, **settings: Any) -> TrainingJob:
    """A short training."""
    overrides = {"budget.max_calls": 220, "cache.mode": "off", **settings}
    changes = tuple(f"{key}={value}" for key, value in overrides.items())
    return TrainingJob(folder / "toy.yaml", changes, folder / runs)


def comparable(run: Path) -> dict[str, Any]:
    """A result without run id and times."""
    result: dict[str, Any] = json.loads((run / "result.json").read_text())
    return {key: value for key, value in result.items() if key not in ("run_id", "wall_s", "engine")}


def test_others_draw_as_if_nothing_had_been_drawn() -> None:
    """Neither by a run that is over nor by one that waits."""
    seed(1)
    expected = [draw(), draw()]
    seed(1)
    drawn = []
    with own_randomness():
        seed(7)
        first = draw()
        with lent_to_others():
            drawn.append(draw())
        second = draw()
    drawn.append(draw())
    assert drawn == expected
    seed(7)
    assert [first, second] == [draw(), draw()]


def test_two_have_them_one_after_the_other() -> None:
    """Each goes on where it stopped, whatever the other did meanwhile."""
    meeting = threading.Barrier(2, timeout=30)

    def work(number: int) -> list[tuple[float, float, float]]:
        with own_randomness():
            seed(number)
            numbers = [draw()]
            with lent_to_others():
                meeting.wait()
            return [*numbers, draw()]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, (1, 2)))
    for number, numbers in zip((1, 2), found, strict=True):
        seed(number)
        assert numbers == [draw(), draw()]


def test_a_run_within_a_run_takes_nothing_from_it() -> None:
    """An observer may start one."""
    with own_randomness():
        seed(3)
        with own_randomness():
            seed(4)
            draw()
        inside = draw()
    seed(3)
    assert inside == draw()


def test_torch_that_a_run_loads_is_left_as_it_begins() -> None:
    """Who draws from it later draws what a fresh process does."""
    code = """
import sys
from promptrl.experiment.randomness import own_randomness
with own_randomness():
    assert "torch" not in sys.modules
    import torch
    torch.manual_seed(5)
    torch.rand(3)
assert float(torch.rand(1)) == float(torch.rand(1, generator=torch.Generator()))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report pages, which take most of a small run's time."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)


def test_another_thread_or_process_finds_the_same(tmp_path: Path) -> None:
    """Two at once in this process, and one in a fresh process, are what they are alone, to the last digit."""
    write_experiment(tmp_path)
    settings = ({"seed": 1}, {"seed": 2, "algorithm.name": "dqn"})
    alone = [comparable(carry_out(job(tmp_path, "alone", **setting))) for setting in settings]
    with ThreadPoolExecutor(2) as pool:
        together = list(
            pool.map(lambda setting: carry_out(job(tmp_path, f"seed{setting['seed']}", **setting)), settings)
        )
    assert [comparable(run) for run in together] == alone
    with get_context("spawn").Pool(1) as workers:
        elsewhere = workers.apply(carry_out, (job(tmp_path, "elsewhere", **settings[0]),))
    assert elsewhere.parent == tmp_path / "elsewhere"
    assert comparable(elsewhere) == alone[0]
