"""The ``bench`` command."""

from pathlib import Path
from typing import Annotated

import typer

from promptrl.cli.options import AsJson, Overrides, working


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(bench)


def bench(
    config: Annotated[Path, typer.Argument(help="A YAML config.")],
    algorithms: Annotated[
        str,
        typer.Option("--algorithms", "-a", help="Names that `algorithm.name` takes, separated by commas."),
    ] = "maskable_ppo,random,greedy,evolution,halving",
    seeds: Annotated[int, typer.Option("--seeds", "-n", min=1, max=10_000, help="Runs of each algorithm.")] = 10,
    overrides: Overrides = None,
    runs_dir: Annotated[
        Path | None,
        typer.Option(
            "--runs-dir",
            envvar="PROMPTRL_RUNS_DIR",
            help="Where the benchmark's folder, bench-NAME, goes (default: output.runs_dir).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare algorithms: train one config with each of them, several times, at the same budget.

    Prints what the winners score, how much seeds differ, and how long the searches compute; leaves tables and a plot
    of score against calls beside the runs. Answers are kept, so that no question is paid for twice, and what is done
    is not done again: call it again after an interruption, with more seeds, or with more algorithms.

    Example: promptrl bench configs/quickstart.yaml --algorithms maskable_ppo,random,evolution --seeds 5
    """
    from promptrl import console
    from promptrl.experiment.bench import run_bench

    names = [name.strip() for name in algorithms.split(",") if name.strip()]
    with working() as engines:
        done = run_bench(
            config,
            names,
            seeds,
            overrides=overrides or [],
            runs_dir=runs_dir,
            engines=engines,
            on_run=console.show_bench_run,
        )
    console.show_bench(done, as_json=as_json)
