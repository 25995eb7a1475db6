"""Several configs in one command: at the same time, over one engine, each with the result of a run by itself."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.commandline import promptrl
from tests.servers import toy_model
from tests.servers.openai_server import Fault, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

NAMES = ("one", "two", "three")


def write_configs(folder: Path, server: OpenAIServer) -> list[Path]:
    """Three configs that differ in name and seed and ask one server."""
    write_experiment(folder)
    target = f"{{type: openai, model: toy, base_url: '{server.base_url}', api_key_env: null, concurrency: 32}}"
    configs = []
    for seed, name in enumerate(NAMES):
        text = CONFIG.replace("name: toy", f"name: {name}\nseed: {seed}").replace("max_calls: 900", "max_calls: 160")
        start, end = text.index("target: "), text.index("\nprompt:")
        configs.append(folder / f"{name}.yaml")
        configs[-1].write_text(text[:start] + f"target: {target}" + text[end:])
    return configs


def train(configs: list[Path], runs: Path, *options: str) -> Result:
    """Train as the command line does."""
    return promptrl("train", *configs, "--runs-dir", runs, *options)


def comparable(runs: Path, name: str) -> dict[str, Any]:
    """A result without what may differ between two runs of one seed."""
    result: dict[str, Any] = json.loads((runs / f"{name}-0001/result.json").read_text())
    for key in ("wall_s", "cost_usd", "tokens", "engine"):
        del result[key]
    del result["calls"]["paid"], result["calls"]["cached"]
    return result


class PairedComparison:
    """Answers as the toy model, but nobody before so many questions are there at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._arrived = 0
        self._change = threading.Condition()

    def answer(self, messages: list[dict[str, Any]], params: dict[str, Any]) -> str:
        """Answer the question; fails when the others do not come."""
        with self._change:
            self._arrived += 1
            self._change.notify_all()
            assert self._change.wait_for(lambda: self._arrived >= self._most, timeout=30)
        return toy_model.answer(messages, params)


def test_runs_at_the_same_time_have_the_results_of_runs_alone(tmp_path: Path) -> None:
    """Though they share the process, its random generators, the engine and the cache."""
    with OpenAIServer(toy_model.answer) as server:
        configs = write_configs(tmp_path, server)
        for config in configs:
            done = train([config], tmp_path / "alone" / config.stem)
            assert done.exit_code == 0, done.stderr
        done = train(configs, tmp_path / "together")
        assert done.exit_code == 0, done.stderr
    for name in NAMES:
        assert comparable(tmp_path / "together", name) == comparable(tmp_path / "alone" / name, name)
    assert "two-0001: search: " in done.stderr


def test_runs_fill_the_concurrency_together(tmp_path: Path) -> None:
    """The first batch of a run is eight questions: the server does not answer before there are twelve."""
    meeting = PairedComparison(12)
    with OpenAIServer(meeting.answer) as server:
        done = train(write_configs(tmp_path, server), tmp_path / "runs")
    assert done.exit_code == 0, done.stderr
    assert server.most_in_flight >= 12


def test_a_run_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    """The exit code is that of the worst."""
    with OpenAIServer(toy_model.answer) as server, OpenAIServer(faults=[Fault(401)] * 100) as refusing:
        configs = write_configs(tmp_path, server)
        text = configs[1].read_text()
        configs[1].write_text(text.replace(server.base_url, refusing.base_url))
        done = train(configs, tmp_path / "runs", "--json")
    assert done.exit_code == 4
    assert "401" in done.stderr
    assert f"promptrl resume {tmp_path / 'runs/two-0001'} carries it on." in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    finished = {event["run_id"] for event in events if event["event"] == "run_finished"}
    assert finished == {"one-0001", "three-0001"}
    assert json.loads((tmp_path / "runs/two-0001/run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_config_error_is_the_last_json_line(tmp_path: Path, as_json: bool) -> None:
    """Before any run has started, too."""
    config = write_experiment(tmp_path, CONFIG.replace("max_calls: 900", "max_calls: none"))
    done = train([config], tmp_path / "runs", *(["--json"] if as_json else []))
    assert done.exit_code == 2
    assert "budget.max_calls" in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["exit_code"]) for line in told] == ([("run_failed", 2)] if as_json else [])
