"""Proof on few rows: each fold is judged by what was found before it, and the whole keeps its promise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.simulated_world import World
from promptrl.config import load_config
from promptrl.experiment.build import build_components
from promptrl.experiment.proof_stage import validate_progressively
from promptrl.experiment.train import train
from promptrl.prompts.prompt import Prompt
from promptrl.runs.result import PairedComparison
from promptrl.search.algorithms import BASELINES
from promptrl.stats.gate import Gate
from promptrl.stats.paired import verdict
from promptrl.tasks.splits import Splits
from tests.servers.toy_model import CONFIG, write_experiment


def compare(world: World, folds: int) -> tuple[PairedComparison, list[str]]:
    """The greediest search there is, the best mean on all rows seen, judged fold by fold."""
    parts = np.array_split(np.array(world.train, dtype=object), folds)
    winners: list[str] = []
    splits = [Splits(tuple(np.concatenate(parts[:k])), (), tuple(parts[k])) for k in range(1, folds)]

    def find_winner(fold: Splits, earlier: Sequence[Prompt]) -> Prompt:
        assert [prompt.prompt_id for prompt in earlier] == winners[::-1]
        best = world.prompts[int(world.right[:, [int(row.id) for row in fold.train]].mean(axis=1).argmax())]
        winners.append(best.prompt_id)
        return best

    paired, judged = validate_progressively(splits, find_winner, world.evaluator(), world.prompts[0], Gate())
    return paired, [fold.prompt.prompt_id for fold in judged]


def improved(paired: PairedComparison) -> bool:
    """Whether it would be promoted."""
    assert paired.comparison is not None
    return verdict(paired.comparison, min_improvement=0, margin=0.02, is_baseline=False) == "improved"


def test_folds_are_judged_in_order_and_put_together() -> None:
    """Three of four folds, each by the winner on those before."""
    world = World(np.random.default_rng(0), 8, 0.5, (40, 1, 1))
    paired, winners = compare(world, 4)
    assert paired.comparison is not None
    assert (paired.comparison.rows, paired.comparison.method, len(winners)) == (30, "folds", 3)
    assert [o.row_id for o in paired.outcomes["winner"] if o] == [row.id for row in world.train[10:]]
    assert [o.prompt_id for o in paired.outcomes["winner"] if o] == [winner for winner in winners for _ in range(10)]
    assert {o.prompt_id for o in paired.outcomes["baseline"] if o} == {world.prompts[0].prompt_id}


@pytest.mark.parametrize("rows", [16, 60])
def test_equal_prompts_are_seldom_promoted_on_few_rows(rows: int) -> None:
    """With 64 equal candidates and ten folds, where ordinary cross-validation promotes one in twelve."""
    nights = [
        compare(World(np.random.default_rng(n), 64, 0.0, (rows, 1, 1)), min(10, rows // 4))[0] for n in range(120)
    ]
    assert sum(map(improved, nights)) <= 0.025 * 120


def test_a_clear_gain_is_found_on_sixty_rows() -> None:
    """A quarter of them as test rows alone would seldom show it."""
    found = 0
    for n in range(40):
        world = World(np.random.default_rng(n), 32, 0.6, (60, 1, 1))
        found += improved(compare(world, 4)[0])
    assert found > 20


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_search_a_small_space_once_for_each_fold(tmp_path: Path, name: str) -> None:
    """What an earlier fold's search has asked costs the next one nothing, and counts all the same."""
    text = CONFIG.replace("{name: maskable_ppo, n_envs: 4, rows_per_prompt: 4}", f"{{name: {name}}}")
    text = text.replace("dataset: {", "dataset: {folds: 3, limit: 24, ").replace("max_calls: 900", "max_calls: 400")
    text = text.replace(', "Name a fruit."', "").replace(', "Reply in words."', "")
    done = train(build_components(load_config(write_experiment(tmp_path, text))), runs_dir=tmp_path / "runs")
    assert done.run.status == "done"
    assert "Add the numbers." in done.result["winner"]["text"]
