"""Starts the search that a config asks for, and keeps what its agent learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptrl.config import LoadedConfig
from promptrl.evaluation.evaluator import Evaluator
from promptrl.experiment.build import Components
from promptrl.experiment.progress import Progress
from promptrl.runs.folder import Run
from promptrl.search.algorithms import is_baseline

if TYPE_CHECKING:
    from promptrl.search.result import SearchResult


def search_prompts(
    loaded: LoadedConfig, components: Components, run: Run, evaluator: Evaluator, progress: Progress
) -> "SearchResult":
    """Search on train rows: by a baseline, by an agent that plans in the surrogate, or by one on the live model."""
    algorithm = loaded.config.algorithm
    if is_baseline(algorithm.name):
        from promptrl.search.baselines import search_by
        from promptrl.search.trials import Trials

        trials = Trials(components.space, evaluator, components.splits.train, on_event=progress.on_search)
        return search_by(algorithm.name, trials, loaded.config.seed, algorithm.rows_per_prompt)

    shared: dict[str, Any] = {
        "space": components.space,
        "evaluator": evaluator,
        "train_rows": components.splits.train,
        "algorithm": algorithm.name,
        "policy": algorithm.policy,
        "params": algorithm.params,
        "max_edits": algorithm.max_edits,
        "seed": loaded.config.seed,
        "log_dir": run.path,
        "tensorboard": "tensorboard" in loaded.config.trackers,
        "on_event": progress.on_search,
    }
    found = _plan(loaded, shared) if algorithm.planning == "surrogate" else _learn_live(loaded, shared)
    if found.agent is not None:
        from promptrl.search.agents.build import save_policy

        found.agent.save(run.path / "policy.zip")
        save_policy(found.agent, run.folder("checkpoints") / "policy.safetensors")
    return found


def _plan(loaded: LoadedConfig, shared: dict[str, Any]) -> "SearchResult":
    from promptrl.search.planned.planner import PlanningRules
    from promptrl.search.planned.search import IMAGINED_ENVS, search_planned

    algorithm = loaded.config.algorithm
    rules = PlanningRules(rows_per_prompt=algorithm.rows_per_prompt, imagined_steps=algorithm.imagined_steps)
    n_envs = algorithm.n_envs or IMAGINED_ENVS
    return search_planned(**shared, rules=rules, n_envs=n_envs, weights=_starting_weights(loaded))


def _learn_live(loaded: LoadedConfig, shared: dict[str, Any]) -> "SearchResult":
    from promptrl.search.live.search import LIVE_ENVS, search_live

    algorithm = loaded.config.algorithm
    return search_live(**shared, rows_per_prompt=algorithm.rows_per_prompt, n_envs=algorithm.n_envs or LIVE_ENVS)


def _starting_weights(loaded: LoadedConfig) -> Path | None:
    """The built-in policy, when it is asked for."""
    from promptrl.search.planned.search import BUILTIN_POLICY

    return BUILTIN_POLICY if loaded.config.warm_start == "builtin" else None
