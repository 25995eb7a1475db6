"""The planning loop: the agent edits prompts in a learned model, the target is asked only for what it comes up with.

Each round fits the surrogate, lets the agent practise on draws from it, and rolls the agent out under fresh draws
(posterior sampling, Thompson 1933); of the prompts it ends at and those known to be good, the ones are asked whose
answers promise most (knowledge gradient).
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecMonitor

from promptrl.search.agents.build import (
    AgentChoice,
    build_agent,
    carry_over,
    choose_action,
    make_logger,
    one_torch_thread,
)
from promptrl.search.agents.policy_file import read_policy
from promptrl.search.context import SearchContext
from promptrl.search.planned.env import ImaginedVecEnv
from promptrl.search.planned.imagined import Choose
from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.result import Decision, SearchResult
from promptrl.search.surrogate.data import Indices
from promptrl.search.threads import one_blas_thread
from promptrl.search.trials import Trials

NEVER = 10**9
IMAGINED_ENVS = 16
PRACTISE_AGAIN = 1.5
"""The agent practises when the calls have grown so much: what one batch changes in the posterior is little."""
BUILTIN_POLICY = Path(__file__).parent / "weights" / "policy.safetensors"
"""Trained by ``pretraining.py``; fits the actor-critic algorithms with ``policy: deepsets``."""


@dataclass(frozen=True, slots=True)
class PlannedSettings(AgentChoice):
    """How an agent plans in the surrogate.

    Attributes:
        rules: How the loop works.
        n_envs: Imagined episodes side by side while the agent learns.
        weights: A trained policy (safetensors) to start from.
    """

    rules: PlanningRules = field(default_factory=PlanningRules)
    n_envs: int = IMAGINED_ENVS
    weights: Path | None = None


@one_torch_thread()
@one_blas_thread()
def search_planned(context: SearchContext, settings: PlannedSettings) -> SearchResult:
    """Search with an SB3 agent that plans in the surrogate.

    Args:
        context: What to search.
        settings: How.

    Returns:
        The candidates, best first, and the agent.

    Raises:
        ConfigError: The trained policy can't be read, or is of another format; nothing was asked.
        TargetError: The model can't be asked any more.
    """
    weights = None if settings.weights is None else read_policy(settings.weights)
    trials = Trials(context, can_grow=True)
    rng = np.random.default_rng(context.seed).spawn(1)[0]  # SB3 starts the environment's own stream from the seed
    planner = Planner(trials, settings.rules, settings.max_edits, rng)
    planner.begin()
    planner.report(env_steps=0)
    env, model = _build(settings, planner, context, context.seed)
    if weights is not None:
        model.policy.load_state_dict(weights)
    is_exhausted, practise_at = False, 0
    while not trials.is_over:
        if planner.grow(is_exhausted=is_exhausted):
            smaller, practise_at = model, 0
            env, model = _build(settings, planner, context, planner.next_seed())
            carry_over(smaller, model)
        elif is_exhausted:
            break
        if trials.calls_used >= practise_at:
            _practise(model, env, settings.rules.imagined_steps)
            practise_at = int(PRACTISE_AGAIN * trials.calls_used)
        is_exhausted = not planner.advance(follow(model))
        if not is_exhausted:
            planner.report(model.num_timesteps)
            _log(planner, model)
    candidates = planner.conclude(follow(model))
    decisions = best_episode(model, planner)
    return SearchResult(
        candidates=tuple(candidates),
        stop_reason=trials.stop_reason,
        env_steps=model.num_timesteps,
        calls_used=trials.calls_used,
        space=trials.space,
        agent=model,
        decisions=decisions,
        surrogate=planner.surrogate.state(),
        grown_at=trials.grown_at,
    )


def _build(
    settings: PlannedSettings, planner: Planner, context: SearchContext, seed: int
) -> tuple[ImaginedVecEnv, BaseAlgorithm]:
    """An untrained agent and the episodes in which it practises; its figures become events."""
    env = ImaginedVecEnv(planner.imagination, planner.starts, settings.n_envs)
    model = build_agent(
        settings.algorithm,
        VecMonitor(env),
        policy=settings.policy,
        params=settings.params,
        seed=seed,
        is_imagined=True,
        remaining=lambda: planner.share_left,
    )
    model.set_logger(make_logger(context.emit))
    return env, model


def follow(model: BaseAlgorithm) -> Choose:
    """Chooses, for each observation of a batch, the agent's likeliest action; nothing is drawn."""

    def choose(observations: np.ndarray[Any, Any]) -> Indices:
        return np.asarray(model.predict(observations, deterministic=True)[0], dtype=np.intp)

    return choose


def best_episode(model: BaseAlgorithm, planner: Planner) -> tuple[Decision, ...]:
    """What the agent does from the baseline, action by action, under the posterior mean: none asks the target.

    It ends at the latest where the agent comes back to a prompt, for it would go round from there.
    """
    imagination = planner.imagination
    episodes = imagination.begin(planner.starts.baseline[None], np.zeros(1, dtype=np.intp))
    decisions: list[Decision] = []
    passed, is_over = set[bytes](), False
    while not is_over:
        passed.add(episodes.states.held.tobytes())
        view = imagination.observe(episodes)
        decisions.append(choose_action(model, view.observation[0]))
        _, stopped, truncated = imagination.act(episodes, view, np.array([decisions[-1].action]))
        is_over = bool(stopped[0] or truncated[0]) or episodes.states.held.tobytes() in passed
    return tuple(decisions)


def _practise(model: BaseAlgorithm, env: ImaginedVecEnv, steps: int) -> None:
    """Let the agent learn under the present posterior, in the episodes that it was in; note how it did as SB3 does."""
    if not steps:
        return
    began_s, before = time.monotonic(), model.num_timesteps
    if model._last_obs is not None:
        model._last_obs = env.resume()
    model.learn(steps, reset_num_timesteps=False, log_interval=NEVER)
    episodes = list(model.ep_info_buffer or ())
    if episodes:
        model.logger.record("rollout/ep_rew_mean", float(np.mean([episode["r"] for episode in episodes])))
        model.logger.record("rollout/ep_len_mean", float(np.mean([episode["l"] for episode in episodes])))
    model.logger.record("time/fps", int((model.num_timesteps - before) / max(time.monotonic() - began_s, 1e-9)))
    model.logger.record("time/total_timesteps", model.num_timesteps)


def _log(planner: Planner, model: BaseAlgorithm) -> None:
    """Log a round: the search, the surrogate, the agent's episodes, and what SB3 has noted of its training."""
    surrogate = planner.surrogate
    leader = planner.leaders[0]
    figures = {
        "search/calls_used": planner.trials.calls_used,
        "search/prompts_seen": len(planner.trials.records),
        "search/best_mean": leader.mean,
        "search/best_sd": leader.sd,
        "surrogate/noise": surrogate.noise,
        "surrogate/pairs": len(surrogate.pairs),
        "time/imagined_steps": model.num_timesteps,
    }
    for name, value in figures.items():
        model.logger.record(name, value)
    model.logger.dump(planner.trials.calls_used)
