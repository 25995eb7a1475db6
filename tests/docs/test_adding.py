"""The pages that say how to add something to promptrl: what they add is there and works."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, TOP, blocks, carry_out

PAGES = sorted(f"how-to/{path.name}" for path in (DOCS / "how-to").glob("add-*.md"))


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A page and the folder in which it was carried out."""
    name = str(request.param)
    folder = tmp_path_factory.mktemp(Path(name).stem)
    for block, printed in carry_out(name, folder):
        for line in block.output:
            assert line in printed, f"no command of {name} prints {line!r}, but\n{printed}"
    return name, folder


def test_what_a_page_adds_is_used_by_its_runs(page: tuple[str, Path]) -> None:
    """Every config of the page that was trained left a finished run."""
    name, folder = page
    trained = {
        line.split()[-1] for block in blocks(name) for line in block.commands if line.startswith("promptrl train")
    }
    assert trained
    assert len(list(folder.glob("runs/*/result.json"))) == len(trained)


@pytest.mark.parametrize("check", ["check", "format --check"])
def test_added_code_has_the_form_of_the_package(page: tuple[str, Path], check: str) -> None:
    """It passes the linter and the formatter with the package's own settings."""
    name, folder = page
    added = [
        block.title for block in blocks(name) if block.title.startswith("promptrl/") and block.language == "python"
    ]
    assert added
    command = [sys.executable, "-m", "ruff", *check.split(), "--config", str(TOP / "pyproject.toml"), *added]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
