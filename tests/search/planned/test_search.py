"""The planning loop finds what is good with few calls, spends what it may, repeats itself, and trains every agent."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs

from benchmarks.table_evaluator import TableEvaluator
from promptrl.prompts.prompt import Prompt
from promptrl.search.agents.build import build_agent
from promptrl.search.agents.policy_file import read_policy
from promptrl.search.algorithms import AGENTS
from promptrl.search.events import Figures, SearchEvent
from promptrl.search.planned.env import ImaginedVecEnv
from promptrl.search.planned.imagined import Choose, RolloutResult
from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.planned.rows import Proposal
from promptrl.search.planned.search import BUILTIN_POLICY, PlannedSettings, follow, search_planned
from promptrl.search.result import SearchResult
from promptrl.search.surrogate.data import Indices
from promptrl.search.surrogate.features import Moves
from promptrl.search.trials import Trials
from promptrl.tasks.dataset import Example
from tests.search.landscape import chosen, factorial_value, make_context, make_space, table_evaluator

BEST = {0: 3, 1: 3, 2: 2, 3: 2}


def noisy_value(prompt: Prompt, row: Example) -> float:
    """Right or wrong, by a coin that belongs to the pair, with the factorial value as its chance."""
    coin = int(prompt.prompt_id, 16) * 31 + int(row.id[1:]) * 7919
    return float(np.random.default_rng(coin).random() < factorial_value(prompt, row))


def search(
    algorithm: str = "maskable_ppo",
    *,
    calls: int = 300,
    rules: PlanningRules | None = None,
    weights: Path | None = None,
    params: Mapping[str, Any] | None = None,
    **rest: Any,
) -> tuple[SearchResult, TableEvaluator]:
    """A planned search on 144 prompts, and its evaluator."""
    evaluator = table_evaluator(noisy_value, search=calls)
    rules = rules or PlanningRules()
    settings = PlannedSettings(algorithm=algorithm, n_envs=16, rules=rules, weights=weights, params=params or {})
    return search_planned(make_context(evaluator, **rest), settings), evaluator


def planner_with_answers(calls: int = 60) -> Planner:
    """A planner that believes something."""
    trials = Trials(make_context(table_evaluator(noisy_value, search=calls)))
    planner = Planner(trials, PlanningRules(), None, np.random.default_rng(0))
    planner.begin()
    return planner


@pytest.mark.parametrize("algorithm", AGENTS)
def test_every_agent_finds_a_good_prompt_with_300_calls(algorithm: str) -> None:
    """Three of four slots right at least, from answers of right or wrong, where the baseline has 0.15.

    Its own best actions lead there, too, and a policy holds each of them the most probable.
    """
    result, evaluator = search(algorithm)
    right = sum(chosen(result.candidates[0].prompt).get(slot) == best for slot, best in BEST.items())
    assert right >= 3
    assert result.agent is not None
    assert (result.stop_reason, result.calls_used, evaluator.calls_left("search")) == ("budget", 300, 0)
    space, actions = make_space(), [decision.action for decision in result.decisions]
    prompt = Moves(space).replay(space.baseline, [action for action in actions if action != space.stop])
    assert sum(chosen(prompt).get(slot) == best for slot, best in BEST.items()) >= 3
    assert space.stop not in actions[:-1]
    passed = [Moves(space).replay(space.baseline, actions[:n]) for n in range(len(actions))]
    assert len(set(passed)) == len(passed)
    for decision in result.decisions:
        if algorithm in ("dqn", "qrdqn"):
            assert decision.probabilities == ()
        else:
            assert len(decision.probabilities) == space.n_actions
            assert sum(decision.probabilities) == pytest.approx(1, abs=1e-5)
            assert decision.probabilities[decision.action] == max(decision.probabilities)


def test_the_builtin_policy_needs_no_practice() -> None:
    """It acts at once: no imagined step is trained on, and the best prompt is found."""
    result, _ = search(weights=BUILTIN_POLICY, rules=PlanningRules(imagined_steps=0))
    assert result.agent is not None
    assert result.agent.num_timesteps == 0
    assert sum(chosen(result.candidates[0].prompt).get(slot) == best for slot, best in BEST.items()) >= 3


@pytest.mark.parametrize("rules", [PlanningRules(), PlanningRules(imagined_steps=0), PlanningRules(rows_per_prompt=3)])
def test_same_seed_same_search(rules: PlanningRules) -> None:
    """Equal seeds and answers give equal candidates."""
    first, second = (search(calls=150, seed=4, rules=rules)[0] for _ in range(2))
    assert first.candidates == second.candidates
    assert search(calls=150, seed=5, rules=rules)[0].candidates != first.candidates


def test_practice_improves_a_policy_without_prior() -> None:
    """From indifferent weights, imagined episodes teach the agent to gain under draws."""
    planner = planner_with_answers()
    env = ImaginedVecEnv(planner.imagination, planner.starts, 32)
    agent: Any = build_agent("maskable_ppo", env, is_imagined=True)
    agent.policy.mlp_extractor.start_from(0.0)

    def gain() -> float:
        starts = [planner.trials.space.baseline] * 16
        results = planner.imagination.roll_out(follow(agent), starts, np.arange(16))
        return float(np.mean([result.value for result in results]))

    before = gain()
    agent.learn(8192)
    local = planner.imagination.roll_out(None, [planner.trials.space.baseline] * 16, np.arange(16))
    assert gain() > before
    assert gain() > float(np.mean([result.value for result in local])) - 0.3


def test_practice_goes_on_with_its_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments start once, so that short rollouts reach the last steps of long episodes, too."""
    resets: list[ImaginedVecEnv] = []
    reset = ImaginedVecEnv.reset

    def counted(env: ImaginedVecEnv) -> VecEnvObs:
        resets.append(env)
        return reset(env)

    monkeypatch.setattr(ImaginedVecEnv, "reset", counted)
    result, _ = search(calls=100)
    assert result.agent is not None
    assert result.agent.num_timesteps >= 3 * 128
    assert len(resets) == 1


