"""A damaged run folder is told by name and never ends a command in a traceback; what can be rebuilt is."""

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.errors import RunFolderError
from promptrl.experiment import train as training
from promptrl.experiment.build import build_components
from promptrl.experiment.events import CallsMade, Event
from promptrl.runs.folder import Run
from tests.commandline import promptrl
from tests.servers.toy_model import write_experiment

FILES = (
    "run.json",
    "result.json",
    "leaderboard.json",
    "attribution.json",
    "outcomes.jsonl",
    "prompts.jsonl",
    "config.resolved.yaml",
)

COMMANDS = (
    ("runs", "show", "toy-0001"),
    ("runs", "compare", "toy-0001", "toy-0002"),
    ("export", "toy-0001", "-f", "promptfoo"),
    ("export", "latest"),
)


def _holding(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if file.exists() else b"")


def _make_folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.mkdir()


def _spoil_values(file: Path) -> None:
    """Put text where numbers were, and numbers where text was."""

    def other(value: object) -> object:
        if isinstance(value, dict):
            return {key: other(item) for key, item in value.items()}
        if isinstance(value, list):
            return [other(item) for item in value]
        return 7 if isinstance(value, str) else "seven"

    content = file.read_text() if file.exists() else ""
    if file.suffix == ".json":
        file.write_text(json.dumps(other(json.loads(content))))
    else:
        lines = content.splitlines() if file.suffix == ".jsonl" else []
        file.write_text("".join(json.dumps(other(json.loads(line))) + "\n" for line in lines))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: file.unlink(missing_ok=True),
    "empty": _holding(b""),
    "half": _cut,
    "a folder": _make_folder,
    "an empty object": _holding(b"{}\n"),
    "an empty list": _holding(b"[]\n"),
    "another object": _holding(b'{"a": 1}\n'),
    "a list of objects": _holding(b"[{}]\n"),
    "a list of lists": _holding(b"[[1]]\n"),
    "null": _holding(b"null\n"),
    "a number": _holding(b"3\n"),
    "a text": _holding(b'"abc"\n'),
    "a huge number": _holding(b"9" * 6000 + b"\n"),
    "infinity": _holding(b'{"elapsed_s": Infinity}\n'),
    "NUL bytes": _holding(b"\0" * 200 + b"\n"),
    "no UTF-8": _holding(b'{"a": "\xff\xfe"}\n'),
    "another encoding": _holding('{"a": 1}\n'.encode("utf-16")),
    "half a surrogate pair": _holding(b'{"a": "\\ud800"}\n'),
    "deep nesting": _holding(b"[" * 100_000 + b"\n"),
    "empty lines": _holding(b"\n\n\n"),
    "values of other types": _spoil_values,
}


@pytest.mark.parametrize("name", FILES)
def test_damage_is_told_and_never_a_traceback(own_run: Path, name: str) -> None:
    """The list shows every run; other commands work, or end with a code that says whose fault it is and a message."""
    runs_dir = ("--runs-dir", own_run.parent)
    sound = own_run.with_name("toy-0002")
    shutil.copytree(own_run, sound)
    for damage, harm in DAMAGES.items():
        shutil.rmtree(own_run)
        shutil.copytree(sound, own_run)
        harm(own_run / name)
        listed = promptrl("runs", "list", *runs_dir)
        assert listed.exit_code == 0, (damage, listed.exception)
        assert all(word in listed.stdout for word in ("toy-0001", "toy-0002", "improved")), damage
        assert len(json.loads(promptrl("runs", "list", "--json", *runs_dir).stdout)) == 2
        for arguments in COMMANDS:
            done = promptrl(*arguments, *runs_dir)
            assert done.exit_code in (0, 2, 6), (damage, arguments, repr(done.exception))
            assert done.exit_code == 0 or "error" in done.stderr, (damage, arguments)


@pytest.mark.parametrize("name", ["run.json", "leaderboard.json", "outcomes.jsonl", "config.resolved.yaml"])
def test_a_report_names_the_damaged_file(own_run: Path, name: str) -> None:
    """It is not written from half of what there was."""
    _holding(b'{"started": 3}\n' if name != "config.resolved.yaml" else b"gate: {margin: wide}\n")(own_run / name)
    done = promptrl("report", "toy-0001", "--runs-dir", own_run.parent)
    assert done.exit_code == 6
    assert f"damaged: {own_run / name}" in done.stderr


