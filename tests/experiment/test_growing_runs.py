"""Runs whose space grows while they search: what came is kept, reported, and comes again at resume."""

import json
from pathlib import Path
from typing import Any

import pytest

from promptrl.config import load_config
from promptrl.errors import ConfigError, StopRequestedError
from promptrl.experiment.build import build_components
from promptrl.experiment.train import resume, train
from promptrl.runs.runs_folder import RunsFolder
from promptrl.search.growth import Growth, GrowthRequest
from promptrl.search.surrogate.state import decode_state
from tests.servers.toy_model import CONFIG, write_experiment

GROWTH = Growth({"task": ("Add the two numbers.",), "format": ("Give digits.",), "tone": ("Be brief.",)})
SMALL = (
    CONFIG.replace("rows_per_prompt: 4", "rows_per_prompt: 4, imagined_steps: 16")
    .replace("max_calls: 900", "max_calls: 450")
    .replace(', "Add the numbers."', "")
)


class Growing:
    """Brings the growth once after 60 calls; may end the run after 150."""

    def __init__(self, *, ends: bool = False, growth: Growth | None = GROWTH) -> None:
        self.asked: list[int] = []
        self._ends = ends
        self._left = [growth] if growth else []

    def __call__(self, request: GrowthRequest) -> Growth | None:
        """As ``Grow`` says."""
        self.asked.append(request.calls_used)
        if self._ends and request.calls_used >= 150:
            raise StopRequestedError(2)
        return self._left.pop() if self._left and request.calls_used >= 60 else None


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the report pages, which take most of a small run's time."""
    monkeypatch.setattr("promptrl.experiment.train.write_report", lambda run, result, components: None)


def comparable(result: Any) -> dict[str, Any]:
    """A result without what may differ between two runs of one seed."""
    kept = {
        key: value for key, value in result.items() if key not in ("run_id", "wall_s", "cost_usd", "tokens", "engine")
    }
    return {**kept, "calls": {key: n for key, n in result["calls"].items() if key not in ("paid", "cached")}}


def test_an_interrupted_run_that_grew_resumes_to_the_same_result(tmp_path: Path) -> None:
    """The growth is in the run folder, in full; it comes again at its call, and nobody is asked for it twice."""
    components = build_components(load_config(write_experiment(tmp_path, SMALL)))
    whole = train(components, runs_dir=tmp_path / "whole", grow=Growing())
    with pytest.raises(StopRequestedError):
        train(components, runs_dir=tmp_path / "runs", grow=Growing(ends=True))
    run = RunsFolder(tmp_path / "runs").all()[0]
    assert run.status == "interrupted"
    kept = [json.loads(line) for line in (run.path / "growth.jsonl").read_text().splitlines()]
    assert [line["options"] for line in kept] == [{slot: list(texts) for slot, texts in GROWTH.options.items()}]
    later = Growing(growth=None)
    resumed = resume(run, grow=later)
    assert comparable(resumed.result) == comparable(whole.result)
    assert min(later.asked) > kept[0]["calls_used"] >= 60
    assert (run.path / "growth.jsonl").read_text() == (whole.run.path / "growth.jsonl").read_text()


def test_what_came_while_searching_is_asked_proved_and_attributed(tmp_path: Path) -> None:
    """Only an option that came later makes this model right: the winner has it, and what it did there is told.

    Average effects are of draws from the whole space, so answers from before it grew don't count for them.
    """
    components = build_components(load_config(write_experiment(tmp_path, SMALL)))
    done = train(components, runs_dir=tmp_path / "runs", grow=Growing())
    assert "Add the two numbers." in done.result["winner"]["text"]
    assert done.result["verdict"] == "improved"
    assert "Add the two numbers." in {edit["text"] for edit in done.run.attribution["winner"]}
    state = decode_state((done.run.path / "checkpoints/posterior.npz").read_bytes(), "posterior.npz")
    assert "Be brief." in state.table.texts
    searched = [outcome for outcome in done.run.outcomes() if outcome.purpose == "search"]
    assert len(state.answers.objective) == len(searched)
    grown_at = json.loads((done.run.path / "growth.jsonl").read_text())["calls_used"]
    assert done.run.attribution["uniform_answers"] == sum(outcome.uniform for outcome in searched[grown_at:])
    assert any(outcome.uniform for outcome in searched[:grown_at])


@pytest.mark.parametrize("algorithm", ["{name: random}", "{name: ppo, planning: none}"])
def test_a_search_that_can_not_grow_begins_no_run(tmp_path: Path, algorithm: str) -> None:
    """It says which algorithms can before there is a run folder."""
    text = SMALL.replace("{name: maskable_ppo, n_envs: 4, rows_per_prompt: 4, imagined_steps: 16}", algorithm)
    components = build_components(load_config(write_experiment(tmp_path, text)))
    with pytest.raises(ConfigError, match=r"algorithm\.name: this search can't take in options"):
        train(components, runs_dir=tmp_path / "runs", grow=Growing())
    assert not (tmp_path / "runs").exists()


class EachTime(Growing):
    """Brings the growth to the first search only, whose winner needs it."""

    def __call__(self, request: GrowthRequest) -> Growth | None:
        """As ``Grow`` says."""
        return self._left.pop() if self._left else None


def test_a_winner_of_an_earlier_fold_keeps_what_it_gained(tmp_path: Path) -> None:
    """Later finals and pruning know its options, also where their own search never had them; so do the reports."""
    text = SMALL.replace("max_calls: 450", "max_calls: 900").replace("dataset: {", "dataset: {folds: 3, ")
    growth = EachTime(growth=Growth({"task": ("Add the two numbers.",)}))
    done = train(
        build_components(load_config(write_experiment(tmp_path, text))), runs_dir=tmp_path / "runs", grow=growth
    )
    assert "Add the two numbers." in done.result["winner"]["text"]
    assert "Add the two numbers." in {edit["text"] for edit in done.run.attribution["winner"]}
    attention = {edit["edit"] for edit in done.run.attribution["attention"]}
    assert {decision["taken"]["edit"] for decision in done.run.attribution["policy"]} <= {"stop", *attention}
