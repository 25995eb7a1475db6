"""``eval``: runs and prompt files on held-out rows, and the verdict as an exit code."""

import json
from pathlib import Path

import pytest

from promptrl.experiment.build import rebuild_components
from promptrl.runs.folder import Run
from tests.commandline import only_result, promptrl

SPLITS = ("train", "validation", "test")


def test_eval_prints_a_table_and_json_that_agrees_with_the_run(trained: Path) -> None:
    """``eval`` repeats the test comparison from the cache."""
    shown = promptrl("eval", "toy-0001", "--runs-dir", trained / "runs")
    assert shown.exit_code == 0, shown.stderr
    assert "100.0 %" in shown.stdout
    printed = promptrl("eval", "toy-0001", "--runs-dir", trained / "runs", "--json")
    data = json.loads(printed.stdout)
    result = only_result(trained)
    assert data["winner"]["test"] == result["winner"]["test"]
    assert data["difference"] == result["improvement"]["test"]
    assert (trained / "runs/toy-0001/evals/1/result.json").is_file()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_eval_scores_other_splits(trained: Path, split: str) -> None:
    """Every split can be asked for."""
    done = promptrl("eval", "toy-0001", "--split", split, "--runs-dir", trained / "runs", "--json")
    assert json.loads(done.stdout)["winner"][split]["score"] == 1.0


def test_eval_counts_the_looks_at_the_test_rows(own_run: Path) -> None:
    """In its result and on the screen; other splits are there to be looked at."""
    shown = [promptrl("eval", "latest", "--runs-dir", own_run.parent).stdout for _ in range(2)]
    assert ["look at these test rows" in text for text in shown] == [False, True]
    assert "second look" in shown[1]
    options = ("--runs-dir", own_run.parent, "--json")
    looks = [json.loads(promptrl("eval", "latest", "--split", split, *options).stdout)["look"] for split in SPLITS]
    assert looks == [None, None, 3]
    newest = max((own_run / "evals").iterdir(), key=lambda folder: int(folder.name))
    assert json.loads((newest / "result.json").read_text())["look"] == 3


def test_new_rows_do_not_make_the_old_ones_new(own_run: Path) -> None:
    """The night after, with a row more, is the next look at nearly all of these rows."""
    folder = own_run.parents[1]
    config, data = folder / "toy.yaml", folder / "sums.csv"
    options = ("--config", config, "--runs-dir", own_run.parent, "--json")
    looks = []
    for row in ("99 + 1,100", "99 + 2,101"):
        looks.append(json.loads(promptrl("eval", own_run / "best_prompt.json", *options).stdout)["look"])
        data.write_text(data.read_text() + row + "\n")
    assert looks == [1, 2]


@pytest.mark.parametrize("command", ["eval", "report", "resume"])
def test_a_run_whose_rows_were_divided_otherwise_is_not_mixed_up(own_run: Path, command: str) -> None:
    """As by an older version, which kept no list: what was trained on may be a test row today."""
    (own_run / "rows.json").unlink()
    info = json.loads((own_run / "run.json").read_text())
    (own_run / "run.json").write_text(json.dumps({**info, "data_hash": "0" * 16}))
    if command == "resume":
        (own_run / "result.json").unlink()
    done = promptrl(command, "latest", "--runs-dir", own_run.parent)
    if command == "report":
        assert done.exit_code == 0, done.stderr
        assert "how it is divided" in (own_run / "report.html").read_text()
    else:
        assert (done.exit_code, "how it is divided, has changed" in " ".join(done.stderr.split())) == (6, True)


