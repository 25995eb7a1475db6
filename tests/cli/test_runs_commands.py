"""``runs`` and ``export``: what can be done with runs that are there, and what is said of those that are not."""

import json
from pathlib import Path

import pytest

from tests.commandline import promptrl
from tests.servers.toy_model import write_experiment


def test_runs_list_and_show_and_compare(trained: Path) -> None:
    """Each view has a form for people and one for programs, both on stdout, so that they can be piped."""
    runs_dir = ("--runs-dir", trained / "runs")
    table = promptrl("runs", "list", *runs_dir)
    assert "improved" in table.stdout
    assert table.stderr == ""
    assert max(map(len, table.stdout.splitlines())) <= 80
    listed = json.loads(promptrl("runs", "list", "toy", *runs_dir, "--json").stdout)
    assert {"run_id", "status", "result"} <= set(listed[0])
    assert "Reply with digits only." in promptrl("runs", "show", "toy-0001", *runs_dir).stdout
    shown = json.loads(promptrl("runs", "show", "toy-0001", *runs_dir, "--json").stdout)
    assert shown["result"]["verdict"] == "improved"
    assert "Reply with digits only." in promptrl("runs", "compare", "toy-0001", "toy-0001", *runs_dir).stdout
    compared = json.loads(promptrl("runs", "compare", "toy-0001", "toy-0001", *runs_dir, "--json").stdout)
    assert len(compared) == 2
    assert promptrl("runs", "compare", "toy-0001", *runs_dir).exit_code == 2


@pytest.mark.parametrize("to", ["txt", "text", "json", "openai", "promptfoo"])
def test_export_gives_the_winner_in_each_form(trained: Path, to: str) -> None:
    """Every format holds the winning instruction."""
    done = promptrl("export", "toy-0001", "--format", to, "--runs-dir", trained / "runs")
    assert done.exit_code == 0, done.stderr
    assert "Reply with digits only." in done.stdout
    assert ("YOUR-MODEL" in done.stderr) == (to in ("openai", "promptfoo"))
    if to == "openai":
        assert json.loads(done.stdout)["max_tokens"] == 8
    if to == "promptfoo":
        assert "{{question}}" in done.stdout


def test_an_export_that_cant_be_written_is_a_usage_error(trained: Path) -> None:
    """A folder that is missing, or in the file's place, is named."""
    for output in (trained / "no/such/x", trained):
        done = promptrl("export", "toy-0001", "-o", output, "--runs-dir", trained / "runs")
        assert done.exit_code == 2
        assert "can't write" in done.stderr


def test_removing_a_run_asks_first(tmp_path: Path) -> None:
    """A no is respected and no failure; silence, as in a script, is a usage error."""
    write_experiment(tmp_path)
    from promptrl.runs.runs_folder import RunsFolder

    run = RunsFolder(tmp_path / "runs").create("toy")
    refused = promptrl("runs", "rm", "toy-0001", "--runs-dir", tmp_path / "runs", typed="n\n")
    assert refused.exit_code == 0
    assert "Nothing deleted." in refused.stderr
    assert promptrl("runs", "rm", "toy-0001", "--runs-dir", tmp_path / "runs").exit_code == 2
    assert run.path.exists()
    assert promptrl("runs", "rm", "toy-0001", "--yes", "--runs-dir", tmp_path / "runs").exit_code == 0
    assert not run.path.exists()


@pytest.mark.parametrize("reference", ["nope", "../..", "/etc", "latest"])
def test_an_unknown_run_is_exit_code_6(tmp_path: Path, reference: str) -> None:
    """Every command that takes a run says so."""
    for command in (("eval",), ("runs", "show"), ("export",)):
        assert promptrl(*command, reference, "--runs-dir", tmp_path).exit_code == 6


def test_an_interrupted_run_has_nothing_to_export_or_evaluate(tmp_path: Path) -> None:
    """A run without a result says so instead of exporting something."""
    from promptrl.runs.runs_folder import RunsFolder

    run = RunsFolder(tmp_path).create("toy")
    run.start({"experiment": "toy"}, "", "")
    for command in ("export", "eval"):
        assert promptrl(command, "toy-0001", "--runs-dir", tmp_path).exit_code == 6
    assert "interrupted" in promptrl("runs", "list", "--runs-dir", tmp_path).stdout
