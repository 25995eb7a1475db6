"""``bench`` trains each algorithm and seed once, shares answers, and shows who stands where."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from promptrl.experiment.bench import PATH_NAME
from promptrl.runs.runs_folder import RunsFolder
from tests.commandline import promptrl
from tests.servers.toy_model import write_experiment

SMALL = ("-s", "budget.max_calls=300")


def bench(config: Path, *arguments: object) -> Result:
    """``promptrl bench`` on a config, with its runs beside it."""
    return promptrl("bench", config, "--runs-dir", config.parent / "runs", *SMALL, *arguments)


@pytest.fixture(scope="module", autouse=True)
def no_reports() -> Iterator[None]:
    """Leave out the runs' report pages, which take most of a small run's time and are tested by themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)
        yield


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A config, in a folder that YAML would not take as it stands, and what a benchmark of two baselines printed."""
    config = write_experiment(tmp_path_factory.mktemp("benched: 😀 #"))
    done = bench(config, "--algorithms", "random,halving", "--seeds", 2, "--json")
    assert done.exit_code == 0, done.stderr
    return config, json.loads(done.stdout)


def test_every_algorithm_runs_with_every_seed_at_the_same_budget(benched: tuple[Path, dict[str, Any]]) -> None:
    """Four ordinary runs without a policy, none over the budget; every algorithm's gain is the mean of its runs."""
    config, shown = benched
    arms = [(run["seed"], run["algorithm"]) for run in shown["runs"]]
    assert arms == [(seed, name) for seed in (0, 1) for name in ("random", "halving")]
    assert all(run["calls"] <= 300 for run in shown["runs"])
    assert {run.id for run in RunsFolder(config.parent / "runs/bench-toy").all()} == {
        r["run_id"] for r in shown["runs"]
    }
    assert not list(config.parent.glob("runs/bench-toy/*/policy.zip"))
    for ranked in shown["algorithms"]:
        gains = [run["gain"] for run in shown["runs"] if run["algorithm"] == ranked["algorithm"]]
        assert ranked["gain"]["mean"] == pytest.approx(sum(gains) / 2)
        assert ranked["own_s_per_1000_calls"] >= 0
    assert shown["algorithms"][0]["gain"]["mean"] > 0.5


def test_answers_are_paid_for_once(benched: tuple[Path, dict[str, Any]]) -> None:
    """Runs use the same number of calls, but what one has paid for costs the later ones nothing."""
    config, shown = benched
    asked = set()
    for run in shown["runs"]:
        lines = (config.parent / "runs/bench-toy" / run["run_id"] / "outcomes.jsonl").read_text().splitlines()
        asked |= {(o["prompt_id"], o["row_id"]) for o in map(json.loads, lines)}
    assert sum(run["paid"] for run in shown["runs"]) == len(asked) < sum(run["calls"] for run in shown["runs"])


def test_tables_and_plots_lie_beside_the_runs(benched: tuple[Path, dict[str, Any]]) -> None:
    """results.csv has a line per run, curves.csv a band per algorithm up to the calls of its searches."""
    config, shown = benched
    folder = config.parent / "runs/bench-toy"
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["run_id"] for row in rows] == [run["run_id"] for run in shown["runs"]]
    curves = list(csv.DictReader((folder / "curves.csv").read_text().splitlines()))
    assert {row["algorithm"] for row in curves} == {"random", "halving"}
    assert max(int(row["calls"]) for row in curves) == max(run["search_calls"] for run in shown["runs"])
    assert "halving" in (folder / "curves.svg").read_text()
    assert (folder / "curves.png").is_file()


def test_what_is_done_is_not_done_again(benched: tuple[Path, dict[str, Any]]) -> None:
    """Called again with one seed more and one algorithm less, only the new seed's runs are trained."""
    config, shown = benched
    folder = RunsFolder(config.parent / "runs/bench-toy")
    results = {run.id: (run.path / "result.json").stat().st_mtime_ns for run in folder.all()}
    again = bench(config, "--algorithms", "random", "--seeds", 3)
    assert again.exit_code == 0, again.stderr
    assert "random-s02-0001" in again.stderr
    assert "halving" not in again.stdout
    assert "random" in again.stdout
    after = {run.id: (run.path / "result.json").stat().st_mtime_ns for run in folder.all()}
    assert set(after) == {*results, "random-s02-0001"}
    assert {run: after[run] for run in results} == results
    assert shown["runs"]