@pytest.mark.parametrize("asks", [5, 16, 24, 40, 100])
def test_large_batches_take_fewer_rollouts_for_each_draw(asks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 64 in all, or one for each draw; at most four for one."""
    planner = planner_with_answers()
    monkeypatch.setattr(planner, "_batch", lambda: asks)
    planner.imagination.update_posterior(planner.surrogate, asks, np.random.default_rng(0), 0.5)
    rolled: list[Indices] = []
    roll_out = planner.imagination.roll_out

    def counted(choose: Choose | None, starts: Sequence[Prompt], draws: Indices) -> list[RolloutResult]:
        rolled.append(draws)
        return roll_out(choose, starts, draws)

    monkeypatch.setattr(planner.imagination, "roll_out", counted)
    assert len(planner.propose(None)) == asks
    counts = np.bincount(rolled[0])
    assert len(counts) == asks
    assert set(counts) == {min(4, max(1, 64 // asks))}


def test_the_builtin_policy_moves_between_spaces() -> None:
    """The weights load into an agent of any space and score its edits."""
    planner = planner_with_answers()
    agent = build_agent("ppo", ImaginedVecEnv(planner.imagination, planner.starts, 4), is_imagined=True)
    before = {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}
    agent.policy.load_state_dict(read_policy(BUILTIN_POLICY))
    assert any(not torch.equal(before[name], tensor) for name, tensor in agent.policy.state_dict().items())


def test_a_share_of_the_asks_is_drawn_uniformly() -> None:
    """With all asks uniform every option of a slot is as frequent; with none the best one is more so."""
    counts = {}
    for share in (0.0, 1.0):
        trials = Trials(make_context(table_evaluator(noisy_value, search=400)))
        planner = Planner(trials, PlanningRules(uniform_share=share), None, np.random.default_rng(0))
        planner.begin()
        while not trials.is_over and planner.advance(None):
            pass
        held = [chosen(record.prompt).get(0) == BEST[0] for record in trials.records.values() for _ in record.tried]
        counts[share] = float(np.mean(held))
    assert 0.15 < counts[1.0] < 0.3 < counts[0.0]


def test_a_search_ends_when_every_pair_is_known() -> None:
    """More calls than prompts times rows: it ends by itself."""
    result, evaluator = search(calls=1000, rows=2)
    assert result.stop_reason == "converged"
    assert evaluator.calls_left("search") >= 1000 - 2 * 144


@pytest.mark.parametrize("seed", range(3))
def test_a_search_ends_when_nothing_can_be_better(seed: int) -> None:
    """The best prompt knows all rows, all others are far behind: what is left of the calls stays in the pocket."""
    context = make_context(table_evaluator(factorial_value, search=5000), rows=20, seed=seed)
    result = search_planned(context, PlannedSettings(rules=PlanningRules(imagined_steps=0)))
    assert chosen(result.candidates[0].prompt) == BEST
    assert result.candidates[0].answers == 20
    assert result.stop_reason == "converged"
    assert result.calls_used < 1000


def test_stopping_from_outside_keeps_what_is_known() -> None:
    """The candidates so far are handed on."""
    asked: list[SearchEvent] = []
    result, _ = search(should_stop=lambda: len(asked) > 2, observe=asked.append)
    assert result.stop_reason == "stopped"
    assert 0 < result.calls_used < 300
    assert result.candidates


def test_a_prompt_that_knows_all_rows_makes_way_for_a_promising_one() -> None:
    """Not for one from anywhere: late calls of a long search must not go to prompts known to be bad."""
    planner = planner_with_answers(calls=200)
    best = planner.leaders[0].prompt
    planner.ask([Proposal(best, False)] * 30)
    planner.update_posterior()
    assert not planner.trials.untried_rows(best)
    known = len(planner.trials.records)
    promising = max((c for c in planner.leaders if c.prompt != best), key=lambda c: c.mean + c.sd).prompt
    before = len(planner.trials.untried_rows(promising))
    planner.ask([Proposal(best, False)] * 8)
    assert len(planner.trials.untried_rows(promising)) == before - 8
    assert len(planner.trials.records) == known


def test_a_linear_schedule_falls_as_the_calls_are_used() -> None:
    """Not within each practice, which SB3 takes for a whole training; there is one when the calls grew by half."""
    events: list[SearchEvent] = []
    search(calls=100, observe=events.append, params={"learning_rate": "lin_1e-3"})
    name = "train/learning_rate"
    rates = [event.values[name] for event in events if isinstance(event, Figures) and name in event.values]
    assert rates == pytest.approx([1e-3 * (100 - used) / 100 for used in (16, 32, 48, 80)])


def test_the_figures_of_every_round_are_events() -> None:
    """The search and the surrogate over the calls used, and what SB3's users look for where the agent practised."""
    events: list[SearchEvent] = []
    search(calls=100, observe=events.append)
    figures = [event for event in events if isinstance(event, Figures)]
    assert [event.step for event in figures] == [event.values["search/calls_used"] for event in figures]
    assert figures[-1].step == 100
    assert all("surrogate/noise" in event.values for event in figures)
    practised = [event.values for event in figures if "time/total_timesteps" in event.values]
    assert all({"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps"} <= values.keys() for values in practised)
    assert [values["time/total_timesteps"] for values in practised] == [128, 256, 384, 512]
    assert 1 <= practised[-1]["rollout/ep_len_mean"] <= 5
