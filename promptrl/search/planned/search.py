"""The planning loop: the agent edits prompts in a learned model, the target is asked only for what it comes up with.

Each round fits the surrogate, lets the agent practise on draws from it, rolls the agent out under fresh draws
(posterior sampling, Thompson 1933) and asks the prompts it ends at on a row or two each.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger

from promptrl.evaluation.evaluator import Evaluator
from promptrl.prompts.space import EditSpace
from promptrl.search.agents.build import build_agent, choose_action, load_policy, make_logger, one_torch_thread
from promptrl.search.agents.policy import Encoder
from promptrl.search.algorithms import Algorithm
from promptrl.search.events import SearchEvent
from promptrl.search.planned.env import ImaginedVecEnv
from promptrl.search.planned.imagined import Choose
from promptrl.search.planned.planner import Planner, PlanningRules
from promptrl.search.result import Decision, SearchResult
from promptrl.search.surrogate.data import Indices
from promptrl.search.threads import one_blas_thread
from promptrl.search.trials import Trials
from promptrl.tasks.dataset import Example

NEVER = 10**9
IMAGINED_ENVS = 16
BUILTIN_POLICY = Path(__file__).parent / "weights" / "policy.safetensors"
"""Trained by ``pretraining.py``; fits the actor-critic algorithms with ``policy: deepsets``."""


@one_torch_thread()
@one_blas_thread()
def search_planned(
    *,
    space: EditSpace,
    evaluator: Evaluator,
    train_rows: Sequence[Example],
    algorithm: Algorithm = "maskable_ppo",
    policy: Encoder = "deepsets",
    params: Mapping[str, Any] | None = None,
    rules: PlanningRules | None = None,
    max_edits: int | None = None,
    n_envs: int = IMAGINED_ENVS,
    seed: int = 0,
    weights: Path | None = None,
    log_dir: Path | None = None,
    tensorboard: bool = False,
    on_event: Callable[[SearchEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SearchResult:
    """Search with an SB3 agent that plans in the surrogate.

    Args:
        space: The edits.
        evaluator: Answers; its "search" share is spent.
        train_rows: Rows that prompts are asked on.
        algorithm: Which SB3 algorithm.
        policy: How the network lets edits see each other.
        params: SB3's hyperparameters by their own names, over our defaults.
        rules: How the loop works.
        max_edits: Longest episode; None = one more than there are slots.
        n_envs: Imagined episodes side by side while the agent learns.
        seed: Of everything random here.
        weights: A trained policy (safetensors) to start from.
        log_dir: Where ``progress.csv`` goes.
        tensorboard: Also write TensorBoard events there.
        on_event: Told after every batch of answers.
        should_stop: Asked before every batch; True ends the search with what it has.

    Returns:
        The candidates, best first, and the agent.

    Raises:
        TargetError: The model can't be asked any more.
    """
    rules = rules or PlanningRules()
    trials = Trials(space, evaluator, train_rows, on_event=on_event, should_stop=should_stop)
    rng = np.random.default_rng(seed).spawn(1)[0]  # SB3 starts the environment's own stream from the seed
    planner = Planner(trials, rules, max_edits, rng)
    planner.begin()
    planner.report(env_steps=0)
    env = ImaginedVecEnv(planner.imagination, planner.starts, n_envs)
    model = build_agent(algorithm, env, policy=policy, params=params, seed=seed, is_imagined=True)
    if weights is not None:
        load_policy(model, weights)
    logger = make_logger(log_dir, tensorboard)
    model.set_logger(logger)
    choose = follow(model)
    try:
        while not trials.is_over:
            _practise(model, env, rules.imagined_steps)
            if not planner.advance(choose):
                break
            planner.report(model.num_timesteps)
            _note(logger, planner, model)
        candidates = planner.conclude(choose)
    finally:
        logger.close()
    decisions = best_episode(model, planner)
    return SearchResult(tuple(candidates), trials.stop_reason, model.num_timesteps, trials.calls_used, model, decisions)


def follow(model: BaseAlgorithm) -> Choose:
    """The agent's best actions."""

    def choose(observations: np.ndarray[Any, Any]) -> Indices:
        return np.asarray(model.predict(observations, deterministic=True)[0], dtype=np.intp)

    return choose


def best_episode(model: BaseAlgorithm, planner: Planner) -> tuple[Decision, ...]:
    """What the agent does from the baseline, action by action, under the posterior mean: none asks the target."""
    imagination = planner.imagination
    episodes = imagination.begin(planner.starts.baseline[None], np.zeros(1, dtype=np.intp))
    decisions: list[Decision] = []
    is_over = False
    while not is_over:
        view = imagination.observe(episodes)
        decisions.append(choose_action(model, view.observation[0]))
        _, stopped, truncated = imagination.act(episodes, view, np.array([decisions[-1].action]))
        is_over = bool(stopped[0] or truncated[0])
    return tuple(decisions)


def _practise(model: BaseAlgorithm, env: ImaginedVecEnv, steps: int) -> None:
    """Let the agent learn under the present posterior, in the episodes that it was in."""
    if steps:
        model._last_obs = env.resume() if model.num_timesteps else None
        model.learn(steps, reset_num_timesteps=False, log_interval=NEVER)


def _note(logger: Logger, planner: Planner, model: BaseAlgorithm) -> None:
    """One line of ``progress.csv``."""
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
        logger.record(name, value)
    logger.dump(planner.trials.calls_used)