@contextmanager
def _limit_kept() -> Iterator[None]:
    """Set back how large files may grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _fill_disk(run: Run) -> None:
    """Let no file grow any more, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _training(folder: Path, at_first_calls: Callable[[Run], object], stage: str = "search") -> Run:
    """Train with all there is to be done to the run's folder when the first answers are in it; give the run.

    Args:
        folder: Where config and data go.
        at_first_calls: What is done to the run.
        stage: Whose first answers are meant.
    """
    loaded = load_config(write_experiment(folder), ["budget.max_calls=300", "cache.mode=off"])
    run = Run(folder / "runs/toy-0001")
    is_first = True

    def observe(event: Event) -> None:
        nonlocal is_first
        if isinstance(event, CallsMade) and event.stage == stage and is_first:
            is_first = False
            at_first_calls(run)

    training.train(build_components(loaded), runs_dir=folder / "runs", observers=[observe])
    return run


def test_a_run_whose_folder_was_removed_ends_at_the_next_answer(tmp_path: Path) -> None:
    """It does not pay for answers that are lost, and the folder does not come back."""
    with pytest.raises(RunFolderError, match=r"can't write .*outcomes.jsonl: No such file"):
        _training(tmp_path, lambda run: shutil.rmtree(run.path))
    assert not (tmp_path / "runs/toy-0001").exists()


@pytest.mark.parametrize("stage", ["search", "test"])
def test_a_full_disk_is_told_and_the_way_on(tmp_path: Path, stage: str) -> None:
    """That run.json can't be written either hides neither; with room again the run goes on."""
    with _limit_kept(), pytest.raises(RunFolderError, match=r"can't write .*: File too large") as told:
        _training(tmp_path, _fill_disk, stage)
    assert f"promptrl resume {tmp_path / 'runs/toy-0001'} carries it on." in told.value.__notes__
    assert promptrl("resume", "toy-0001", "--runs-dir", tmp_path / "runs").exit_code == 0


@pytest.mark.parametrize("name", ["policy.zip", "checkpoints/policy.safetensors", "checkpoints/posterior.npz", "plots"])
def test_what_a_run_writes_at_its_end_is_told_by_name_where_it_cant(tmp_path: Path, name: str) -> None:
    """Every file, also those that other packages make the content of."""

    def block(run: Run) -> None:
        (run.path / "checkpoints").mkdir(exist_ok=True)
        place = run.path / name
        place.write_text("") if name == "plots" else place.mkdir()

    with pytest.raises(RunFolderError, match=f"can't write .*{name}"):
        _training(tmp_path, block)


def test_prompts_that_were_lost_are_written_again_at_resume(own_run: Path) -> None:
    """Every answer is there: the run is what it was, and nothing is paid for."""
    before = json.loads((own_run / "result.json").read_text())
    asked = (own_run / "prompts.jsonl").read_bytes()
    outcomes = (own_run / "outcomes.jsonl").read_bytes()
    (own_run / "result.json").unlink()
    _cut(own_run / "prompts.jsonl")
    done = promptrl("resume", "toy-0001", "--runs-dir", own_run.parent)
    assert done.exit_code == 0, done.exception
    after = json.loads((own_run / "result.json").read_text())
    assert (after["winner"], after["improvement"]) == (before["winner"], before["improvement"])
    assert sorted((own_run / "prompts.jsonl").read_bytes().splitlines()) == sorted(asked.splitlines())
    assert (own_run / "outcomes.jsonl").read_bytes() == outcomes


def test_a_start_that_was_killed_is_told_as_such(own_run: Path) -> None:
    """Not as a data set that has changed."""
    for name in ("run.json", "result.json"):
        (own_run / name).unlink()
    (own_run / "run.json").write_text("{}")
    done = promptrl("resume", "toy-0001", "--runs-dir", own_run.parent)
    assert done.exit_code == 6
    assert "run.json is missing" in done.stderr


def test_a_folder_called_stop_is_no_wish_to_stop(tmp_path: Path) -> None:
    """Neither does it end a run, nor is it removed."""
    run = _training(tmp_path, lambda run: (run.path / "STOP").mkdir())
    assert run.status == "done"
    assert (run.path / "STOP").is_dir()


@pytest.mark.parametrize("name", [".lock", "outcomes.jsonl", "evals"])
def test_a_folder_or_file_in_the_place_of_another_is_told(own_run: Path, name: str) -> None:
    """What can't be written is named, also where a run is removed."""
    if name != "evals":
        _make_folder(own_run / name)
    else:
        (own_run / name).write_text("")
    command = {".lock": ("runs", "rm", "-y"), "outcomes.jsonl": ("report",), "evals": ("eval",)}[name]
    done = promptrl(*command, "toy-0001", "--runs-dir", own_run.parent)
    assert done.exit_code == 6, done.exception
    assert str(own_run / name) in done.stderr
