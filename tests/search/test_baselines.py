"""Each baseline finds better prompts, keeps its budget, repeats itself, and copes with every kind of edit."""

from typing import Any

import numpy as np
import pytest

from benchmarks.table_evaluator import TableEvaluator
from promptrl.prompts.building import build_edit_space
from promptrl.prompts.prompt import Demonstration, Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.algorithms import BASELINES
from promptrl.search.baselines.direct import FLOOR, Policy
from promptrl.search.baselines.halving import bracket_size
from promptrl.search.baselines.population import Population
from promptrl.search.baselines.variables import Variables
from promptrl.search.events import SearchEvent, SearchProgress
from promptrl.search.result import SearchResult
from promptrl.search.searches import load_search
from promptrl.search.trials import Trials
from promptrl.tasks.dataset import Example
from tests.search.landscape import (
    Value,
    baseline_settings,
    chosen,
    factorial_value,
    make_context,
    make_rows,
    make_space,
    table_evaluator,
)

BEST = {0: 3, 1: 3, 2: 2, 3: 2}


def noisy_value(prompt: Prompt, row: Example) -> float:
    """Right or wrong, by a coin that belongs to the pair, with the factorial value as its chance."""
    coin = int(prompt.prompt_id, 16) * 31 + int(row.id[1:]) * 7919
    return float(np.random.default_rng(coin).random() < factorial_value(prompt, row))


def rich_space(*, reorder: bool = False) -> EditSpace:
    """Options, phrases, demonstrations and words at once."""
    return build_edit_space(
        slots=None,
        text="Sort the ticket. Be brief. Stay polite. Name one team.",
        user="{question}",
        separator=" ",
        demonstrations=[Demonstration(f"d{i}", f"ticket {i}", f"team {i}") for i in range(6)],
        max_demonstrations=3,
        bank=True,
        phrases=True,
        reorder=reorder,
        tokens=["please", "now", "exactly"],
    )


def rich_value(prompt: Prompt, row: Example) -> float:
    """Better with two demonstrations, the word "now", and without politeness."""
    right = min(2, len(prompt.demonstrations)) + ("now" in prompt.slot("words")) + ("polite" not in prompt.system_text)
    return right / 4


def search(
    name: str,
    *,
    calls: int = 300,
    value: Value = noisy_value,
    rows: int = 30,
    space: EditSpace | None = None,
    seed: int = 1,
    rows_per_prompt: int = 2,
    **rest: Any,
) -> tuple[SearchResult, TableEvaluator]:
    """A search and the evaluator it used."""
    evaluator = table_evaluator(value, search=calls)
    context = make_context(evaluator, space=space, rows=rows, seed=seed, **rest)
    return load_search(name)(context, baseline_settings(name, rows_per_prompt)), evaluator


@pytest.mark.parametrize("name", BASELINES)
def test_each_baseline_beats_the_prompt_it_started_from(name: str) -> None:
    """From 600 answers of right or wrong it names one of the best 11 of 144 prompts, where the baseline has 0.15."""
    result, _ = search(name, calls=600)
    right = sum(chosen(result.candidates[0].prompt).get(slot) == best for slot, best in BEST.items())
    assert right >= 3
    assert result.agent is None


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("calls", [1, 5, 157])
def test_each_baseline_spends_its_calls_and_not_one_more(name: str, calls: int) -> None:
    """Every call is spent, and the last report counts it."""
    told: list[SearchEvent] = []
    result, evaluator = search(name, calls=calls, observe=told.append)
    assert (result.calls_used, evaluator.calls_left("search"), result.stop_reason) == (calls, 0, "budget")
    events = [event for event in told if isinstance(event, SearchProgress)]
    assert len(events) == len(told)
    assert [event.calls_used for event in events] == sorted(event.calls_used for event in events)
    assert events[-1].calls_used == calls
    assert sum(candidate.answers for candidate in result.candidates) == calls


@pytest.mark.parametrize("name", BASELINES)
def test_no_calls_give_no_candidates(name: str) -> None:
    """Nothing is asked, and nothing raised."""
    result, _ = search(name, calls=0)
    assert (result.candidates, result.calls_used) == ((), 0)


@pytest.mark.parametrize("name", BASELINES)
def test_same_seed_same_candidates(name: str) -> None:
    """Equal seeds and answers give equal candidates; another seed searches otherwise."""
    runs = [search(name, calls=120, seed=seed)[0] for seed in (4, 4, 5)]
    figures = [[(c.prompt.prompt_id, c.mean, c.sd, c.answers) for c in run.candidates] for run in runs]
    assert figures[0] == figures[1]
    assert figures[0] != figures[2]


@pytest.mark.parametrize("reorder", [False, True])
@pytest.mark.parametrize("name", BASELINES)
def test_each_baseline_works_with_phrases_demonstrations_and_words(name: str, reorder: bool) -> None:
    """A space of billions of prompts, of which the baseline is worth 0."""
    result, _ = search(name, space=rich_space(reorder=reorder), value=rich_value, rows_per_prompt=1)
    assert rich_value(result.candidates[0].prompt, make_rows(1)[0]) >= 0.75


