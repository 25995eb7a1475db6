"""The test rows of a finished run with the scores that they are given, for programs that test prompts."""

from promptrl.errors import ConfigError, TargetError
from promptrl.experiment.build import rebuild_components
from promptrl.experiment.report import DATA_CHANGED, DATA_GONE
from promptrl.runs.folder import Run
from promptrl.runs.promptfoo import Check, CheckedRows


def checked_rows(run: Run) -> CheckedRows:
    """The rows, or why they are not there: a note takes their place."""
    try:
        components = rebuild_components(run)
    except (ConfigError, TargetError):
        return CheckedRows(note=DATA_GONE)
    changes = components.changes
    if components.data_hash != run.info.get("data_hash") if changes is None else "test" in changes.altered:
        return CheckedRows(note=DATA_CHANGED)
    qualities = components.config.reward.qualities
    checks = [Check(metric.name, metric.weight, metric.definition) for metric in qualities]
    return CheckedRows(components.splits.test, checks)
