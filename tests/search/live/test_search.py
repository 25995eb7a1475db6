"""Live search learns, spends what it may and no more, and ends when nothing is left to ask."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.table_evaluator import TableEvaluator
from promptrl.llm.base import Purpose
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.agents.build import build_agent
from promptrl.search.algorithms import AGENTS
from promptrl.search.events import Figures, SearchEvent, SearchProgress
from promptrl.search.live.env import PromptVecEnv
from promptrl.search.live.search import LiveSettings, rollout_greedily, search_live
from promptrl.search.result import SearchResult
from promptrl.tasks.dataset import Example
from tests.search.landscape import Value, chosen, factorial_value, make_context, make_rows, make_space, table_evaluator

BEST = {0: 3, 1: 3, 2: 2, 3: 2}


def noisy_value(prompt: Prompt, row: Example) -> float:
    """Right or wrong, by a coin that belongs to the pair, with the factorial value as its chance."""
    coin = int(prompt.prompt_id, 16) * 31 + int(row.id[1:]) * 7919
    return float(np.random.default_rng(coin).random() < factorial_value(prompt, row))


def search(
    algorithm: str = "maskable_ppo",
    *,
    calls: int = 400,
    value: Value = factorial_value,
    options: Sequence[int] = (4, 4, 3, 3),
    n_envs: int = 8,
    **rest: Any,
) -> tuple[SearchResult, TableEvaluator, EditSpace]:
    """A small search and the evaluator it used."""
    evaluator = table_evaluator(value, search=calls)
    space = make_space(options)
    settings = LiveSettings(algorithm=algorithm, n_envs=n_envs)
    return search_live(make_context(evaluator, space=space, **rest), settings), evaluator, space


@pytest.mark.parametrize("algorithm", AGENTS)
def test_agent_finds_the_best_prompt_of_a_factorial_landscape(algorithm: str) -> None:
    """Each algorithm names the best of 144 prompts from 400 answers of right or wrong, where the baseline has 0.15."""
    result, _, _ = search(algorithm, value=noisy_value, calls=600, seed=1)
    right = sum(chosen(result.candidates[0].prompt).get(slot) == best for slot, best in BEST.items())
    assert right >= 3
    assert result.stop_reason == "budget"


@pytest.mark.parametrize("algorithm", AGENTS)
def test_training_teaches_a_policy_that_had_no_prior(algorithm: str) -> None:
    """The algorithm itself learns: from a policy without prior, the trained agent's greedy episode is better.

    It is told action by action, each the most probable one where there are probabilities.
    """
    space, evaluator = make_space(), table_evaluator(search=100_000)
    env = PromptVecEnv(space, evaluator, make_rows(4), n_envs=8, seed=0)
    agent = build_agent(algorithm, env, seed=0, params={"learning_rate": 3e-3})
    scorers = {"dqn": ("q_net", "q_net"), "qrdqn": ("quantile_net", "quantile_net")}
    scorer: Any = agent.policy
    for part in scorers.get(algorithm, ("mlp_extractor",)):
        scorer = getattr(scorer, part)
    scorer.start_from(0.0)
    row = make_rows(1)[0]
    untrained, _ = rollout_greedily(agent, env.episodes)
    agent.learn(1500)
    trained, decisions = rollout_greedily(agent, env.episodes)
    assert factorial_value(untrained, row) <= 0.4
    assert factorial_value(trained, row) >= 0.8
    assert space.stop not in [decision.action for decision in decisions[:-1]]
    assert all(bool(d.probabilities) == (algorithm not in scorers) for d in decisions)
    assert all(d.probabilities[d.action] == max(d.probabilities) for d in decisions if d.probabilities)


def test_budget_is_never_exceeded_and_events_count_it() -> None:
    """Calls go up to the share and no further; the last event tells the final count."""
    told: list[SearchEvent] = []
    result, evaluator, _ = search(calls=157, value=noisy_value, observe=told.append)
    assert evaluator.calls_left("search") >= 0
    assert result.calls_used == 157 - evaluator.calls_left("search")
    assert result.calls_used > 140
    events = [event for event in told if isinstance(event, SearchProgress)]
    used = [event.calls_used for event in events]
    assert used == sorted(used)
    assert used[-1] == result.calls_used
    assert events[-1].best_prompt_id == result.candidates[0].prompt.prompt_id
    assert events[-1].calls_allowed == 157


@pytest.mark.parametrize("calls", [0, 1, 5])
def test_tiny_budgets_end_cleanly(calls: int) -> None:
    """A budget too small for one step is no error."""
    result, evaluator, _ = search(calls=calls)
    assert result.stop_reason == "budget"
    assert result.calls_used + evaluator.calls_left("search") == calls


def test_many_environments_do_not_eat_a_small_budget() -> None:
    """With 100 calls for 64 environments there are fewer of them, and several steps to learn from."""
    result, evaluator, _ = search(calls=100, n_envs=64)
    assert max(evaluator.batches) <= 20
    assert result.calls_used > 80


@pytest.mark.parametrize("algorithm", AGENTS)
def test_small_space_converges_when_everything_is_asked(algorithm: str) -> None:
    """Four prompts on five rows: the search ends by itself, far below its budget."""
    result, evaluator, _ = search(algorithm, calls=5000, rows=5, options=(2, 2))
    assert result.stop_reason == "converged"
    assert result.calls_used <= 20
    assert evaluator.calls_left("search") >= 4980


def test_outside_stop_ends_the_search_with_what_it_has() -> None:
    """``should_stop`` is asked after every step."""
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    result, _, _ = search(calls=5000, should_stop=should_stop)
    assert result.stop_reason == "stopped"
    assert 0 < result.calls_used < 200
    assert result.candidates


def test_same_seed_gives_the_same_result() -> None:
    """Equal seeds and answers give equal candidates; another seed searches otherwise."""
    runs = [search(calls=200, value=noisy_value, seed=seed)[0] for seed in (4, 4, 5)]
    figures = [[(c.prompt.prompt_id, c.mean, c.sd, c.answers) for c in run.candidates] for run in runs]
    assert figures[0] == figures[1]
    assert figures[0] != figures[2]


def test_candidates_are_ranked_and_hold_the_baseline() -> None:
    """Best first, each prompt once, the baseline among them."""
    result, _, space = search(calls=200, value=noisy_value)
    means = [candidate.mean for candidate in result.candidates]
    ids = [candidate.prompt.prompt_id for candidate in result.candidates]
    assert means == sorted(means, reverse=True)
    assert len(set(ids)) == len(ids)
    assert space.baseline.prompt_id in ids


def test_missing_answers_do_not_stop_the_search() -> None:
    """A twentieth of the answers missing: the search goes on and ranks what it has."""

    def value(prompt: Prompt, row: Example) -> float | None:
        is_missing = int(prompt.prompt_id, 16) % 20 == int(row.id[1:]) % 20
        return None if is_missing else factorial_value(prompt, row)

    result, _, _ = search(calls=400, value=value)
    assert sum(chosen(result.candidates[0].prompt).get(slot) == best for slot, best in BEST.items()) >= 3


def test_greedy_rollout_takes_every_gain_and_stops() -> None:
    """An agent that knows every single edit's effect walks to the best prompt and stops there."""
    env = PromptVecEnv(make_space(), table_evaluator(), make_rows(20), n_envs=1)
    agent = build_agent("ppo", env)
    space = env.episodes.space
    single = [space.baseline, *(space.apply(space.baseline, edit) for edit in range(space.stop))]
    for _ in range(3):
        env.episodes.learn_answers([(prompt, row) for prompt in single for row in make_rows(20)])
    assert chosen(rollout_greedily(agent, env.episodes)[0]) == BEST


