"""Runs against a real server that are killed or stopped: what is kept, and what is asked again."""

import json
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kills import (
    CONCURRENCY,
    Counting,
    finish,
    kill_and_resume,
    proposing_config,
    proposing_model,
    start,
    toy_config,
)
from tests.servers import toy_model
from tests.servers.openai_server import Chat, OpenAIServer

CALLS = 160


@pytest.mark.parametrize("cache", ["deterministic", "off"])
def test_a_run_killed_at_random_moments_pays_for_nothing_twice(tmp_path: Path, cache: str) -> None:
    """The result is that of an uninterrupted run; only what was in flight at a kill is asked again."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    counting = Counting()
    with OpenAIServer(counting.answer) as server:
        expected = finish(tmp_path / "whole", toy_config(tmp_path / "whole", server.base_url, CALLS, cache))
    assert counting.lost.total() == 0
    total, counting = counting.asked, Counting()
    with OpenAIServer(counting.answer) as server:
        config = toy_config(tmp_path / "killed", server.base_url, CALLS, cache)
        killed = kill_and_resume(tmp_path / "killed", config, counting, 2, total, random.Random(0))
    assert killed.kills > 0
    assert killed.result == expected
    assert killed.lost <= CONCURRENCY


def test_a_run_that_is_proposed_edits_and_killed_asks_its_proposer_once(tmp_path: Path) -> None:
    """The result is that of an uninterrupted run; what the proposer said before a kill is not asked for again."""
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    counting = Counting(proposing_model)
    with OpenAIServer(counting.answer) as server:
        expected = finish(tmp_path / "whole", proposing_config(tmp_path / "whole", server.base_url, 2 * CALLS))
    assert expected["calls"]["proposer"] >= 2
    total, counting = counting.asked, Counting(proposing_model)
    with OpenAIServer(counting.answer) as server:
        config = proposing_config(tmp_path / "killed", server.base_url, 2 * CALLS)
        killed = kill_and_resume(tmp_path / "killed", config, counting, 2, total, random.Random(1))
    assert killed.kills > 0
    assert killed.result == expected
    assert killed.lost <= CONCURRENCY


class Holding:
    """Answers as the toy model up to a number of requests; those after it wait until they are let go."""

    def __init__(self, at_once: int) -> None:
        self.held = 0
        self._at_once = at_once
        self._asked = 0
        self._change = threading.Condition()
        self._let_go = 0

    def answer(self, messages: Chat, params: dict[str, Any]) -> str:
        """Answer, now or later."""
        with self._change:
            self._asked += 1
            if self._asked > self._at_once:
                self.held += 1
                number = self.held
                self._change.notify_all()
                self._change.wait_for(lambda: number <= self._let_go, timeout=60)
        return toy_model.answer(messages, params)

    def wait_until_held(self, count: int) -> None:
        """Return when so many requests are with the server."""
        with self._change:
            assert self._change.wait_for(lambda: self.held >= count, timeout=60)

    def let_go(self, count: int) -> None:
        """Answer so many of those that wait; whoever comes later goes on waiting."""
        with self._change:
            self._let_go = count
            self._change.notify_all()


@contextmanager
def held_run(folder: Path) -> Iterator[tuple[Holding, Any]]:
    """A training run in a process of its own, with as many requests at the server as may be in flight."""
    holding = Holding(40)
    with OpenAIServer(holding.answer) as server:
        process = start(folder, "train", str(toy_config(folder, server.base_url, CALLS)), "--json")
        try:
            holding.wait_until_held(CONCURRENCY)
            yield holding, process
        finally:
            holding.let_go(10**9)
            process.kill()
            process.wait()


def outcomes(folder: Path) -> list[dict[str, Any]]:
    """What the run has kept."""
    return [json.loads(line) for line in (folder / "runs/toy-0001/outcomes.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("wish", ["SIGINT", "STOP"])
def test_a_stop_keeps_the_answers_in_flight(tmp_path: Path, wish: str) -> None:
    """They are waited for, nothing new is asked, and the run can be resumed."""
    with held_run(tmp_path) as (holding, process):
        if wish == "STOP":
            (tmp_path / "runs/toy-0001/STOP").touch()
        else:
            process.send_signal(signal.SIGINT)
        timer = threading.Timer(1.0, holding.let_go, (CONCURRENCY,))
        timer.start()
        assert process.wait(60) == 130, (tmp_path / "log.txt").read_text()
        timer.cancel()
    assert len(outcomes(tmp_path)) == 40 + CONCURRENCY
    assert json.loads((tmp_path / "runs/toy-0001/run.json").read_text())["status"] == "interrupted"
    assert not (tmp_path / "runs/toy-0001/STOP").exists()
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log
    assert "promptrl resume runs/toy-0001 carries it on." in log
    assert '"exit_code": 130' in log


def test_a_stop_ends_all_runs_of_a_command(tmp_path: Path) -> None:
    """Each keeps its answers in flight; the exit code is that of the signal."""
    holding = Holding(40)
    with OpenAIServer(holding.answer) as server:
        config = toy_config(tmp_path, server.base_url, CALLS)
        other = tmp_path / "other.yaml"
        other.write_text(config.read_text().replace("name: toy", "name: other\nseed: 1"))
        process = start(tmp_path, "train", str(config), str(other))
        timer = threading.Timer(1.0, holding.let_go, (CONCURRENCY,))
        try:
            holding.wait_until_held(CONCURRENCY)
            process.send_signal(signal.SIGTERM)
            timer.start()
            assert process.wait(60) == 143, (tmp_path / "log.txt").read_text()
        finally:
            timer.cancel()
            holding.let_go(10**9)
            process.kill()
            process.wait()
    kept = [len((tmp_path / f"runs/{name}-0001/outcomes.jsonl").read_text().splitlines()) for name in ("toy", "other")]
    assert sum(kept) >= 40 + CONCURRENCY  # a question of both is asked once and kept twice
    for name in ("toy", "other"):
        assert json.loads((tmp_path / f"runs/{name}-0001/run.json").read_text())["status"] == "interrupted"
        assert f"promptrl resume runs/{name}-0001 carries it on." in (tmp_path / "log.txt").read_text()
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    """Though the server has not answered what is in flight, and its answers are waited for after the first."""
    with held_run(tmp_path) as (_, process):
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(3) == 130
    assert len(outcomes(tmp_path)) == 40


def test_a_server_that_does_not_answer_delays_the_end_by_seconds_only(tmp_path: Path) -> None:
    """What is in flight is given up then."""
    with held_run(tmp_path) as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert len(outcomes(tmp_path)) == 40
