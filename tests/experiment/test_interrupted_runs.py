"""Runs that end before their end: killed, interrupted, failed; and what resume makes of them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptrl.runs.runs_folder import RunsFolder
from tests.commandline import promptrl
from tests.servers.toy_model import CONFIG, write_experiment

LOGGING_MODEL = '''\
"""The toy model; notes each question in a file, and gives up at the one whose number is in a file."""

import os
from pathlib import Path

from promptrl.llm.base import Completion
from tests.servers import toy_model

FOLDER = Path(__file__).parent


def is_first():
    """Whether no other thread has struck: several may count the same question."""
    try:
        (FOLDER / "struck").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def answer(messages, params):
    with (FOLDER / "asked.log").open("a") as file:
        file.write("x")
    asked = (FOLDER / "asked.log").stat().st_size
    if (FOLDER / "die_at").exists() and asked >= int((FOLDER / "die_at").read_text()) and is_first():
        os.kill(os.getpid(), int((FOLDER / "signal").read_text()))
    text, length = toy_model.answer(messages, params), sum(len(message["content"]) for message in messages)
    return Completion(text, prompt_tokens=length // 2, completion_tokens=len(text) // 4)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a config, its data, and a model that counts its questions."""
    text = CONFIG.replace("tests.servers.toy_model:answer", "logging_model:answer").replace(
        "max_calls: 900", "max_calls: 500"
    )
    write_experiment(tmp_path, text)
    (tmp_path / "logging_model.py").write_text(LOGGING_MODEL)
    return tmp_path


