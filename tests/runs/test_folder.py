"""Run folders: versions, locks, torn files, references."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from promptrl.errors import RunLockedError, RunNotFoundError, UsageError
from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.runs.folder import Run
from promptrl.runs.outcome_file import OutcomeFile
from promptrl.runs.runs_folder import RunsFolder
from tests.runs.whole_result import whole_result

PROMPT = Prompt(slots=(("task", "Add."),), demonstrations=(), user=UserTemplate("{q}"))


def outcome(row_id: str, text: str = "3") -> Outcome:
    """A right answer to a row."""
    return Outcome(
        PROMPT.prompt_id, row_id, 0, "search", Completion(text, 5, 1, 0.1), {"exact_match": 1.0}, 1.0, 1.0, ""
    )


def started(folder: RunsFolder, name: str = "toy") -> Run:
    """A run that has begun."""
    run = folder.create(name)
    run.start({"experiment": name}, "name: toy\n", "name: toy\n")
    return run


def _hold(
    path: Path, is_held: "multiprocessing.synchronize.Event", may_end: "multiprocessing.synchronize.Event"
) -> None:
    with Run(path).locked():
        is_held.set()
        may_end.wait(30)


def _create(path: Path, queue: "multiprocessing.Queue[str]") -> None:
    for _ in range(10):
        queue.put(RunsFolder(path).create("toy").id)


def test_versions_count_up_for_each_experiment(tmp_path: Path) -> None:
    """Each experiment counts for itself, from 1."""
    folder = RunsFolder(tmp_path / "runs")
    assert [folder.create(name).id for name in ("a", "a", "b", "a")] == ["a-0001", "a-0002", "b-0001", "a-0003"]


def test_a_removed_run_is_not_taken_for_the_next_one_of_its_id(tmp_path: Path) -> None:
    """Or its look at the test rows would stand for both."""
    folder = RunsFolder(tmp_path / "runs")
    first = started(folder)
    before = first.identity
    first.update(status="failed")
    assert first.identity == before
    folder.remove(first)
    again = started(folder)
    assert (again.id, again.identity == before) == (first.id, False)


def test_two_processes_never_take_the_same_version(tmp_path: Path) -> None:
    """The version is taken by an atomic mkdir."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_create, args=(tmp_path, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    ids = [queue.get(timeout=60) for _ in range(20)]
    for worker in workers:
        worker.join(60)
    assert len(set(ids)) == 20


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", ".", "a" * 65])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    """No experiment name leads out of the runs folder."""
    with pytest.raises(UsageError):
        RunsFolder(tmp_path).create(name)


def test_a_file_in_the_place_of_the_runs_folder_is_told(tmp_path: Path) -> None:
    """It is not taken for a version that another process has."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(UsageError, match="can't write to the runs folder"):
        RunsFolder(tmp_path / "runs").create("toy")


def test_a_run_is_found_by_id_prefix_path_and_latest(tmp_path: Path) -> None:
    """Every documented form of a reference leads to the run."""
    folder = RunsFolder(tmp_path)
    first, second = started(folder, "toy"), started(folder, "other")
    assert folder.find("toy-0001").path == first.path
    assert folder.find("oth").path == second.path
    assert folder.find(str(first.path)).path == first.path
    assert folder.find("latest").path == second.path
    assert folder.find("latest:toy").path == first.path


@pytest.mark.parametrize("reference", ["", "nope", "toy", "../toy-0001", "..", "/etc", "latest:nope", "toy-0001/.."])
def test_a_reference_that_is_unclear_or_leads_elsewhere_finds_nothing(tmp_path: Path, reference: str) -> None:
    """Ambiguous, unknown and escaping references are errors."""
    folder = RunsFolder(tmp_path)
    started(folder)
    started(folder)
    with pytest.raises(RunNotFoundError):
        folder.find(reference)


def test_a_run_is_running_while_locked_and_interrupted_after(tmp_path: Path) -> None:
    """The lock, not the file, tells whether somebody still works."""
    run = started(RunsFolder(tmp_path))
    with run.locked():
        assert Run(run.path).status == "running"
    assert Run(run.path).status == "interrupted"
    run.finish(whole_result())
    assert run.status == "done"
    assert run.info["stop_reason"] == "budget"


