"""Several experiments at once: in threads of this process, or each in a process of its own.

In one process they share the engine: while one computes, the others wait for answers (``randomness.py`` gives each its
turn). The result is that of a run by itself.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptrl.config import load_config
from promptrl.errors import StopRequestedError
from promptrl.experiment.build import build_components
from promptrl.experiment.engines import Engines, check_target
from promptrl.experiment.train import train
from promptrl.llm.engine.stop import StopSignal

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training that any process can carry out; can be pickled.

    Attributes:
        config: The YAML file.
        overrides: ``key.path=value`` each.
        runs_dir: Where the run folder goes; None = ``output.runs_dir`` of the config.
    """

    config: Path
    overrides: tuple[str, ...] = ()
    runs_dir: Path | None = None


def carry_out(job: TrainingJob) -> Path:
    """Train, here and now.

    Returns:
        The folder of the finished run.

    Raises:
        PromptrlError: As for ``train``.
    """
    components = build_components(load_config(job.config, job.overrides))
    with Engines() as engines:
        check_target(components)
        return train(components, runs_dir=job.runs_dir, engines=engines).path


def run_together(jobs: Sequence[Callable[[], None]], stop: StopSignal) -> None:
    """Run jobs in threads of their own, and return when all are over.

    Args:
        jobs: Each deals with its own errors, other than ``StopRequestedError``.
        stop: Ends them all.

    Raises:
        StopRequestedError: It was requested; every job has ended.
        BaseException: The first error that a job did not deal with; the others are asked to stop first.
    """
    errors: list[BaseException] = []

    def work(job: Callable[[], None]) -> None:
        try:
            job()
        except StopRequestedError:
            pass
        except BaseException as error:
            errors.append(error)
            stop.request(2)

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
    with stop.deferred():
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a wait without end would not see a signal
                thread.join(_LOOK_S)
    if errors:
        raise errors[0]
    stop.check()
