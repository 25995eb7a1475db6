"""Starts the search that a config asks for, and keeps what its agent learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptrl.config import ExperimentConfig
from promptrl.experiment.session import RunSession
from promptrl.search.algorithms import is_baseline

if TYPE_CHECKING:
    from promptrl.search.result import SearchResult


def search_prompts(session: RunSession) -> "SearchResult":
    """Search on train rows: by a baseline, by an agent that plans in the surrogate, or by one on the live model."""
    config, components, run = session.config, session.components, session.run
    algorithm = config.algorithm
    if is_baseline(algorithm.name):
        from promptrl.search.baselines import search_by
        from promptrl.search.trials import Trials

        trials = Trials(
            components.space, session.evaluator, components.splits.train, on_event=session.progress.on_search
        )
        return search_by(algorithm.name, trials, config.seed, algorithm.rows_per_prompt)

    shared: dict[str, Any] = {
        "space": components.space,
        "evaluator": session.evaluator,
        "train_rows": components.splits.train,
        "algorithm": algorithm.name,
        "policy": algorithm.policy,
        "params": algorithm.params,
        "max_edits": algorithm.max_edits,
        "seed": config.seed,
        "log_dir": run.path,
        "tensorboard": "tensorboard" in config.trackers,
        "on_event": session.progress.on_search,
    }
    found = _plan(config, shared) if algorithm.planning == "surrogate" else _learn_live(config, shared)
    if found.agent is not None:
        from promptrl.search.agents.build import save_policy

        found.agent.save(run.path / "policy.zip")
        save_policy(found.agent, run.folder("checkpoints") / "policy.safetensors")
    return found


def _plan(config: ExperimentConfig, shared: dict[str, Any]) -> "SearchResult":
    from promptrl.search.planned.planner import PlanningRules
    from promptrl.search.planned.search import IMAGINED_ENVS, search_planned

    algorithm = config.algorithm
    rules = PlanningRules(rows_per_prompt=algorithm.rows_per_prompt, imagined_steps=algorithm.imagined_steps)
    n_envs = algorithm.n_envs or IMAGINED_ENVS
    return search_planned(**shared, rules=rules, n_envs=n_envs, weights=_starting_weights(config))


def _learn_live(config: ExperimentConfig, shared: dict[str, Any]) -> "SearchResult":
    from promptrl.search.live.search import LIVE_ENVS, search_live

    algorithm = config.algorithm
    return search_live(**shared, rows_per_prompt=algorithm.rows_per_prompt, n_envs=algorithm.n_envs or LIVE_ENVS)


def _starting_weights(config: ExperimentConfig) -> Path | None:
    """The built-in policy, when it is asked for."""
    from promptrl.search.planned.search import BUILTIN_POLICY

    return BUILTIN_POLICY if config.warm_start == "builtin" else None
