"""Which view of training an output gets, and how each ends."""

import json
import os
import pty
import subprocess
import sys

import pytest

from promptrl.console import failures_told
from promptrl.errors import StopRequestedError, TargetError

CODE = """\
from promptrl.console import training_view
with training_view(as_json=False) as view:
    name = type(view).__name__
print(name)
"""


@pytest.mark.parametrize(
    ("ci", "view"), [(None, "LiveView"), ("", "LiveView"), ("false", "LiveView"), ("true", "PlainView")]
)
def test_a_terminal_gets_a_live_panel_unless_it_is_that_of_ci(ci: str | None, view: str) -> None:
    """A redrawn panel would fill the log of a CI job."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    environment |= {"TERM": "xterm"} | ({} if ci is None else {"CI": ci})
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True
        )
    finally:
        os.close(theirs)
        os.close(ours)
    assert done.stdout.strip() == view


@pytest.mark.parametrize(("error", "code"), [(TargetError("no answer"), 4), (StopRequestedError(2), 130)])
def test_json_lines_end_with_how_a_run_failed(
    capsys: pytest.CaptureFixture[str], error: TargetError | StopRequestedError, code: int
) -> None:
    """Whoever follows the lines learns what went wrong and the exit code; the error goes on its way."""
    with pytest.raises(type(error)), failures_told(as_json=True):
        raise error
    assert json.loads(capsys.readouterr().out) == {"event": "run_failed", "error": str(error), "exit_code": code}