def test_a_folder_held_by_another_process_cant_be_locked_or_removed(tmp_path: Path) -> None:
    """Two processes never work in one run; a killed one leaves it interrupted."""
    folder = RunsFolder(tmp_path)
    run = started(folder)
    context = multiprocessing.get_context("spawn")
    is_held, may_end = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(run.path, is_held, may_end))
    other.start()
    assert is_held.wait(60)
    assert run.status == "running"
    with pytest.raises(RunLockedError), run.locked():
        pass
    with pytest.raises(RunLockedError):
        folder.remove(run)
    other.kill()
    other.join(60)
    assert run.status == "interrupted"
    folder.remove(run)
    assert not run.path.exists()


def test_outcomes_survive_and_a_torn_line_is_cut(tmp_path: Path) -> None:
    """What a killed writer left half written is dropped, whole lines are kept, and writing goes on."""
    run = started(RunsFolder(tmp_path))
    log = OutcomeFile(run.path, lambda prompt: ["role = x"])
    log.record([(PROMPT, outcome("a")), (PROMPT, outcome("b", "\ud800\x1b[2J"))])
    log.close()
    with (run.path / "outcomes.jsonl").open("a") as file:
        file.write('{"prompt_id": "torn')
    log = OutcomeFile(run.path, lambda prompt: [])
    log.record([(PROMPT, outcome("c"))])
    assert log.text_of(PROMPT.prompt_id) == PROMPT.text
    log.close()
    assert [o.row_id for o in run.outcomes()] == ["a", "b", "c"]
    assert run.outcomes()[0] == outcome("a")
    assert run.prompts() == {PROMPT.prompt_id: PROMPT}


def test_answers_are_kept_until_they_are_scored(tmp_path: Path) -> None:
    """After a kill those without an outcome are found again; when all have one, the file is gone."""
    run = started(RunsFolder(tmp_path))
    log = OutcomeFile(run.path, lambda prompt: [])
    answers = {row: outcome(row, text).completion for row, text in (("a", "1"), ("b", "\ud800\n"), ("c", "3"))}
    for row in "ab":
        log.keep(((PROMPT.prompt_id, row, 0), ""), answers[row])
        log.keep(((PROMPT.prompt_id, row, 0), "is it good?"), answers["c"])
    log.record([(PROMPT, outcome("a"))])
    log.close()
    with (run.path / ".answers.jsonl").open("a") as file:
        file.write('{"prompt_id": "torn')
    log = OutcomeFile(run.path, lambda prompt: [])
    key = (PROMPT.prompt_id, "b", 0)
    assert log.unscored == {(key, ""): answers["b"], (key, "is it good?"): answers["c"]}
    log.keep(((PROMPT.prompt_id, "c", 0), ""), answers["c"])
    log.record([(PROMPT, outcome("c"))])
    log.close()
    log = OutcomeFile(run.path, lambda prompt: [])
    assert list(log.unscored) == [(key, ""), (key, "is it good?")]
    log.record([(PROMPT, outcome("b"))])
    log.close()
    assert not (run.path / ".answers.jsonl").exists()


def test_reasons_and_judges_answers_are_kept_with_the_outcome(tmp_path: Path) -> None:
    """Those of every metric; an outcome without any has no key for them."""
    run = started(RunsFolder(tmp_path))
    judged = replace(outcome("a"), reasons={"choice": "no label"}, judged=(Completion("poor", 20, 1),))
    log = OutcomeFile(run.path, lambda prompt: [])
    log.record([(PROMPT, judged), (PROMPT, outcome("b"))])
    log.close()
    assert run.outcomes() == [judged, outcome("b")]
    first, second = (json.loads(line) for line in (run.path / "outcomes.jsonl").read_text().splitlines())
    assert first.keys() - second.keys() == {"reasons", "judged"}


def test_run_json_that_is_torn_does_not_break_the_list(tmp_path: Path) -> None:
    """A process killed while it created the run leaves a folder that can still be listed."""
    folder = RunsFolder(tmp_path)
    run = started(folder)
    (run.path / "run.json").write_text('{"sta')
    assert [s.status for s in (r.summary() for r in folder.all())] == ["damaged"]


def test_json_files_hold_no_nan(tmp_path: Path) -> None:
    """A script that reads our JSON never meets what is not JSON."""
    run = started(RunsFolder(tmp_path))
    with pytest.raises(ValueError, match="JSON"):
        run.write_json("x.json", {"score": float("nan")})
    assert not (run.path / "x.json").exists()
    assert json.loads((run.path / "run.json").read_text())["run_id"] == run.id


def test_evaluations_are_numbered_from_one(tmp_path: Path) -> None:
    """Later evaluations never overwrite earlier ones."""
    run = started(RunsFolder(tmp_path))
    assert [run.new_evaluation() for _ in range(3)] == ["evals/1", "evals/2", "evals/3"]
