"""Standard output and standard error of a command; see also ``tests/cli/test_streams.py``."""

import subprocess
import sys
from pathlib import Path

CODE = """\
import resource, sys
from promptrl.outputs import guard_outputs, people_fault
guard_outputs()
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
print("lost", file=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print("kept", file=sys.stderr)
print(people_fault())
"""


def test_a_log_goes_on_when_its_disk_has_room_again(tmp_path: Path) -> None:
    """What could not be written is left out, and why is known."""
    log = tmp_path / "log.txt"
    with log.open("w") as err:
        done = subprocess.run([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=err, text=True, check=True)
    assert log.read_text() == "kept\n"
    assert done.stdout == "File too large\n"
