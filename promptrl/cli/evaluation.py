"""The ``eval`` command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, AsJson, FailOn, Overrides, RunsDir

Split = Literal["train", "validation", "test"]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("eval")(evaluate)


def evaluate(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PROMPT_FILE",
            help="A run (id, unique prefix, path, `latest`, `latest:NAME`), or with --config a prompt: "
            ".txt (system message) or .json (chat messages).",
        ),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Take target, data and metrics from here.")
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Rows to score on.")] = "test",
    overrides: Overrides = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    fail_on: FailOn = None,
    as_json: AsJson = False,
) -> None:
    """Score a run's winner (or a prompt file) beside the baseline prompt, paired by row, with intervals."""
    from promptrl import console
    from promptrl.cli.gates import fails, parse_gate
    from promptrl.config import load_config
    from promptrl.errors import UsageError
    from promptrl.evaluating import evaluate_prompt_file, evaluate_run
    from promptrl.interrupts import signals_as_errors
    from promptrl.runs import RunsFolder

    gate = parse_gate(fail_on or [])
    with signals_as_errors():
        if config is not None:
            loaded = load_config(config, overrides or [])
            result = evaluate_prompt_file(loaded, Path(subject), split, runs_dir=runs_dir)
        elif overrides:
            raise UsageError("-s needs --config: a run is evaluated with the config it was trained with")
        else:
            result = evaluate_run(RunsFolder(runs_dir).find(subject), split)
    console.show_evaluation(result, as_json=as_json)
    if fails(gate, str(result["verdict"])):
        raise typer.Exit(3)
