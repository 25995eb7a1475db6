"""The ``train`` and ``resume`` commands."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptrl.cli.options import (
    DEFAULT_RUNS_DIR,
    DebugLog,
    EventsAsJson,
    FailOn,
    Overrides,
    RunReference,
    RunsDir,
    for_each_config,
    working,
)

if TYPE_CHECKING:
    from promptrl.experiment.build import Components
    from promptrl.experiment.engines import Engines

SEVERITY = (0, 3, 5, 4, 6, 2, 1)
"""Exit codes from harmless to worst: of several configs the worst one is the exit code of the command."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(train)
    app.command()(resume)


def train(
    configs: Annotated[
        list[Path], typer.Argument(help="One or more YAML configs; several are trained at the same time.")
    ],
    overrides: Overrides = None,
    runs_dir: Annotated[
        Path | None,
        typer.Option(
            "--runs-dir", envvar="PROMPTRL_RUNS_DIR", help="Where to put run folders (default: output.runs_dir)."
        ),
    ] = None,
    fail_on: FailOn = None,
    debug_log: DebugLog = None,
    as_json: EventsAsJson = False,
) -> None:
    """Search for a better prompt, prove it on held-out data, and keep everything in a run folder."""
    from promptrl import console
    from promptrl.cli.gates import parse_gate
    from promptrl.experiment.parallel import run_together

    codes: list[int] = []
    with ExitStack() as opened:
        with console.failures_as_events(as_json=as_json):
            gate = parse_gate(fail_on or [])
            engines = opened.enter_context(working(debug_log))
            built = _load_all(configs, overrides or [])
        is_alone = len(configs) == 1
        jobs = [_job(each, runs_dir, gate, engines, as_json=as_json, is_alone=is_alone, codes=codes) for each in built]
        if is_alone:
            jobs[0]()
        else:
            run_together(jobs, engines.stop)
    worst = max(codes, key=SEVERITY.index, default=0)
    if worst:
        raise typer.Exit(worst)


def _load_all(configs: Sequence[Path], overrides: Sequence[str]) -> "list[Components]":
    """The components of every config; all problems of all of them are told at once."""
    from promptrl.experiment.engines import check_target

    built: list[Components] = []

    def keep(path: Path, components: "Components") -> None:
        check_target(components)
        built.append(components)

    for_each_config(configs, overrides, keep)
    return built


def _job(
    components: "Components",
    runs_dir: Path | None,
    gate: frozenset[str],
    engines: "Engines",
    *,
    as_json: bool,
    is_alone: bool,
    codes: list[int],
) -> Callable[[], None]:
    """What trains one config and adds its exit code to ``codes``; the error of one among several ends only itself."""
    from promptrl import console
    from promptrl.cli.gates import fails
    from promptrl.errors import PromptrlError, StopRequestedError
    from promptrl.experiment.train import train as train_one

    def work() -> None:
        try:
            with (
                console.training_view(as_json=as_json, is_alone=is_alone) as view,
                engines.stop.heard_by(view.show_stopping),
            ):
                trained = train_one(components, runs_dir=runs_dir, engines=engines, observers=[view.observe])
        except PromptrlError as error:
            if is_alone:
                raise
            console.show_error(error)
            if isinstance(error, StopRequestedError):
                raise
            codes.append(error.exit_code)
        else:
            codes.append(3 if fails(gate, str(trained.result["verdict"])) else 0)

    return work


def resume(
    run: RunReference,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    fail_on: FailOn = None,
    debug_log: DebugLog = None,
    as_json: EventsAsJson = False,
) -> None:
    """Carry an interrupted or failed run to its end; answers that it has are not paid for again."""
    from promptrl import console
    from promptrl.cli.gates import fails, parse_gate
    from promptrl.experiment.train import resume as resume_run
    from promptrl.runs.runs_folder import RunsFolder

    with ExitStack() as opened:
        with console.failures_as_events(as_json=as_json):
            gate = parse_gate(fail_on or [])
            engines = opened.enter_context(working(debug_log))
            found = RunsFolder(runs_dir).find(run)
        with (
            console.training_view(as_json=as_json, run_id=found.id) as view,
            engines.stop.heard_by(view.show_stopping),
        ):
            trained = resume_run(found, engines=engines, observers=[view.observe])
    if fails(gate, str(trained.result["verdict"])):
        raise typer.Exit(3)
