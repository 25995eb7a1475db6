"""Settings of all tests, and the finished run that tests of commands and reports look at."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from tests.commandline import promptrl
from tests.servers.toy_model import write_experiment

settings.register_profile("promptrl", deadline=None)  # a busy machine is slow, which is no failure
settings.load_profile("promptrl")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy experiment's config, its data and one finished run under ``runs``; not to be damaged."""
    folder = tmp_path_factory.mktemp("trained")
    done = promptrl("train", write_experiment(folder), "--runs-dir", folder / "runs")
    assert done.exit_code == 0, done.stderr
    assert "report.html" in done.stderr
    return folder


@pytest.fixture
def own_run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the finished run and of all that it needs, to be damaged; without what others evaluated since."""
    for name in ("toy.yaml", "sums.csv"):
        shutil.copy(trained / name, tmp_path)
    run = tmp_path / "runs/toy-0001"
    shutil.copytree(trained / "runs/toy-0001", run, ignore=shutil.ignore_patterns("evals"))
    for name in ("config.resolved.yaml", "run.json"):
        (run / name).write_text((run / name).read_text().replace(str(trained), str(tmp_path)))
    return run