def test_a_run_keeps_to_its_rows_when_others_join_them(own_run: Path) -> None:
    """Its test rows are as they were: its winner is measured on them, and told what was added."""
    before = json.loads(promptrl("eval", "latest", "--runs-dir", own_run.parent, "--json").stdout)
    assert before["data_changes"] is None
    data = own_run.parents[1] / "sums.csv"
    head, *rows = data.read_text().splitlines(True)
    data.write_text("".join([head, *(f"{a} + 91,{a + 91}\n" for a in range(50, 60)), *rows]))
    after = json.loads(promptrl("eval", "latest", "--runs-dir", own_run.parent, "--json").stdout)
    assert after["data_changes"] == "10 rows were added"
    assert (after["winner"], after["calls"]["paid"]) == (before["winner"], 0)
    told = promptrl("eval", "latest", "--runs-dir", own_run.parent).stdout
    assert "Since the run, 10 rows were added; its own test rows are as they were." in " ".join(told.split())
    assert promptrl("report", "latest", "--runs-dir", own_run.parent).exit_code == 0
    report = (own_run / "report.html").read_text()
    assert "10 rows were added" in report
    assert "the questions are missing" not in report


@pytest.mark.parametrize(("split", "code"), [("train", 6), ("validation", 0), ("test", 0)])
def test_eval_needs_only_the_rows_of_its_split(own_run: Path, split: str, code: int) -> None:
    """A train row that is gone or says something else is missed by nobody else."""
    data = own_run.parents[1] / "sums.csv"
    row = rebuild_components(Run(own_run)).splits.train[0]
    line = f"{row.fields['question']},{row.reference}\n"
    assert line in data.read_text()
    data.write_text(data.read_text().replace(line, ""))
    done = promptrl("eval", "latest", "--split", split, "--runs-dir", own_run.parent)
    assert done.exit_code == code, done.stderr
    assert "1 of its rows is gone or changed" in " ".join((done.stderr + done.stdout).split())


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("", "99 + 1,100\n", 0, "1 row was added since the run began"),
        ("0\n", "7\n", 6, "can't be resumed: 15 of its rows are gone or changed"),
        ("\n", ",x\n", 6, "can't be resumed: other cells of its rows have changed"),
    ],
)
def test_resume_goes_on_where_all_rows_of_the_run_are_left(
    own_run: Path, old: str, new: str, code: int, told: str
) -> None:
    """It takes the course that it would have taken; else it says what is gone."""
    result = json.loads((own_run / "result.json").read_text())
    (own_run / "result.json").unlink()
    data = own_run.parents[1] / "sums.csv"
    text = data.read_text()
    data.write_text(text.replace(old, new) if old else text + new)
    done = promptrl("resume", "latest", "--runs-dir", own_run.parent)
    assert done.exit_code == code, done.stderr
    assert told in " ".join(done.stderr.split())
    if not code:
        again = json.loads((own_run / "result.json").read_text())
        assert (again["winner"], again["calls"]) == (result["winner"], result["calls"])


