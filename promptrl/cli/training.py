"""The ``train`` command."""

from pathlib import Path
from typing import Annotated

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, EventsAsJson, FailOn, Overrides, RunReference, RunsDir

SEVERITY = (0, 3, 5, 4, 6, 2, 1)
"""Exit codes from harmless to worst: of several configs the worst one is the exit code of the command."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(train)
    app.command()(resume)


def train(
    configs: Annotated[list[Path], typer.Argument(help="One or more YAML configs, trained one after the other.")],
    overrides: Overrides = None,
    runs_dir: Annotated[
        Path | None,
        typer.Option(
            "--runs-dir", envvar="PROMPTRL_RUNS_DIR", help="Where to put run folders (default: output.runs_dir)."
        ),
    ] = None,
    fail_on: FailOn = None,
    as_json: EventsAsJson = False,
) -> None:
    """Search for a better prompt, prove it on held-out data, and keep everything in a run folder."""
    from promptrl import console
    from promptrl.cli.gates import fails, parse_gate
    from promptrl.config import load_config
    from promptrl.errors import ConfigError, Problem, PromptrlError, StopRequestedError
    from promptrl.experiment import train as train_one
    from promptrl.interrupts import signals_as_errors
    from promptrl.opening import Engines, check_target
    from promptrl.parts import build_parts

    gate = parse_gate(fail_on or [])
    problems: list[Problem] = []
    jobs = []
    for path in configs:
        try:
            loaded = load_config(path, overrides or [])
            parts = build_parts(loaded)
            check_target(loaded, parts)
            jobs.append((loaded, parts))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)

    codes = []
    with signals_as_errors() as stop, Engines(stop) as engines:
        for loaded, parts in jobs:
            try:
                with console.training_view(as_json=as_json) as view:
                    trained = train_one(loaded, parts, runs_dir=runs_dir, engines=engines, observe=view.observe)
            except (StopRequestedError, KeyboardInterrupt):
                raise
            except PromptrlError as error:
                if len(jobs) == 1:
                    raise
                console.show_error(error)
                codes.append(error.exit_code)
            else:
                codes.append(3 if fails(gate, str(trained.result["verdict"])) else 0)
    worst = max(codes, key=SEVERITY.index, default=0)
    if worst:
        raise typer.Exit(worst)


def resume(
    run: RunReference,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    fail_on: FailOn = None,
    as_json: EventsAsJson = False,
) -> None:
    """Carry an interrupted or failed run to its end; answers that it has are not paid for again."""
    from promptrl import console
    from promptrl.cli.gates import fails, parse_gate
    from promptrl.experiment import resume as resume_run
    from promptrl.interrupts import signals_as_errors
    from promptrl.opening import Engines
    from promptrl.runs import RunsFolder

    gate = parse_gate(fail_on or [])
    with signals_as_errors() as stop, Engines(stop) as engines, console.training_view(as_json=as_json) as view:
        trained = resume_run(RunsFolder(runs_dir).find(run), engines=engines, observe=view.observe)
    if fails(gate, str(trained.result["verdict"])):
        raise typer.Exit(3)
