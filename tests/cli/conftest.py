"""Fixtures of the tests of commands."""

from pathlib import Path

import pytest

from tests.commandline import promptrl
from tests.servers.toy_model import write_experiment


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, its data and one finished run under ``runs``, for all tests of commands."""
    folder = tmp_path_factory.mktemp("trained")
    done = promptrl("train", write_experiment(folder), "--runs-dir", folder / "runs")
    assert done.exit_code == 0, done.stderr
    return folder
