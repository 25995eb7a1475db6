"""What a program calls: ``promptrl.train``, ``resume``, ``evaluate`` and ``load_config``."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from promptrl import config as configs
from promptrl.config import LoadedConfig
from promptrl.errors import UsageError, show, suggest
from promptrl.experiment import evaluate as evaluating
from promptrl.experiment import train as training
from promptrl.experiment.build import build_components
from promptrl.experiment.engines import Engines, check_target
from promptrl.experiment.evaluate import SplitName
from promptrl.experiment.events import Observer
from promptrl.experiment.given import Given, given
from promptrl.llm.base import Target
from promptrl.llm.targets.python import TargetFunction
from promptrl.runs.folder import Run
from promptrl.runs.runs_folder import RunsFolder
from promptrl.runs.trained import Evaluation, TrainedRun
from promptrl.search.growth import Grow
from promptrl.tasks.metrics.base import Metric
from promptrl.tasks.metrics.python import MetricFunction

Config = str | PathLike[str] | Mapping[str, Any]
RunLike = str | PathLike[str] | TrainedRun
Metrics = Metric | MetricFunction | Sequence[Metric | MetricFunction]


def load_config(config: Config, *, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read and check a config; no data file is opened and no model asked.

    Args:
        config: A YAML file, or what one would hold; paths in data are relative to the working directory.
        overrides: ``key.path=value`` each, as ``-s`` takes them.

    Raises:
        ConfigError: Everything wrong, each with its key.
    """
    return _load(config, overrides, Given())


def train(
    config: Config,
    *,
    target: Target | TargetFunction | None = None,
    metrics: Metrics = (),
    observe: Observer | Sequence[Observer] = (),
    grow: Grow | None = None,
    overrides: Sequence[str] = (),
    runs_dir: str | PathLike[str] | None = None,
) -> TrainedRun:
    """Search for a better prompt, prove it on held-out rows, and keep everything in a run folder.

    Args:
        config: A YAML file, or what one would hold.
        target: A function ``(messages, params)``, plain or async, that gives back the text or a ``Completion``, or a
            ``Target``; it takes the place of the config's ``target``, of which ``params``, ``concurrency`` and the like
            still count. It is called in a thread or an event loop of promptrl's own.
        metrics: Functions ``(example, completion)`` that give back a number in [0, 1] or a ``Score``, or ``Metric``
            objects; an entry ``{name: NAME, weight: W}`` of ``reward.metrics`` gives one a weight, else it weighs 1.
        observe: Told of every event; one that raises is dropped with a warning.
        grow: Says what the space gains while it is searched: called with a ``GrowthRequest`` before every batch, it
            gives back a ``Growth`` or None; None: the space stays as the config has it.
        overrides: ``key.path=value`` each, as ``-s`` takes them.
        runs_dir: Where the run folder goes; None = ``output.runs_dir`` of the config.

    Raises:
        ConfigError: Something is wrong with config, data, target or metrics; nothing was asked.
        UsageError: Another argument is of no use, also in the other functions.
        PromptrlError: The run could not be finished; its folder says so, and ``resume`` may carry it on.
    """
    observers, folder = _all_of(observe), _folder(runs_dir)
    own = given(target, metrics)
    components = build_components(_load(config, overrides, own), given=own)
    with Engines() as engines:
        check_target(components)
        return training.train(components, runs_dir=folder, engines=engines, observers=observers, grow=grow)


def resume(
    run: RunLike,
    *,
    target: Target | TargetFunction | None = None,
    metrics: Metrics = (),
    observe: Observer | Sequence[Observer] = (),
    grow: Grow | None = None,
    runs_dir: str | PathLike[str] = "runs",
) -> TrainedRun:
    """Carry an interrupted or failed run to its end; answers that it has are not paid for again.

    Args:
        run: Id, unique prefix, path, ``latest`` or ``latest:NAME``.
        target: As for ``train``, when the run began with one.
        metrics: Likewise.
        observe: As for ``train``.
        grow: Likewise; what came before the interruption comes again without it.
        runs_dir: Where the run folders are.

    Raises:
        RunNotFoundError: There is no such run.
        RunLockedError: It is done, or another process works on it.
        ConfigError: It began with a target or metrics of a program's that are not given here, or with others.
        PromptrlError: As for ``train``.
    """
    observers, found = _all_of(observe), _find(run, runs_dir)
    return training.resume(found, observers=observers, given=given(target, metrics), grow=grow)


