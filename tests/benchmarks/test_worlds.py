"""Worlds of the search benchmark: what they answer, count and call the best; and how runs are summed up."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import calibration, landscapes, proposals, recorded, summary, worlds
from benchmarks.catalogue import make_world
from benchmarks.interaction import INTERACTION
from promptrl.errors import BudgetExhaustedError
from promptrl.prompts.building import make_slot_space


def landscape(kind: str = "1e2", seed: int = 0) -> Any:
    """A random landscape."""
    return landscapes.make_landscape(kind, seed)


def test_the_oracle_of_a_small_landscape_is_its_best_prompt() -> None:
    """Shares go from 0 at the baseline up to exactly 1."""
    world = landscape()
    shares = [world.share(prompt) for prompt in world.space.enumerate()]
    assert len(shares) == 100
    assert shares[0] == 0
    assert max(shares) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["1e2", "1e4-4way", "1e12"])
def test_an_answer_depends_on_prompt_and_row_alone(kind: str) -> None:
    """The same pair asked by itself, in a batch or of another evaluator has the same answer."""
    world = landscape(kind)
    rng = np.random.default_rng(0)
    asks = [(world.space.draw(rng), world.train[i]) for i in range(40)]
    together = [outcome.objective for outcome in world.evaluator(100).evaluate(asks)]
    alone = [world.evaluator(1).evaluate([ask])[0].objective for ask in reversed(asks)]
    assert together == alone[::-1]
    assert 0 < sum(together) < 40


def test_fresh_scores_are_what_many_answers_tend_to() -> None:
    """Over all train and validation rows a prompt answers about as well as on fresh ones."""
    world = landscape("1e4", 3)
    rows = [*world.train, *world.validation]
    prompts = [world.space.draw(np.random.default_rng(i)) for i in range(30)]
    gaps = []
    for prompt in prompts:
        outcomes = world.evaluator(len(rows)).evaluate([(prompt, row) for row in rows])
        gaps.append(np.mean([outcome.objective for outcome in outcomes]) - world.truth(prompt))
    assert abs(np.mean(gaps)) < 0.06


def test_calls_are_counted_once_a_pair_and_by_purpose() -> None:
    """A repeated pair is free; the search can't touch the share of the finals."""
    world = landscape()
    evaluator = world.evaluator(5, validation=2)
    ask = (world.space.baseline, world.train[0])
    evaluator.evaluate([ask, ask])
    evaluator.evaluate([ask])
    assert (evaluator.calls, evaluator.calls_left("search"), evaluator.calls_left("validation")) == (1, 2, 2)
    with pytest.raises(BudgetExhaustedError):
        evaluator.evaluate([(world.space.baseline, row) for row in world.train[1:5]])
    assert (evaluator.calls, evaluator.refused) == (1, 2)


def test_an_optimiser_of_others_gets_what_it_can_pay_for() -> None:
    """The last batch is answered as far as the calls go, then refused as a whole."""
    world = landscape()
    evaluator = world.evaluator(3)
    with pytest.raises(BudgetExhaustedError):
        evaluator.score([(world.space.baseline, row) for row in world.train[:5]])
    assert (evaluator.calls, evaluator.refused) == (3, 2)


def test_a_record_keeps_four_sets_of_rows_apart() -> None:
    """Fresh scores and the oracle's choice come from rows that no search sees."""
    space = make_slot_space({"a": ["", "x", "y"]}, "{question}")
    rows = worlds.make_rows([str(i) for i in range(40)])
    prompts = list(space.enumerate())
    scores = np.random.default_rng(0).random((3, 40)) + np.arange(3)[:, None]
    world = recorded.Recorded(prompts, scores, rows, seed=1).world("test", 1, space)
    seen = {int(row.id) for row in (*world.train, *world.validation)}
    assert (len(world.train), len(world.validation), len(seen)) == (14, 6, 20)
    hidden = scores.copy()
    hidden[:, sorted(seen)] = 0
    other = recorded.Recorded(prompts, hidden, rows, seed=1).world("test", 1, space)
    assert [other.truth(p) for p in prompts] == [world.truth(p) for p in prompts]
    assert other.oracle_score == world.oracle_score


def test_a_world_without_gain_is_refused() -> None:
    """Where the baseline is the oracle's choice, no share can be said."""
    space = make_slot_space({"a": ["", "x"]}, "{question}")
    scores = np.repeat([[1.0], [0.0]], 40, axis=1)
    record = recorded.Recorded(list(space.enumerate()), scores, worlds.make_rows([str(i) for i in range(40)]), seed=0)
    with pytest.raises(ValueError, match="gains nothing"):
        record.world("test", 0, space)


def test_bundled_tables_fit_their_configs() -> None:
    """Every stored table holds the whole space of its config, the baseline far below the best."""
    assert recorded.table_names()
    for name in recorded.table_names():
        world = recorded.make_table_world(name, 0)
        assert world.oracle_score > world.baseline_score + 0.2


def test_the_goal_must_be_reached_for_good() -> None:
    """A curve that falls below the goal again has not reached it; one that never does counts as the last budget."""
    means = np.array([[0.95, 0.8, 0.9, 0.91], [0.1, 0.2, 0.3, 0.4], [0.9, 0.9, 0.9, 0.9]])
    assert summary.calls_to_goal(means, [100, 200, 300, 400]).tolist() == [300, 400, 100]


def test_holm_multiplies_by_how_many_are_left() -> None:
    """The smallest p counts times all, the next times one fewer, never below its predecessor."""
    assert summary.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_calibration_is_told_by_group_of_prompts() -> None:
    """Coverage and bias of uniform prompts, the top and the finalists, a line for each world and budget."""
    title, heads, line = calibration.table(["1e2"], [60], [0, 1])
    assert "90 %" in title
    assert heads.split() == ["uniform", "top", "2", "%", "finalists"]
    covered = [float(share) for share in line.split("at 60")[1].replace("(", " ").split()[::2]]
    assert len(covered) == 3
    assert 0.7 < covered[0] <= 1
    assert min(covered) > 0.2


def test_two_options_help_together_only() -> None:
    """Of the four prompts one is better; others gain next to nothing."""
    world = make_world(INTERACTION, 0)
    shares = sorted(world.share(prompt) for prompt in world.space.enumerate())
    assert shares[-1] == 1
    assert shares[-2] < 0.1


def test_a_pool_of_edits_is_answered_by_the_bundled_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edits become options of their slots; what was scored is read again by the next world."""
    monkeypatch.setattr(proposals, "OUT", tmp_path / "kept" / "scores.sqlite")
    path = tmp_path / "arithmetic.jsonl"
    edits = [
        {"slot": "format", "op": "add", "text": 'End with "Answer:" and the number.'},
        {"slot": "care", "text": "Check."},
    ]
    path.write_text("".join(json.dumps(edit) + "\n" for edit in edits), encoding="utf-8")
    world = make_world(f"{proposals.POOL}{path}", 0)
    assert world.space.size() == 4
    asks = [(prompt, row) for prompt in world.space.enumerate() for row in world.train[:2]]
    scores = world.answers.objectives(asks)
    assert set(scores) <= {0.0, 1.0}
    monkeypatch.setattr(proposals.AskedAnswers, "_complete", lambda self, asks: list(asks))
    again = proposals.make_pool_world(path, 0).answers.objectives(asks)
    assert np.array_equal(scores, again)
