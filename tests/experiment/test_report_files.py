"""The report of a real run: written with it, written anew, never a reason to lose it."""

import json
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from promptrl.experiment.report import DATA_CHANGED, DATA_GONE
from tests.commandline import promptrl
from tests.report.finished_run import Page
from tests.servers.toy_model import write_experiment


@pytest.fixture
def finished(trained: Path) -> Path:
    """The folder of the finished run."""
    return trained / "runs/toy-0001"


def read(run: Path, name: str) -> Any:
    """A JSON file of the run."""
    return json.loads((run / name).read_text())


def test_a_run_ends_with_its_report(finished: Path) -> None:
    """Page, summary and figures lie in its folder; the page shows questions and both answers."""
    page = (finished / "report.html").read_text()
    assert "The new prompt is better" in page
    assert "a fine question" in page
    assert (finished / "summary.md").read_text().startswith("# toy-0001: improved")
    assert {path.name for path in (finished / "plots").iterdir()} >= {"curve.svg", "winner.svg"}


def test_the_look_at_the_test_rows_is_kept(finished: Path) -> None:
    """Beside the run, for the result of the same answers must not depend on earlier runs."""
    assert read(finished, "run.json")["look"] == 1
    assert "look" not in read(finished, "result.json")


def test_runs_compare_says_what_shared_rows_tell(own_run: Path) -> None:
    """The winner against itself; a run that is not done is passed over."""
    shutil.copytree(own_run, own_run.with_name("toy-0002"))
    done = promptrl("runs", "compare", "toy-0001", "toy-0002", "--runs-dir", own_run.parent)
    assert done.exit_code == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "toy-0002 scores +0.0 points against toy-0001" in shown
    (own_run.with_name("toy-0002") / "result.json").unlink()
    alone = promptrl("runs", "compare", "toy-0001", "toy-0002", "--runs-dir", own_run.parent)
    assert alone.exit_code == 0, alone.stderr
    assert "both answered" not in alone.stdout


def test_each_edit_of_the_winner_has_its_worth(finished: Path) -> None:
    """ "Add the numbers." is what the toy can't do without, and scripts find that in result.json too."""
    found = {edit["text"]: edit for edit in read(finished, "attribution.json")["winner"]}
    assert found["Add the numbers."]["low"] > 0
    assert read(finished, "result.json")["winner_effects"] == list(found.values())


def test_the_winner_holds_nothing_that_was_pruned(finished: Path) -> None:
    """The prompt that was tested is the prompt that is kept."""
    result = read(finished, "result.json")
    gone = [edit["text"] for edit in result["winner_effects"] if edit["is_pruned"]]
    assert not [text for text in gone if text in result["winner"]["text"]]
    assert result["verdict"] == "improved"
    assert (finished / "best_prompt.txt").read_text() == result["winner"]["text"] + "\n"


def test_report_writes_the_same_page_again(finished: Path, own_run: Path) -> None:
    """Everything it says is in the run folder and the data set."""
    before = (own_run / "report.html").read_text().replace(str(finished.parents[1]), str(own_run.parents[1]))
    (own_run / "report.html").unlink()
    done = promptrl("report", "latest", "--runs-dir", own_run.parent)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(own_run / "report.html")
    assert (own_run / "report.html").read_text() == before


def test_the_commands_of_a_report_work(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand there, in the folder that the page names; the same seed gives the same winner."""
    monkeypatch.chdir(own_run.parent)
    shown = Page((own_run / "report.html").read_text()).text
    commands = [line.split()[1:] for line in shown.splitlines() if line.startswith("promptrl ")]
    assert [command[0] for command in commands] == ["train", "eval", "export"]
    for command in commands:
        done = promptrl(*command)
        assert done.exit_code == 0, done.stderr
    again = read(own_run.with_name("toy-0002"), "result.json")
    assert again["winner"]["prompt_id"] == read(own_run, "result.json")["winner"]["prompt_id"]


@pytest.mark.parametrize(("change", "note"), [("gone", DATA_GONE), ("other", DATA_CHANGED)])
def test_without_its_data_a_run_is_reported_all_the_same(own_run: Path, change: str, note: str) -> None:
    """The page says what is missing, and shows no question of other data."""
    data = own_run.parents[1] / "sums.csv"
    data.unlink() if change == "gone" else data.write_text(
        "question,sum\n" + "".join(f"{n} + 9,{n + 9}\n" for n in range(99, 190))
    )
    done = promptrl("report", "toy-0001", "--runs-dir", own_run.parent)
    assert done.exit_code == 0, done.stderr
    page = unescape((own_run / "report.html").read_text())
    assert note in page
    assert "Right answer" not in page


def test_a_report_shows_the_rows_of_its_run_that_are_left(own_run: Path) -> None:
    """And says how many are not, and how many came."""
    data = own_run.parents[1] / "sums.csv"
    head, _, *rows = data.read_text().splitlines(True)
    data.write_text("".join([head, *rows, "99 + 1,100\n", "99 + 2,101\n"]))
    assert promptrl("report", "toy-0001", "--runs-dir", own_run.parent).exit_code == 0
    page = unescape((own_run / "report.html").read_text())
    assert "Since the run, 1 of its rows is gone or changed and 2 rows were added" in page
    assert "Right answer" in page


def test_an_unfinished_run_has_no_report(own_run: Path) -> None:
    """Exit code 6, as for other commands on it."""
    (own_run / "result.json").unlink()
    assert promptrl("report", "toy-0001", "--runs-dir", own_run.parent).exit_code == 6


def test_runs_are_compared_on_one_page(own_run: Path) -> None:
    """Beside what the terminal shows; a place that can't be written is a usage error."""
    shutil.copytree(own_run, own_run.with_name("toy-0002"))
    page = own_run.parent / "both.html"
    options = ("--runs-dir", own_run.parent, "--html")
    done = promptrl("runs", "compare", "toy-0001", "toy-0002", *options, page)
    assert done.exit_code == 0, done.stderr
    assert "toy-0002" in page.read_text()
    assert promptrl("runs", "compare", "toy-0001", "toy-0002", *options, own_run).exit_code == 2


def test_a_report_that_fails_does_not_lose_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is written, run.json says what went wrong, and the report can be written later."""

    def fail(record: object) -> None:
        raise ZeroDivisionError("a bug in a figure")

    config = write_experiment(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("promptrl.report.page.render_report", fail)
        done = promptrl("train", config, "--runs-dir", tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    assert "promptrl report toy-0001" in done.stderr
    run = tmp_path / "runs/toy-0001"
    assert read(run, "result.json")["verdict"] == "improved"
    assert read(run, "run.json")["report_error"] == "ZeroDivisionError: a bug in a figure"
    assert promptrl("report", "toy-0001", "--runs-dir", tmp_path / "runs").exit_code == 0