@pytest.mark.parametrize("name", BASELINES)
def test_a_small_space_ends_the_search_by_itself(name: str) -> None:
    """Four prompts on five rows: everything is asked once, and the search says that it is done."""
    result, evaluator = search(name, calls=500, rows=5, space=make_space((2, 2)))
    assert result.stop_reason == "converged"
    assert (result.calls_used, evaluator.calls) == (20, 20)
    assert [candidate.answers for candidate in result.candidates] == [5] * 4


@pytest.mark.parametrize("name", BASELINES)
def test_missing_answers_do_not_stop_the_search(name: str) -> None:
    """A twentieth of the answers missing: the calls are spent all the same."""

    def value(prompt: Prompt, row: Example) -> float | None:
        is_missing = int(prompt.prompt_id, 16) % 20 == int(row.id[1:]) % 20
        return None if is_missing else noisy_value(prompt, row)

    result, _ = search(name, value=value)
    assert result.calls_used == 300
    assert result.candidates


@pytest.mark.parametrize("name", BASELINES)
def test_outside_stop_ends_the_search_with_what_it_has(name: str) -> None:
    """``should_stop`` is asked before every batch."""
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 9

    result, _ = search(name, calls=5000, should_stop=should_stop)
    assert result.stop_reason == "stopped"
    assert 0 < result.calls_used < 1000
    assert result.candidates


def test_standings_do_not_blame_a_prompt_for_hard_rows() -> None:
    """Two equal prompts, one asked on the hard row, one on the easy one: a third on both tells the rows apart."""
    space = make_space((4, 4))
    easy, hard, both = (space.apply(space.baseline, action) for action in (1, 2, 3))
    trials = Trials(
        make_context(table_evaluator(lambda prompt, row: 0.9 if row.id == "r0" else 0.1), space=space, rows=2)
    )
    population = Population(trials, np.random.default_rng(0))
    others = [space.apply(both, action) for action in (5, 6, 7)]
    population.ask([(easy, 0), (hard, 1), *((prompt, row) for prompt in (both, *others) for row in (0, 1))])
    means = {c.prompt: c.mean for c in population.ranking()}
    assert means[easy] - means[hard] < 0.1


def test_prompts_asked_together_share_their_rows() -> None:
    """A newcomer and a prompt with answers get the same rows, new to both."""
    space = make_space((4, 4))
    old, new = space.baseline, space.apply(space.baseline, 1)
    trials = Trials(make_context(table_evaluator(), space=space, rows=6))
    population = Population(trials, np.random.default_rng(0))
    population.ask([(old, 0), (old, 1)])
    assert population.ask_together([old, new], 3) == 6
    assert trials.records[new.prompt_id].tried <= trials.records[old.prompt_id].tried - {0, 1}


def test_uniform_draws_reach_every_option_equally() -> None:
    """Each option of a slot is drawn equally often, and every number of demonstrations occurs."""
    rng = np.random.default_rng(0)
    prompts = [Variables(make_space((2, 5))).draw(rng) for _ in range(2000)]
    counts = np.bincount([chosen(prompt).get(1, 0) for prompt in prompts])
    assert counts.min() > 330
    assert counts.max() < 470
    rich = Variables(rich_space())
    sizes = {len(rich.draw(rng).demonstrations) for _ in range(100)}
    assert sizes == {0, 1, 2, 3}


def test_a_policy_draws_what_was_rewarded_and_gives_nothing_up() -> None:
    """What earned most is drawn most, half the reward less often; what lost keeps its share of the floor."""
    policy = Policy(Variables(make_space((3, 4))), np.random.default_rng(0))
    assert [len(chances) for chances in policy.chances] == [3, 4]
    for _ in range(60):
        policy.reinforce([(2, 3), (1, 3), (0, 0)], np.array([1.0, 0.5, -1.0]), 2.0)
    first, second = policy.chances
    assert first[2] > first[1] > first[0] >= FLOOR / 3
    assert second[3] > 0.9
    assert second.min() >= FLOOR / 4
    assert [chances.sum() for chances in policy.chances] == pytest.approx([1, 1])
    drawn = [policy.draw() for _ in range(50)]
    assert drawn.count((2, 3)) > 35
    assert chosen(policy.prompt((2, 3))) == {0: 2, 1: 3}


@pytest.mark.parametrize(
    ("calls", "rows", "n_rows", "size"), [(300, 1, 1000, 73), (300, 4, 1000, 22), (9999, 4, 32, 8)]
)
def test_a_bracket_is_as_large_as_calls_and_rows_allow(calls: int, rows: int, n_rows: int, size: int) -> None:
    """One more prompt would cost too much, or the last round would run out of rows."""
    assert bracket_size(calls, rows, n_rows) == size
