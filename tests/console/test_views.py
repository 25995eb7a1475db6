"""Which view of training an output gets."""

import os
import pty
import subprocess
import sys

import pytest

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
