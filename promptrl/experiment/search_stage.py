"""Starts the search that a config asks for, and keeps what its agent learned."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from promptrl.config import ExperimentConfig
from promptrl.experiment.session import RunSession
from promptrl.search.algorithms import AgentSettings
from promptrl.search.context import SearchContext
from promptrl.search.events import Figures, SearchEvent

if TYPE_CHECKING:
    from stable_baselines3.common.logger import KVWriter

    from promptrl.search.result import SearchResult


class FiguresFile:
    """Writes the figures of a search into ``progress.csv``, and for TensorBoard if wanted; opened by the first ones.

    Args:
        folder: Where the files go.
        tensorboard: Whether to write TensorBoard events too; needs the package.
    """

    def __init__(self, folder: Path, tensorboard: bool) -> None:
        self._folder = folder
        self._tensorboard = tensorboard
        self._writers: list[KVWriter] = []

    def observe(self, event: SearchEvent) -> None:
        """Write figures down; nothing else."""
        if isinstance(event, Figures):
            self._writers = self._writers or self._open()
            for writer in self._writers:
                writer.write(dict(event.values), dict.fromkeys(event.values, ()), event.step)

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers:
            writer.close()

    def _open(self) -> "list[KVWriter]":
        from stable_baselines3.common.logger import CSVOutputFormat, TensorBoardOutputFormat

        writers: list[KVWriter] = [CSVOutputFormat(str(self._folder / "progress.csv"))]
        return [*writers, TensorBoardOutputFormat(str(self._folder))] if self._tensorboard else writers


def search_prompts(session: RunSession) -> "SearchResult":
    """Search on train rows: by a baseline, by an agent that plans in the surrogate, or by one on the live model."""
    config, components, run = session.config, session.components, session.run
    with closing(FiguresFile(run.path, "tensorboard" in config.trackers)) as figures:
        observers = (session.progress.on_search, figures.observe)
        rows = components.splits.train
        found = _search(config, SearchContext(components.space, rows, session.evaluator, config.seed, observers))
    if found.agent is not None:
        from promptrl.search.agents.build import save_policy

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
