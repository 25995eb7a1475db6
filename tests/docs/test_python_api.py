"""The page about the Python API: its code runs as it stands."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import TOP, blocks


def test_the_code_runs(tmp_path: Path) -> None:
    """All python blocks, one after the other, in a folder of their own."""
    script = "".join(block.text for block in blocks("how-to/python-api.md") if block.language == "python")
    (tmp_path / "page.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "calls" in done.stdout
    assert (tmp_path / "runs/sums-0001/report.html").is_file()