class LimitedByMoney(TableEvaluator):
    """Its first answers tell that money pays for a tenth of the calls only."""

    def calls_left(self, purpose: Purpose) -> int:
        """Of the share, or of what is paid for."""
        left = super().calls_left(purpose)
        return min(left, max(0, 200 - self.calls)) if self.calls else left


def test_a_linear_schedule_begins_at_its_first_value_where_money_pays_for_less() -> None:
    """What is left counts against what the search can have, not against calls that nothing pays for."""
    events: list[SearchEvent] = []
    evaluator = LimitedByMoney(lambda asks: [factorial_value(*ask) for ask in asks], 2000)
    context = make_context(evaluator, space=make_space(), observe=events.append)
    search_live(context, LiveSettings(algorithm="ppo", params={"learning_rate": "lin_1e-3"}))
    figures = [event.values for event in events if isinstance(event, Figures)]
    rates = [values["train/learning_rate"] for values in figures if "train/learning_rate" in values]
    assert rates[0] > 0.5e-3
    assert rates == sorted(rates, reverse=True)


def test_what_sb3_logs_becomes_events() -> None:
    """Over environment steps; the search's own figures are among them."""
    events: list[SearchEvent] = []
    search(calls=200, observe=events.append)
    figures = [event for event in events if isinstance(event, Figures)]
    assert figures
    assert all({"rollout/ep_rew_mean", "search/best_mean"} <= event.values.keys() for event in figures[1:])
    assert [event.step for event in figures] == [event.values["time/total_timesteps"] for event in figures]