def train(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``promptrl`` in a process of its own."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "promptrl", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def asked(folder: Path) -> int:
    """How many questions the model saw so far."""
    return (folder / "asked.log").stat().st_size


def committed(folder: Path, run: Path) -> int:
    """How many answers are on disk: scored, waiting for their score, or in the cache."""
    keys = {
        (row["prompt_id"], row["row_id"], row["repeat"])
        for path in (run / "outcomes.jsonl", run / ".answers.jsonl")
        for row in map(json.loads, path.read_text().splitlines() if path.exists() else ())
    }
    cache = folder / "runs/.cache.sqlite"
    if not cache.exists():
        return len(keys)
    with closing(sqlite3.connect(cache)) as connection:
        return max(len(keys), connection.execute("SELECT count(*) FROM answers").fetchone()[0])


def comparable(folder: Path, run_id: str) -> dict[str, Any]:
    """A result without what may differ between two runs of one seed."""
    result: dict[str, Any] = json.loads((folder / "runs" / run_id / "result.json").read_text())
    for key in ("run_id", "wall_s", "cost_usd", "tokens", "engine"):
        del result[key]
    del result["calls"]["paid"], result["calls"]["cached"]
    return result


@pytest.mark.parametrize(
    ("number", "die_at", "exit_code", "cache", "proof"),
    [
        (signal.SIGKILL, 150, -signal.SIGKILL, "deterministic", "gate.sequential=true"),
        (signal.SIGTERM, 60, 143, "off", "gate.repeats=1"),
        (signal.SIGINT, 250, 130, "deterministic", "gate.repeats=1"),
        (signal.SIGKILL, 200, -signal.SIGKILL, "off", "dataset.folds=3"),
        (signal.SIGKILL, 110, -signal.SIGKILL, "off", "budget.max_tokens=7000"),
    ],
)
def test_a_run_cut_off_anywhere_resumes_to_the_same_result_and_pays_nothing_twice(
    folder: Path, number: int, die_at: int, exit_code: int, cache: str, proof: str
) -> None:
    """What was committed is never asked again: only what was in flight at the cut may be."""
    in_flight = 4
    options = ("-s", f"cache.mode={cache}", "-s", f"target.concurrency={in_flight}", "-s", proof)
    (folder / "die_at").write_text(str(die_at))
    (folder / "signal").write_text(str(int(number)))
    cut = train(folder, "train", "toy.yaml", *options)
    assert cut.returncode == exit_code, cut.stderr
    assert "Traceback" not in cut.stderr
    runs = RunsFolder(folder / "runs")
    run = runs.find("toy-0001")
    assert run.status == "interrupted"
    listed = promptrl("runs", "list", "--runs-dir", folder / "runs")
    assert "interrupted" in listed.stdout
    assert len(run.outcomes()) <= asked(folder)
    assert die_at - in_flight <= committed(folder, run.path) <= asked(folder)

    (folder / "die_at").unlink()
    resumed = train(folder, "resume", "toy-0001")
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads((folder / "runs/toy-0001/result.json").read_text())
    assert asked(folder) <= result["calls"]["total"] + in_flight

    (folder / "runs/.cache.sqlite").unlink(missing_ok=True)
    assert train(folder, "train", "toy.yaml", *options).returncode == 0
    assert comparable(folder, "toy-0001") == comparable(folder, "toy-0002")


def test_a_finished_run_cant_be_resumed(folder: Path) -> None:
    """There is nothing left to do: exit code 6."""
    assert train(folder, "train", "toy.yaml", "-s", "budget.max_calls=200").returncode == 0
    assert train(folder, "resume", "toy-0001").returncode == 6


def test_a_target_that_fails_leaves_a_failed_run_and_exit_code_4(folder: Path) -> None:
    """The reason is in run.json and on the screen; the answers so far are kept."""
    (folder / "logging_model.py").write_text(
        LOGGING_MODEL.replace(
            '    if (FOLDER / "die_at")',
            '    if asked > 40:\n        raise RuntimeError("no more")\n    if (FOLDER / "die_at")',
        )
    )
    failed = train(folder, "train", "toy.yaml")
    assert failed.returncode == 4
    assert "no more" in failed.stderr
    run = RunsFolder(folder / "runs").find("latest")
    assert run.status == "failed"
    assert "no more" in run.info["error"]
    assert len(run.outcomes()) > 20


def test_the_minutes_before_a_kill_count_after_it(folder: Path) -> None:
    """A limit for a night is not granted anew by resuming."""
    (folder / "die_at").write_text("150")
    (folder / "signal").write_text(str(int(signal.SIGKILL)))
    train(folder, "train", "toy.yaml", "-s", "budget.max_minutes=30")
    (folder / "die_at").unlink()
    run = RunsFolder(folder / "runs").find("latest")
    assert 0 < run.elapsed_s < 600
    run.update(elapsed_s=1800.0)
    before = asked(folder)
    over = train(folder, "resume", "latest")
    assert over.returncode == 5, over.stderr
    assert "budget.max_minutes" in over.stderr
    assert asked(folder) == before
    assert run.elapsed_s > 1800


@pytest.mark.parametrize(("algorithm", "is_refused"), [("maskable_ppo", True), ("random", False)])
def test_a_run_of_agents_that_observed_in_another_way_is_not_resumed(
    folder: Path, algorithm: str, is_refused: bool
) -> None:
    """It would take another course and pay for a second search; a baseline observes nothing and goes on."""
    (folder / "die_at").write_text("100")
    (folder / "signal").write_text(str(int(signal.SIGKILL)))
    train(folder, "train", "toy.yaml", "-s", f"algorithm={{name: {algorithm}}}")
    (path,) = (folder / "runs").glob("*/run.json")
    info = json.loads(path.read_text())
    del info["observation"]  # as runs had it before the first format was counted
    path.write_text(json.dumps(info))
    before = asked(folder)
    resumed = train(folder, "resume", "latest")
    assert resumed.returncode == (6 if is_refused else 0)
    assert ("whose agents observe prompts in another way" in resumed.stderr) == is_refused
    assert (asked(folder) == before) == is_refused


def test_a_run_whose_data_changed_is_not_resumed(folder: Path) -> None:
    """Going on with other rows would mix two experiments."""
    (folder / "die_at").write_text("100")
    (folder / "signal").write_text(str(int(signal.SIGKILL)))
    train(folder, "train", "toy.yaml")
    data = folder / "sums.csv"
    data.write_text(data.read_text().replace("1 + 2,3", "1 + 2,4"))
    refused = train(folder, "resume", "latest")
    assert refused.returncode == 6
    assert "changed" in refused.stderr
