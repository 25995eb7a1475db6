"""Commands about run folders: ``runs list|show|compare|rm``."""

from pathlib import Path
from typing import Annotated

import typer

from promptrl.cli.options import DEFAULT_RUNS_DIR, AsJson, RunReference, RunsDir

app = typer.Typer(no_args_is_help=True, help="List, show, compare and remove runs.")


@app.command("list")
def list_runs(
    name: Annotated[str | None, typer.Argument(help="Only runs of this experiment.")] = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from promptrl import console
    from promptrl.runs.runs_folder import RunsFolder

    summaries = [run.summary() for run in RunsFolder(runs_dir).all()]
    console.show_runs([s for s in summaries if name in (None, s.experiment)], as_json=as_json)


@app.command()
def show(
    run: RunReference = "latest",
    proposals: Annotated[
        bool, typer.Option("--proposals", help="The edits that a model proposed, and what became of each.")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    as_json: AsJson = False,
) -> None:
    """Show one run: verdict, prompt before and after, scores, cost, leaderboard."""
    from promptrl import console
    from promptrl.runs.runs_folder import RunsFolder

    found = RunsFolder(runs_dir).find(run)
    if proposals:
        console.show_proposals(found, as_json=as_json)
    else:
        console.show_run(found, as_json=as_json)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Two or more runs.")],
    html: Annotated[Path | None, typer.Option("--html", help="Write them as one HTML page to this file too.")] = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    as_json: AsJson = False,
) -> None:
    """Put runs side by side: scores, calls, cost, winners."""
    from promptrl import console
    from promptrl.errors import UsageError
    from promptrl.experiment.report import compare_runs, compare_winners
    from promptrl.runs.runs_folder import RunsFolder

    if len(runs) < 2:
        raise UsageError("runs compare needs two or more runs")
    found = [RunsFolder(runs_dir).find(reference) for reference in runs]
    console.show_comparison([run.summary() for run in found], compare_winners(found), as_json=as_json)
    if html is not None:
        compare_runs(found, html)
        console.show_message(f"Wrote {html}")


@app.command("rm")
def remove(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="The runs to delete.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> None:
    """Delete run folders for good (the answer cache stays)."""
    from promptrl import console
    from promptrl.errors import UsageError
    from promptrl.runs.runs_folder import RunsFolder

    folder = RunsFolder(runs_dir)
    found = {run.path: run for run in (folder.find(reference) for reference in runs)}
    question = f"Delete {', '.join(run.id for run in found.values())} for good?"
    try:
        is_wanted = yes or typer.confirm(question, err=True)
    except typer.Abort as error:
        raise UsageError("nobody answered, so nothing was deleted; --yes deletes without asking") from error
    if not is_wanted:
        console.show_message("Nothing deleted.")
        return
    for run in found.values():
        folder.remove(run)
        console.show_message(f"Deleted {run.id}")