def evaluate(
    subject: RunLike,
    *,
    config: Config | None = None,
    split: SplitName = "test",
    target: Target | TargetFunction | None = None,
    metrics: Metrics = (),
    overrides: Sequence[str] = (),
    runs_dir: str | PathLike[str] | None = None,
) -> Evaluation:
    """Score a run's winner, or a prompt file, beside the baseline prompt, paired by row.

    Args:
        subject: A run, as for ``resume``; with a config a prompt file.
        config: Where target, data, metrics and baseline of a prompt file come from.
        split: Rows to score on: ``train``, ``validation`` or ``test``.
        target: As for ``train``.
        metrics: Likewise.
        overrides: ``key.path=value`` each, for the config.
        runs_dir: Where run folders and the cache of answers are; None = ``./runs``, with a config its
            ``output.runs_dir``.

    Raises:
        UsageError: There is no such split, the prompt file can't be read, or changes are asked for in the config of a
            run.
        PromptrlError: As for ``resume``.
    """
    if split not in (splits := get_args(SplitName)):
        raise UsageError(f"split: got {show(split)}, expected {', '.join(splits)} ({suggest(str(split), splits)})")
    own, folder = given(target, metrics), _folder(runs_dir)
    if config is None:
        if overrides:
            raise UsageError("overrides need a config: a run is evaluated with the one it was trained with")
        return Evaluation(evaluating.evaluate_run(_find(subject, folder or Path("runs")), split, given=own))
    if isinstance(subject, TrainedRun) or not (file := _path(subject, "subject", "a prompt file")).is_file():
        raise UsageError(f"no prompt file {subject}: with a config a prompt file is scored, a run goes without")
    components = build_components(_load(config, overrides, own), given=own)
    return Evaluation(evaluating.evaluate_prompt_file(components, file, split, runs_dir=folder))


def _load(config: Config, overrides: Sequence[str], own: Given) -> LoadedConfig:
    """The config, with names for what is given."""
    if isinstance(overrides, str) or not all(isinstance(one, str) for one in _list(overrides, "overrides")):
        raise UsageError(f"overrides: got {overrides!r}, expected a list of key.path=value")
    if isinstance(config, Mapping):
        return configs.load_data(config, overrides, fill=own.named_in)
    return configs.load_config(_path(config, "config", "a path or a mapping"), overrides, fill=own.named_in)


def _find(run: RunLike, runs_dir: str | PathLike[str]) -> Run:
    if isinstance(run, TrainedRun):
        return run.run
    _path(run, "run", "an id, a path or a run")
    return RunsFolder(_path(runs_dir, "runs_dir")).find(str(run))


def _folder(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else _path(path, "runs_dir")


def _all_of(observe: Observer | Sequence[Observer]) -> Sequence[Observer]:
    observers = [observe] if callable(observe) else _list(observe, "observe")
    if not all(map(callable, observers)):
        raise UsageError(f"observe: got {observe!r}, expected functions of an event")
    return observers


def _list(values: Any, name: str) -> list[Any]:
    if not isinstance(values, Iterable):
        raise UsageError(f"{name}: got {values!r}, expected a list")
    return list(values)


def _path(path: Any, name: str, expected: str = "a path") -> Path:
    """The path; raises UsageError for what is none, by the name of the argument."""
    try:
        return Path(path)
    except TypeError as error:
        raise UsageError(f"{name}: got {type(path).__name__}, expected {expected}") from error
