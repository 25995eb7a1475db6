"""Where commands write, in processes of their own: lost streams end no run, and data is never mixed with prints."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.toy_model import CONFIG, write_experiment

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a disk that is always full")
QUICK = CONFIG.replace("maskable_ppo, n_envs: 4,", "random,").replace("900", "180")
PRINTING = """\
import os, subprocess
from tests.servers import toy_model
print("a module")
def answer(messages, params):
    print("a target")
    os.write(1, b"a library\\n")
    return toy_model.answer(messages, params)
def score(text, reference, row):
    print("a metric")
    return float(text.strip() == reference)
subprocess.run(["echo", "a program"])
"""
BLOCKS = (
    ("tests.servers.toy_model:answer", "printing:answer"),
    ("type: exact_match", "type: python, function: 'printing:score'"),
)


def _promptrl(
    folder: Path, *arguments: str, out: int = subprocess.PIPE, err: int = subprocess.PIPE
) -> tuple[int, str, str]:
    """Run a command in a folder; give its exit code and what it wrote where it wasn't told to write elsewhere."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(folder)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "promptrl", *arguments], cwd=folder, env=environment, stdout=out, stderr=err, text=True
    )
    return done.returncode, done.stdout or "", done.stderr or ""


@contextmanager
def _lost(how: str) -> Iterator[int]:
    """What can't be written: a pipe that nobody reads, or a file on a full disk."""
    if how == "pipe":
        ours, theirs = os.pipe()
        os.close(ours)
    else:
        theirs = os.open(FULL, os.O_WRONLY)
    try:
        yield theirs
    finally:
        os.close(theirs)


LOST = ["pipe", pytest.param("disk", marks=needs_full)]


def _verdict(folder: Path) -> str:
    return str(json.loads((folder / "runs/toy-0001/result.json").read_text())["verdict"])


@pytest.mark.parametrize("how", LOST)
def test_a_run_goes_on_when_nobody_reads_its_lines(tmp_path: Path, how: str) -> None:
    """It says so once to whoever is left, and ends as it would have."""
    config = write_experiment(tmp_path, QUICK)
    with _lost(how) as out:
        code, _, err = _promptrl(tmp_path, "train", str(config), "--json", out=out)
    assert code == 0, err
    assert err.count("standard output can't be written") == 1
    assert "Traceback" not in err
    assert _verdict(tmp_path) == "improved"


@pytest.mark.parametrize("how", LOST)
def test_a_run_goes_on_when_nobody_watches(tmp_path: Path, how: str) -> None:
    """The stream that is left says it once."""
    config = write_experiment(tmp_path, QUICK)
    with _lost(how) as err:
        code, out, _ = _promptrl(tmp_path, "train", str(config), err=err)
    assert code == 0
    assert out.count("standard error can't be written") == out.count("\n") == 1
    assert _verdict(tmp_path) == "improved"


def test_a_run_goes_on_when_both_streams_are_lost(tmp_path: Path) -> None:
    """As in ``2>&1 | head -1``."""
    config = write_experiment(tmp_path, QUICK)
    with _lost("pipe") as both:
        code, _, _ = _promptrl(tmp_path, "train", str(config), out=both, err=both)
    assert (code, _verdict(tmp_path)) == (0, "improved")


def test_closed_streams_are_never_those_of_a_file(tmp_path: Path) -> None:
    """A file that took the number of a closed stream would get what is written to that."""
    config = write_experiment(tmp_path, QUICK)
    command = f'exec "{sys.executable}" -m promptrl train "{config}" --json <&- >&- 2>&-'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=False).returncode == 0
    assert _verdict(tmp_path) == "improved"


@needs_full
def test_a_run_goes_on_without_a_debug_log_that_cant_be_written(tmp_path: Path) -> None:
    """It is told once."""
    config = write_experiment(tmp_path, QUICK)
    code, _, err = _promptrl(tmp_path, "train", str(config), "--debug-log", str(FULL))
    assert code == 0, err
    assert err.count("the debug log /dev/full can't be written any more: No space left on device") == 1
    assert _verdict(tmp_path) == "improved"


PRINTERS = [["--help"], ["schema"], ["export"]]
"""One that prints by typer, one by rich, one by itself."""


@pytest.mark.parametrize("arguments", PRINTERS)
def test_a_command_that_prints_ends_when_nobody_reads(trained: Path, arguments: list[str]) -> None:
    """Quietly where the reader has what it wants, as other programs do."""
    with _lost("pipe") as out:
        assert _promptrl(trained, *arguments, out=out) == (141, "", "")


@needs_full
@pytest.mark.parametrize("arguments", PRINTERS)
def test_data_that_is_lost_is_an_error(trained: Path, arguments: list[str]) -> None:
    """Whoever wanted it learns that it is not there."""
    with _lost("disk") as out:
        code, _, err = _promptrl(trained, *arguments, out=out)
    assert (code, err) == (2, "error standard output can't be written: No space left on device\n")


@pytest.mark.parametrize("how", LOST)
def test_a_command_that_prints_needs_nobody_who_reads_messages(trained: Path, how: str) -> None:
    """Only its data counts."""
    with _lost(how) as err:
        code, out, _ = _promptrl(trained, "runs", "list", "--json", err=err)
    assert (code, json.loads(out)[0]["run_id"]) == (0, "toy-0001")


def test_what_code_of_the_users_prints_is_no_data(tmp_path: Path) -> None:
    """Not when it is imported, asked or scoring, nor what it starts or calls: each line on stdout is JSON."""
    (tmp_path / "printing.py").write_text(PRINTING)
    text = QUICK
    for ours, theirs in BLOCKS:
        text = text.replace(ours, theirs)
    config = str(write_experiment(tmp_path, text))
    for arguments in (["train", config, "--json"], ["eval", "latest", "--json"], ["doctor", config, "--json"]):
        code, out, err = _promptrl(tmp_path, *arguments)
        assert code == 0, err
        if arguments[0] == "train":
            assert [json.loads(line)["event"] for line in out.splitlines()][-1] == "run_finished"
            assert all(f"{who}\n" in err for who in ("a module", "a target", "a library", "a metric", "a program"))
        else:
            json.loads(out)
