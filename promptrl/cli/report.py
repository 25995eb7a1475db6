"""The ``report`` command."""

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, RunReference, RunsDir


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(report)


def report(run: RunReference = "latest", runs_dir: RunsDir = DEFAULT_RUNS_DIR) -> None:
    """Write a finished run's report.html, summary.md and plots anew, and print where the page is."""
    from promptrl import console
    from promptrl.experiment.report import report_run
    from promptrl.runs.runs_folder import RunsFolder

    console.print_text(f"{report_run(RunsFolder(runs_dir).find(run))}\n")
