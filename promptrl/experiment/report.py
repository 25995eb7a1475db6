"""The story of ``promptrl report``: read a run folder, render what it says, write it beside the rest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptrl.errors import ConfigError, RunLockedError, TargetError, UsageError
from promptrl.experiment.build import Components, rebuild_components
from promptrl.report.record import RunRecord
from promptrl.runs.folder import Run

DATA_GONE = "The data set can't be read any more, so the questions are missing here."
DATA_CHANGED = "The data set, or how it is divided, has changed since, so the questions are missing here."


def report_run(run: Run) -> Path:
    """Write the report of a finished run anew.

    Returns:
        Where the page is.

    Raises:
        RunLockedError: The run is not done.
    """
    return _write(run, gather(run))


def write_report(run: Run, result: Mapping[str, Any], components: Components) -> Path:
    """Write the report of a run that is about to be done; its result is not in the folder yet.

    Returns:
        Where the page is.
    """
    return _write(run, _record(run, result, _rows_of(components)))


def compare_winners(runs: Sequence[Run]) -> list[str]:
    """What the test rows that the winners of finished runs share say of them; the first against each other one."""
    from promptrl.report.page import comparison_lines

    finished = [run for run in runs if run.result is not None]
    return comparison_lines([gather(run) for run in finished]) if len(finished) > 1 else []


def compare_runs(runs: Sequence[Run], place: Path) -> None:
    """Write one page for several finished runs.

    Raises:
        RunLockedError: One of them is not done.
        UsageError: The file can't be written.
    """
    from promptrl.report.page import render_comparison

    page = render_comparison([gather(run) for run in runs])
    try:
        place.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise UsageError(f"--html: can't write {place}: {error.strerror}") from error


def gather(run: Run) -> RunRecord:
    """What a finished run's folder, and its data set if it is still there, have to say.

    Raises:
        RunLockedError: The run is not done.
    """
    result = run.result
    if result is None:
        raise RunLockedError(f"run {run.id} is {run.status}: there is nothing to report yet")
    try:
        components = rebuild_components(run)
    except (ConfigError, TargetError):
        return _record(run, result, {}, [DATA_GONE])
    changes = components.changes and components.changes.told
    if components.data_hash != run.known_info().get("data_hash") and not changes:
        return _record(run, result, {}, [DATA_CHANGED])
    notes = [f"Since the run, {changes}: what is shown are its own rows, as far as they are left."] if changes else []
    return _record(run, result, _rows_of(components), notes)


def _rows_of(components: Components) -> dict[str, Any]:
    splits = components.splits
    return {row.id: row for row in (*splits.train, *splits.validation, *splits.test)}


def _record(run: Run, result: Mapping[str, Any], examples: Mapping[str, Any], notes: Sequence[str] = ()) -> RunRecord:
    return RunRecord(
        run_id=run.id,
        info=run.info,
        result=result,
        attribution=run.attribution,
        leaderboard=run.leaderboard(),
        outcomes=run.outcomes(),
        config_text=run.config_text,
        settings=run.settings,
        examples=examples,
        notes=notes,
    )


def _write(run: Run, record: RunRecord) -> Path:
    """Matplotlib and Jinja are loaded only here."""
    from promptrl.report.page import render_report

    report = render_report(record)
    for name, svg in report.figures.items():
        run.write_text(f"plots/{name}.svg", svg)
    run.write_text("summary.md", report.summary)
    run.write_text("report.html", report.html)
    return run.path / "report.html"
