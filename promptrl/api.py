"""What a program calls: ``promptrl.train``, ``resume``, ``evaluate`` and ``load_config``."""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from promptrl import config as configs
from promptrl.config import LoadedConfig
from promptrl.config.source import SourceError, parse
from promptrl.errors import UsageError
from promptrl.experiment import evaluate as evaluating
from promptrl.experiment import train as training
from promptrl.experiment.build import build_components
from promptrl.experiment.engines import Engines, check_target
from promptrl.experiment.evaluate import SplitName
from promptrl.experiment.events import Observer
from promptrl.experiment.given import Given, given
from promptrl.llm.base import Target
from promptrl.llm.targets.python import TargetFunction
from promptrl.runs.folder import Run, RunsFolder
from promptrl.runs.trained import Evaluation, TrainedRun
from promptrl.tasks.metrics.base import Metric
from promptrl.tasks.metrics.python import MetricFunction

Config = str | PathLike[str] | Mapping[str, Any]
RunLike = str | PathLike[str] | TrainedRun
Metrics = Metric | MetricFunction | Sequence[Metric | MetricFunction]
Observers = Observer | Sequence[Observer]


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
    observe: Observers = (),
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
        overrides: ``key.path=value`` each, as ``-s`` takes them.
        runs_dir: Where the run folder goes; None = ``output.runs_dir`` of the config.

    Raises:
        ConfigError: Something is wrong with config, data, target or metrics; nothing was asked.
        PromptrlError: The run could not be finished; its folder says so, and ``resume`` may carry it on.
    """
    own = given(target, metrics)
    components = build_components(_load(config, overrides, own), given=own)
    with Engines() as engines:
        check_target(components)
        return training.train(components, runs_dir=_folder(runs_dir), engines=engines, observers=_all_of(observe))


def resume(
    run: RunLike,
    *,
    target: Target | TargetFunction | None = None,
    metrics: Metrics = (),
    observe: Observers = (),
    runs_dir: str | PathLike[str] = "runs",
) -> TrainedRun:
    """Carry an interrupted or failed run to its end; answers that it has are not paid for again.

    Args:
        run: Id, unique prefix, path, ``latest`` or ``latest:NAME``.
        target: As for ``train``, when the run began with one.
        metrics: Likewise.
        observe: As for ``train``.
        runs_dir: Where the run folders are.

    Raises:
        RunNotFoundError: There is no such run.
        RunLockedError: It is done, or another process works on it.
        ConfigError: It began with a target or metrics of a program's that are not given here.
        PromptrlError: As for ``train``.
    """
    found = _find(run, Path(runs_dir))
    return training.resume(found, observers=_all_of(observe), given=given(target, metrics))


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
        UsageError: The prompt file can't be read, or changes are asked for in the config of a run.
        PromptrlError: As for ``resume``.
    """
    own = given(target, metrics)
    if config is None:
        if overrides:
            raise UsageError("overrides need a config: a run is evaluated with the one it was trained with")
        found = _find(subject, _folder(runs_dir) or Path("runs"))
        return Evaluation(evaluating.evaluate_run(found, split, given=own))
    if isinstance(subject, TrainedRun) or not Path(subject).is_file():
        raise UsageError(f"no prompt file {subject}: with a config a prompt file is scored, a run goes without")
    components = build_components(_load(config, overrides, own), given=own)
    return Evaluation(evaluating.evaluate_prompt_file(components, Path(subject), split, runs_dir=_folder(runs_dir)))


def _load(config: Config, overrides: Sequence[str], own: Given) -> LoadedConfig:
    """The config, with names for what is given."""
    if isinstance(config, Mapping):
        return configs.load_data({**config, **own.named_in(config)}, overrides)
    path = Path(config)
    named = own.named_in(_plain_data(path))
    return configs.load_config(path, [*(f"{key}={json.dumps(block)}" for key, block in named.items()), *overrides])


def _plain_data(path: Path) -> Mapping[str, Any]:
    """What a file holds; nothing where it can't be read, which is then told by who loads it."""
    try:
        data = parse(path.read_text(encoding="utf-8"), str(path))[0].data
    except (OSError, UnicodeDecodeError, SourceError):
        return {}
    return data if isinstance(data, dict) else {}


def _find(run: RunLike, runs_dir: Path) -> Run:
    return run.run if isinstance(run, TrainedRun) else RunsFolder(runs_dir).find(str(run))


def _folder(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _all_of(observe: Observers) -> Sequence[Observer]:
    return [observe] if callable(observe) else observe
