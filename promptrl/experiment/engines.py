"""Opens what stands between a run and its model: target, cache, engine, evaluator.

This is where a local model is loaded, a replay file read and the user's own function imported.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn, Self

from promptrl.config import ExperimentConfig
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
        self._opened: dict[tuple[Any, ...], Engine] = {}
        self._closing = ExitStack()
        self._lock = threading.Lock()

    def open(self, components: Components, budget: Budget, runs_dir: Path) -> Engine:
        """The engine of an experiment, with its own budget; loads the target if no experiment before did.

        Raises:
            ConfigError: Target or cache can't be opened.
        """
        config, loaded = components.config, components.loaded
        path = Path(loaded.resolve(config.cache.path)) if config.cache.path else runs_dir / CACHE_NAME
        key = (
            config.target.model_dump_json(),
            components.given.target,
            loaded.resolve("."),
            components.code_folder,
            path.resolve(),
            config.cache,
        )
        with self._lock:
            if key in self._opened:
                _open_metrics(components)
                return self._opened[key].with_budget(budget)
            cache = None
            if config.cache.mode != "off":
                is_named = config.cache.path is not None
                opened = Cache(path, mode=config.cache.mode, max_mb=config.cache.max_mb, is_named=is_named)
                cache = self._closing.enter_context(opened)
            self._opened[key] = self._closing.enter_context(self._make(components, budget, cache))
            return self._opened[key]

    def _make(self, components: Components, budget: Budget, cache: Cache | None) -> Engine:
        target = components.loaded.target
        requests_per_minute, tokens_per_minute = target.limits_per_minute
        return Engine(
            open_target(components),
            budget=budget,
            cache=cache,
            concurrency=target.calls_in_flight,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            max_retries=target.max_retries,
            timeout_s=target.timeout_s,
            price=components.price,
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
    engine: Engine,
    budget: Budget,
    log: OutcomeLog,
    known: Iterable[Outcome] = (),
    unscored: Mapping[AnswerKey, Completion] = MappingProxyType({}),
) -> Evaluator:
    """The evaluator of a run or an evaluation; ``known`` and ``unscored`` are from before an interruption."""
    return Evaluator(
        engine,
        budget=budget,
        metrics=components.metrics,
        objective=components.objective,
        params=components.loaded.target.request_params,
        code_folder=components.code_folder,
        log=log,
        known=known,
        unscored=unscored,
        name_row=components.name_row,
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
    """Find out whether the target can be made: keys are set, the replay file is sound, the user's functions import.

    What takes long, as to load a local model, is left open.

    Raises:
        ConfigError: It can't be made.
    """
    if components.loaded.target.opens_slowly:
        _open_metrics(components)
    else:
        closing = asyncio.run_coroutine_threadsafe(open_target(components).aclose(), background_loop())
        closing.result()


def open_target(components: Components) -> Target:
    """Make the target: loads a local model, reads a replay file, imports the user's functions, of metrics too.

    Raises:
        ConfigError: It can't be made.
    """
    _open_metrics(components)
    if components.given.target is not None:
        return components.given.target.open()
    try:
        return components.loaded.target.open(components.code_folder)
    except ConfigError as error:
        raise ConfigError(located(components.loaded, error.problems)) from error


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
