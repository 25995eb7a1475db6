"""Starts the search that a config asks for, and keeps what its agent learned."""

from typing import TYPE_CHECKING

from promptrl.config import ExperimentConfig
from promptrl.experiment.session import RunSession
from promptrl.search.algorithms import AgentSettings
from promptrl.search.context import SearchContext

if TYPE_CHECKING:
    from promptrl.search.result import SearchResult


def search_prompts(session: RunSession) -> "SearchResult":
    """Search on train rows: by a baseline, by an agent that plans in the surrogate, or by one on the live model."""
    config, components, run = session.config, session.components, session.run
    context = SearchContext(
        space=components.space,
        rows=components.splits.train,
        evaluator=session.evaluator,
        seed=config.seed,
        observers=(session.progress.on_search,),
        grow=session.growth.next_search(components.space, session.grow),
    )
    found = _search(config, context)
    if found.surrogate is not None:
        from promptrl.search.surrogate.state import encode_state

        run.write_bytes("checkpoints/posterior.npz", encode_state(found.surrogate))
    if found.agent is not None:
        from promptrl.search.agents.policy_file import save_policy

        found.agent.save(run.path / "policy.zip")
        save_policy(found.agent, run.folder("checkpoints") / "policy.safetensors")
    return found


def _search(config: ExperimentConfig, context: SearchContext) -> "SearchResult":
    algorithm, settings = config.algorithm.algorithm, config.algorithm.definition
    if not isinstance(settings, AgentSettings):
        return algorithm.load_search()(context, settings)
    if settings.planning == "none":
        return _learn_live(algorithm.name, settings, context)
    return _plan(algorithm.name, settings, context, from_builtin=config.warm_start == "builtin")


def _plan(name: str, chosen: AgentSettings, context: SearchContext, *, from_builtin: bool) -> "SearchResult":
    from promptrl.search.planned.planner import PlanningRules
    from promptrl.search.planned.search import BUILTIN_POLICY, IMAGINED_ENVS, PlannedSettings, search_planned

    settings = PlannedSettings(
        algorithm=name,
        policy=chosen.policy,
        params=chosen.params,
        rules=PlanningRules(rows_per_prompt=chosen.rows_per_prompt, imagined_steps=chosen.imagined_steps),
        max_edits=chosen.max_edits,
        n_envs=chosen.n_envs or IMAGINED_ENVS,
        weights=BUILTIN_POLICY if from_builtin else None,
    )
    return search_planned(context, settings)


def _learn_live(name: str, chosen: AgentSettings, context: SearchContext) -> "SearchResult":
    from promptrl.search.live.search import LIVE_ENVS, LiveSettings, search_live

    settings = LiveSettings(
        algorithm=name,
        policy=chosen.policy,
        params=chosen.params,
        rows_per_prompt=chosen.rows_per_prompt,
        max_edits=chosen.max_edits,
        n_envs=chosen.n_envs or LIVE_ENVS,
    )
    return search_live(context, settings)