def test_eval_gets_along_without_the_logged_baseline(own_run: Path) -> None:
    """The config says what it was; a winner that is gone is gone."""
    result = json.loads((own_run / "result.json").read_text())
    prompts = own_run / "prompts.jsonl"
    lines = [line for line in prompts.read_text().splitlines(True) if result["baseline"]["prompt_id"] not in line]
    prompts.write_text("".join(lines))
    done = promptrl("eval", "latest", "--runs-dir", own_run.parent, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["baseline"]["test"] == result["baseline"]["test"]
    prompts.unlink()
    lost = promptrl("eval", "latest", "--runs-dir", own_run.parent)
    assert (lost.exit_code, "lost its winner" in lost.stderr) == (6, True)


def test_eval_takes_a_prompt_file(trained: Path) -> None:
    """A text file without placeholders is a system message."""
    worse = trained / "worse.txt"
    worse.write_text("Name a fruit.")
    options = ("--config", trained / "toy.yaml", "--runs-dir", trained / "runs", "--json")
    assert json.loads(promptrl("eval", worse, *options).stdout)["winner"]["test"]["score"] == 0.0


def test_eval_of_the_baseline_itself_is_no_comparison(own_run: Path) -> None:
    """It is called what it is, and no look at the test rows is counted: nothing was chosen by them."""
    baseline, other = own_run.parent / "baseline.txt", own_run.parent / "other.txt"
    baseline.write_text("Look at this.")
    other.write_text("Name a fruit.")
    options = ("--config", own_run.parents[1] / "toy.yaml", "--runs-dir", own_run.parent)
    shown = [promptrl("eval", file, *options) for file in (baseline, other)]
    assert [done.exit_code for done in shown] == [0, 0]
    assert "It is the baseline prompt itself" in shown[0].stdout
    assert "this prompt" in shown[1].stdout
    assert "This prompt − baseline" in shown[1].stdout
    assert not any("winner" in done.stdout.lower() for done in shown)
    looks = [json.loads(promptrl("eval", file, *options, "--json").stdout)["look"] for file in (baseline, other)]
    assert looks == [None, 2]


@pytest.mark.parametrize("form", ["json", "txt"])
def test_eval_takes_back_what_export_gave(trained: Path, form: str) -> None:
    """The file is the winner again: same messages, same score."""
    file = trained / f"best.{form}"
    exported = promptrl("export", "toy-0001", "-f", form, "-o", file, "--runs-dir", trained / "runs")
    assert exported.exit_code == 0, exported.stderr
    done = promptrl("eval", file, "--config", trained / "toy.yaml", "--runs-dir", trained / "runs", "--json")
    winner = json.loads(done.stdout)["winner"]
    assert winner["messages"] == only_result(trained)["winner"]["messages"]
    assert winner["test"]["score"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"), [("Add {numbers}.", "{numbers}"), ("[user]\nAdd the numbers.", "has no placeholder")]
)
def test_eval_refuses_a_prompt_that_does_not_fit_the_data(trained: Path, text: str, message: str) -> None:
    """Instead of ending in the middle, or asking the same for every row."""
    prompt = trained / "foreign.txt"
    prompt.write_text(text)
    done = promptrl("eval", prompt, "--config", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert (done.exit_code, message in " ".join(done.stderr.split())) == (2, True)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{}", b"\xff", b"9" * 6000])
def test_a_file_that_holds_no_messages_is_a_usage_error(trained: Path, tmp_path: Path, content: bytes) -> None:
    """It is named, whatever it holds."""
    (tmp_path / "prompt.json").write_bytes(content)
    done = promptrl("eval", tmp_path / "prompt.json", "--config", trained / "toy.yaml")
    assert (done.exit_code, str(tmp_path / "prompt.json") in done.stderr) == (2, True)


def test_eval_of_a_prompt_file_keeps_to_the_runs_folder_of_the_config(trained: Path, tmp_path: Path) -> None:
    """The answers are cached where training caches them, not in a stray ``runs``."""
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Add the numbers.")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        done = promptrl("eval", prompt, "--config", trained / "toy.yaml", "-s", "output.runs_dir=elsewhere")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "elsewhere/.cache.sqlite").is_file()
    assert not (tmp_path / "runs").exists()


def test_eval_says_whether_config_belongs_to_its_subject(trained: Path) -> None:
    """A prompt file needs a config, a run has its own."""
    prompt = trained / "prompt.txt"
    prompt.write_text("Add the numbers.")
    lonely = promptrl("eval", prompt, "--runs-dir", trained / "runs")
    assert (lonely.exit_code, "--config" in lonely.stderr) == (2, True)
    both = promptrl("eval", "toy-0001", "--config", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert (both.exit_code, "no prompt file toy-0001" in both.stderr) == (2, True)


def test_fail_on_turns_a_verdict_into_exit_code_3(trained: Path) -> None:
    """A gate fails only when asked to."""
    same = trained / "same.txt"
    same.write_text("Look at this.")
    options = ("--config", trained / "toy.yaml", "--runs-dir", trained / "runs")
    assert promptrl("eval", same, *options).exit_code == 0
    assert promptrl("eval", same, *options, "--fail-on", "worse").exit_code == 0
    assert promptrl("eval", same, *options, "--fail-on", "not-improved").exit_code == 3
    assert promptrl("eval", same, *options, "--fail-on", "sometimes").exit_code == 2
