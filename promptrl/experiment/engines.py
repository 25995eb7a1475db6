"""Opens what stands between a run and its model: target, cache, engine, evaluator.

This is where a local model is loaded, a replay file read and the user's own function imported.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self

from promptrl.config import ExperimentConfig
from promptrl.config.experiment import CacheConfig
from promptrl.config.loading import TARGET
from promptrl.errors import ConfigError
from promptrl.evaluation.doubts import Grading
from promptrl.evaluation.evaluator import Evaluator, OutcomeLog
from promptrl.evaluation.outcome import AnswerKey, Outcome
from promptrl.experiment.build import Components, located
from promptrl.experiment.randomness import lent_to_others
from promptrl.llm.base import Completion, Target
from promptrl.llm.engine.attempts import Trace
from promptrl.llm.engine.background import background_loop
from promptrl.llm.engine.budget import TURNS, Budget
from promptrl.llm.engine.cache import Cache
from promptrl.llm.engine.engine import Engine
from promptrl.llm.engine.stop import StopSignal
from promptrl.tasks.metrics.base import MetricContext, Question

CACHE_NAME = ".cache.sqlite"


@dataclass(frozen=True, slots=True)
class Models:
    """The engines of one run, which share its budget.

    Attributes:
        target: Asks the model that runs the prompt.
        others: Ask the models that other blocks declare, by the key of the block: ``reward.metrics.0.judge``.
    """

    target: Engine
    others: Mapping[str, Engine]

    def below(self, key: str) -> Engine | None:
        """The engine of the block that stands below a key; None where there is none."""
        return next((engine for at, engine in self.others.items() if at.startswith(f"{key}.")), None)


def make_budget(components: Components, max_calls: int | None = None, elapsed_s: float = 0.0) -> Budget:
    """The limits of the config, for the stages of a run and what the call plan pays for beside them.

    Args:
        components: The config and the plan.
        max_calls: Another limit, for an evaluation, which needs no search.
        elapsed_s: Seconds that a resumed run has taken before.
    """
    limits = components.config.budget
    return Budget(
        max_calls=limits.max_calls if max_calls is None else max_calls,
        max_tokens=limits.max_tokens,
        max_usd=limits.max_usd,
        max_minutes=limits.max_minutes,
        elapsed_s=elapsed_s,
        shares_of=components.plan.shares_of,
        turns={**dict.fromkeys(components.plan.beside, max(TURNS.values())), **TURNS},
    )


class Engines:
    """Opens targets behind their engines and caches; experiments with the same target block and cache share them.

    Args:
        stop: Ends what is under way.
        trace: Called with every attempt.

    Attributes:
        stop: As given, else one that nobody has requested.
    """

    def __init__(
        self,
        stop: StopSignal | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.stop = stop or StopSignal()
        self._trace = trace
        self._opened: list[tuple[tuple[Any, ...], Engine]] = []
        self._caches: dict[tuple[Path, CacheConfig], Cache] = {}
        self._closing = ExitStack()
        self._lock = threading.Lock()

    def open(self, components: Components, budget: Budget, runs_dir: Path) -> Models:
        """The engines of an experiment, with its own budget; loads a model if no experiment before did.

        Raises:
            ConfigError: A model, a metric or the cache can't be opened.
        """
        _open_metrics(components)
        with self._lock:
            engines = {key: self._engine(components, key, budget, runs_dir) for key in components.loaded.models}
        return Models(engines.pop(TARGET), engines)

    def _engine(self, components: Components, model: str, budget: Budget, runs_dir: Path) -> Engine:
        """The engine of the model whose block stands at this key."""
        config, loaded = components.config, components.loaded
        path = Path(loaded.resolve(config.cache.path)) if config.cache.path else runs_dir / CACHE_NAME
        key = (
            loaded.models[model],
            components.given.target if model == TARGET else None,
            components.code_folder,
            path.resolve(),
            config.cache,
        )
        known = next((engine for opened, engine in self._opened if opened == key), None)
        if known is not None:
            return known.with_budget(budget)
        engine = self._closing.enter_context(self._make(components, model, budget, self._cache(path, config.cache)))
        self._opened.append((key, engine))
        return engine

    def _cache(self, path: Path, settings: CacheConfig) -> Cache | None:
        """The cache at a path, which all engines share; None where none is wanted."""
        key = (path.resolve(), settings)
        if settings.mode != "off" and key not in self._caches:
            is_named = settings.path is not None
            opened = Cache(path, mode=settings.mode, max_mb=settings.max_mb, is_named=is_named)
            self._caches[key] = self._closing.enter_context(opened)
        return self._caches.get(key)

    def _make(self, components: Components, model: str, budget: Budget, cache: Cache | None) -> Engine:
        definition = components.loaded.models[model]
        requests_per_minute, tokens_per_minute = definition.limits_per_minute
        return Engine(
            open_model(components, model),
            budget=budget,
            cache=cache,
            concurrency=definition.calls_in_flight,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            max_retries=definition.max_retries,
            timeout_s=definition.timeout_s,
            price=definition.known_price,
            stop=self.stop,
            waiting=lent_to_others,
            trace=self._trace,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()


@contextmanager
def given_or_new(engines: Engines | None) -> Iterator[Engines]:
    """The engines given, which stay open, else new ones that are closed at the end."""
    if engines is not None:
        yield engines
        return
    with Engines() as new:
        yield new


def make_evaluator(
    components: Components,
    models: Models,
    budget: Budget,
    log: OutcomeLog,
    known: Iterable[Outcome] = (),
    unscored: Mapping[AnswerKey, Completion] = MappingProxyType({}),
) -> Evaluator:
    """The evaluator of a run or an evaluation; ``known`` and ``unscored`` are from before an interruption."""
    return Evaluator(
        models.target,
        budget=budget,
        metrics=components.metrics,
        objective=components.objective,
        params=components.loaded.target.request_params,
        code_folder=components.code_folder,
        log=log,
        known=known,
        unscored=unscored,
        name_row=components.name_row,
        baseline=components.space.baseline,
        asked_of={
            metric.name: engine
            for position, metric in enumerate(components.config.reward.metrics)
            if (engine := models.below(f"reward.metrics.{position}")) is not None
        },
    )


def make_grading(components: Components) -> Grading:
    """What the answers of a run, or of an evaluation, are graded against."""
    objective, splits = components.objective, components.splits
    params = components.loaded.target.request_params
    return Grading(
        rows={row.id: row for row in (*splits.train, *splits.validation, *splits.test)},
        metrics=[m for m in components.metrics if objective.weights[m.name] or m.name == objective.gate_metric],
        gate_metric=objective.gate_metric,
        has_costs=bool(objective.costs),
        max_tokens=params.get("max_tokens") or params.get("max_completion_tokens"),
    )


def check_target(components: Components) -> None:
    """Find out whether all models can be made: keys are set, replay files are sound, the user's functions import.

    What takes long, as to load a local model, is left open.

    Raises:
        ConfigError: One can't be made.
    """
    _open_metrics(components)
    for key, model in components.loaded.models.items():
        if not model.opens_slowly:
            closing = asyncio.run_coroutine_threadsafe(open_model(components, key).aclose(), background_loop())
            closing.result()


def open_model(components: Components, key: str) -> Target:
    """Make the model whose block stands at this key: loads it, reads a replay file, imports the user's functions.

    Raises:
        ConfigError: It can't be made.
    """
    if key == TARGET and components.given.target is not None:
        return components.given.target.open()
    try:
        return components.loaded.models[key].open(components.code_folder)
    except ConfigError as error:
        problems = [replace(problem, key=_moved(problem.key, key)) for problem in error.problems]
        raise ConfigError(located(components.loaded, problems)) from error


def open_target(components: Components) -> Target:
    """Make the target, and open the metrics.

    Raises:
        ConfigError: It can't be made.
    """
    _open_metrics(components)
    return open_model(components, TARGET)


def _moved(key: str, to: str) -> str:
    """A key of a problem that speaks of the target, for a model whose block stands elsewhere."""
    return f"{to}{key.removeprefix(TARGET)}" if key.partition(".")[0] == TARGET else key


def _open_metrics(components: Components) -> None:
    """Open the metrics as the evaluator will, so that code of the user's that is missing is found before a run."""
    try:
        for metric in components.metrics:
            metric.open(MetricContext(components.code_folder, ask=_refuse))
    except ConfigError as error:
        raise ConfigError(located(components.loaded, error.problems)) from error


def _refuse(questions: Sequence[Question]) -> NoReturn:
    raise RuntimeError(f"{len(questions)} questions, but a metric asks only while it scores")


def rows_per_look(config: ExperimentConfig) -> int:
    """Rows that two prompts can be asked on at once: what a sequential gate asks between two looks."""
    return max(1, config.target.definition.calls_in_flight // 2)