def test_an_unfinished_run_is_carried_on(tmp_path: Path) -> None:
    """A run without result.json is resumed under its own name, and ends as it would have."""
    config = write_experiment(tmp_path)
    first = bench(config, "--algorithms", "greedy", "--seeds", 1, "--json")
    run = tmp_path / "runs/bench-toy/greedy-s00-0001"
    (run / "result.json").unlink()
    (run / PATH_NAME).unlink()
    again = bench(config, "--algorithms", "greedy", "--seeds", 1, "--json")
    assert again.exit_code == 0, again.stderr
    before, after = (json.loads(done.stdout)["runs"][0] for done in (first, again))
    assert {**before, "own_s": 0, "paid": 0} == {**after, "own_s": 0, "paid": 0}
    assert (run / PATH_NAME).is_file()


def test_other_settings_make_new_runs(tmp_path: Path) -> None:
    """A run counts only for the config that it was trained with."""
    config = write_experiment(tmp_path)
    bench(config, "--algorithms", "random", "--seeds", 1)
    done = bench(config, "--algorithms", "random", "--seeds", 1, "-s", "algorithm.rows_per_prompt=1", "--json")
    assert [run["run_id"] for run in json.loads(done.stdout)["runs"]] == ["random-s00-0002"]


def test_an_agent_keeps_its_params_beside_baselines(tmp_path: Path) -> None:
    """``algorithm.params`` of the config are not held against the other algorithms."""
    config = write_experiment(tmp_path)
    done = bench(config, "-a", "maskable_ppo,random", "-n", 1, "-s", "algorithm.params.n_steps=4", "--json")
    assert done.exit_code == 0, done.stderr
    assert "n_steps: 4" in (tmp_path / "runs/bench-toy/maskable_ppo-s00-0001/config.resolved.yaml").read_text()
    assert {run["algorithm"] for run in json.loads(done.stdout)["runs"]} == {"maskable_ppo", "random"}


def test_wrong_names_are_told_all_at_once_before_any_run(tmp_path: Path) -> None:
    """Exit 2, each wrong name with its nearest right one, and no folder."""
    done = bench(write_experiment(tmp_path), "--algorithms", "randum,random,halfing")
    assert done.exit_code == 2
    assert "did you mean random" in done.stderr
    assert "did you mean halving" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_no_algorithm_is_a_usage_error(tmp_path: Path) -> None:
    """An empty list compares nothing."""
    done = bench(write_experiment(tmp_path), "--algorithms", " , ")
    assert done.exit_code == 2
    assert "at least one algorithm" in done.stderr


@pytest.mark.parametrize("place", ["taken", "taken/below"])
def test_a_runs_folder_that_can_not_be_written_is_told_as_that(place: str, tmp_path: Path) -> None:
    """Not as the cache that would lie there."""
    config = write_experiment(tmp_path)
    (tmp_path / "taken").write_text("")
    done = promptrl("bench", config, "--seeds", 1, "--algorithms", "random", "--runs-dir", tmp_path / place)
    assert done.exit_code == 2
    assert "can't write to the runs folder" in " ".join(done.stderr.split())
    assert "cache.path" not in done.stderr


@pytest.mark.parametrize(("options", "told"), [(["--seeds", 10**20], "10000"), (["-s", f"seed={2**32 - 2}"], "seed")])
def test_seeds_beyond_all_reason_are_refused_before_any_run(options: list[object], told: str, tmp_path: Path) -> None:
    """Too many of them, and those after the last one."""
    config = write_experiment(tmp_path)
    done = promptrl("bench", config, "--algorithms", "random", "--runs-dir", tmp_path / "runs", *options)
    assert done.exit_code == 2
    assert told in done.stderr
    assert not (tmp_path / "runs").exists()
