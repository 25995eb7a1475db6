"""Opens what stands between a run and its model: target, cache, engine, evaluator.

This is where a local model is loaded, a replay file read and the user's own function imported.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from promptrl.config import LoadedConfig
from promptrl.config.targets import LocalTargetConfig, OpenAITargetConfig, PythonTargetConfig, ReplayTargetConfig
from promptrl.errors import ConfigError
from promptrl.evaluation import Evaluator, Outcome, OutcomeLog
from promptrl.llm.base import Target
from promptrl.llm.budget import Budget
from promptrl.llm.cache import Cache
from promptrl.llm.engine import Engine
from promptrl.parts import Parts, located
from promptrl.tasks.metrics.code import import_functions

CACHE_NAME = ".cache.sqlite"


def make_budget(loaded: LoadedConfig, max_calls: int | None = None) -> Budget:
    """The limits of the config; ``max_calls`` is another limit for an evaluation, which needs no search."""
    limits = loaded.config.budget
    return Budget(
        max_calls=limits.max_calls if max_calls is None else max_calls,
        max_tokens=limits.max_tokens,
        max_usd=limits.max_usd,
        max_minutes=limits.max_minutes,
    )


@contextmanager
def open_engine(loaded: LoadedConfig, parts: Parts, budget: Budget, runs_dir: Path) -> Iterator[Engine]:
    """The target behind its engine and cache; all closed at the end."""
    config = loaded.config
    with ExitStack() as stack:
        cache = None
        if config.cache.mode != "off":
            path = Path(loaded.resolve(config.cache.path)) if config.cache.path else runs_dir / CACHE_NAME
            cache = stack.enter_context(Cache(path, mode=config.cache.mode, max_mb=config.cache.max_mb))
        engine = Engine(
            open_target(loaded, parts),
            budget=budget,
            cache=cache,
            concurrency=_concurrency(loaded),
            max_retries=config.target.max_retries,
            timeout_s=config.target.timeout_s,
            price=parts.price,
        )
        yield stack.enter_context(engine)


def make_evaluator(
    loaded: LoadedConfig,
    parts: Parts,
    engine: Engine,
    budget: Budget,
    log: OutcomeLog,
    known: Iterable[Outcome] = (),
) -> Evaluator:
    """The evaluator of a run or an evaluation; ``known`` are its outcomes from before an interruption."""
    return Evaluator(
        engine,
        budget=budget,
        metrics=parts.metrics,
        objective=parts.objective,
        params=loaded.config.target.request_params,
        log=log,
        known=known,
    )


def check_target(loaded: LoadedConfig, parts: Parts) -> None:
    """Find out whether the target can be made: keys are set, the replay file is sound, the user's functions import.

    Only whether a local model can be loaded is left open, for that takes as long as loading it.

    Raises:
        ConfigError: It can't be made.
    """
    if isinstance(loaded.config.target, LocalTargetConfig):
        _import_functions(loaded, parts)
    else:
        asyncio.run(open_target(loaded, parts).aclose())


def open_target(loaded: LoadedConfig, parts: Parts) -> Target:
    """Make the target: loads a local model, reads a replay file, imports the user's functions, of metrics too.

    Raises:
        ConfigError: It can't be made.
    """
    _import_functions(loaded, parts)
    try:
        return _open_target(loaded, parts.code_folder)
    except ConfigError as error:
        raise ConfigError(located(loaded, error.problems)) from error


def _import_functions(loaded: LoadedConfig, parts: Parts) -> None:
    try:
        import_functions(parts.metrics, parts.code_folder)
    except ConfigError as error:
        raise ConfigError(located(loaded, error.problems)) from error


def _open_target(loaded: LoadedConfig, code_folder: Path) -> Target:
    target = loaded.config.target
    match target:
        case LocalTargetConfig():
            from promptrl.llm.local import LocalTarget

            model = loaded.resolve(target.model) if target.model.startswith((".", "/", "~")) else target.model
            return LocalTarget(model, batch_size=target.batch_size)
        case OpenAITargetConfig():
            from promptrl.llm.openai import OpenAITarget

            return OpenAITarget(
                target.model,
                base_url=target.base_url,
                api_key_env=target.api_key_env,
                headers=target.headers,
                timeout_s=target.timeout_s,
            )
        case ReplayTargetConfig():
            from promptrl.llm.replay import ReplayTarget

            return ReplayTarget(Path(loaded.resolve(target.path)))
        case PythonTargetConfig():
            from promptrl.llm.python import PythonTarget

            return PythonTarget(target.function, folder=code_folder)


def rows_per_look(loaded: LoadedConfig) -> int:
    """Rows that two prompts can be asked on at once: what a sequential gate asks between two looks."""
    return max(1, _concurrency(loaded) // 2)


def _concurrency(loaded: LoadedConfig) -> int:
    """Calls in flight at most; a model in this process has one batch waiting while it generates another."""
    target = loaded.config.target
    return 2 * target.batch_size if isinstance(target, LocalTargetConfig) else target.concurrency
