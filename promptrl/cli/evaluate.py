"""The ``eval`` command."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, AsJson, DebugLog, FailOn, Overrides, working

if TYPE_CHECKING:
    from promptrl.experiment.engines import Engines
    from promptrl.runs.folder import Run

Split = Literal["train", "validation", "test"]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("eval")(evaluate)


def evaluate(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RUN|PROMPT_FILE",
            help="Without --config a run: id, unique prefix, path, `latest` or `latest:NAME`. With --config a prompt "
            "file: .json (chat messages), or text: as exported, a system message, or a user message with placeholders.",
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Score a prompt file: take target, data, metrics and baseline from here."),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Rows to score on.")] = "test",
    overrides: Overrides = None,
    runs_dir: Annotated[
        Path | None,
        typer.Option(
            "--runs-dir",
            envvar="PROMPTRL_RUNS_DIR",
            help="Where the run folders and the answer cache are (default: ./runs; with --config its output.runs_dir).",
        ),
    ] = None,
    fail_on: FailOn = None,
    debug_log: DebugLog = None,
    as_json: AsJson = False,
) -> None:
    """Score a run's winner (or a prompt file) beside the baseline prompt, paired by row, with intervals."""
    from promptrl import console
    from promptrl.cli.gates import fails, parse_gate
    from promptrl.errors import UsageError
    from promptrl.experiment.evaluate import evaluate_run

    gate = parse_gate(fail_on or [])
    with working(debug_log) as engines:
        if config is not None:
            result = _evaluate_file(Path(subject), config, overrides or [], split, runs_dir, engines)
        elif overrides:
            raise UsageError("-s needs --config: a run is evaluated with the config it was trained with")
        else:
            result = evaluate_run(_find_run(subject, runs_dir or DEFAULT_RUNS_DIR), split, engines=engines)
    console.show_evaluation(result, as_json=as_json)
    if fails(gate, str(result["verdict"])):
        raise typer.Exit(3)


def _evaluate_file(
    file: Path, config: Path, overrides: Sequence[str], split: Split, runs_dir: Path | None, engines: "Engines"
) -> Mapping[str, Any]:
    from promptrl.config import load_config
    from promptrl.errors import UsageError
    from promptrl.experiment.build import build_components
    from promptrl.experiment.evaluate import evaluate_prompt_file

    if not file.is_file():
        raise UsageError(f"no prompt file {file}: --config scores a prompt file, a run goes without it")
    components = build_components(load_config(config, overrides))
    return evaluate_prompt_file(components, file, split, runs_dir=runs_dir, engines=engines)


def _find_run(reference: str, runs_dir: Path) -> "Run":
    from promptrl.errors import RunNotFoundError, UsageError
    from promptrl.runs.runs_folder import RunsFolder

    try:
        return RunsFolder(runs_dir).find(reference)
    except RunNotFoundError as error:
        if Path(reference).is_file():
            raise UsageError(f"{reference} is a prompt file: say with --config what to score it on") from error
        raise
