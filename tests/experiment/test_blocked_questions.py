"""A firewall before the server costs a run a few answers, and a key that is revoked ends it soon; both go on."""

from pathlib import Path

import pytest
from typer.testing import Result

from tests.commandline import changing, only_result, promptrl
from tests.servers import toy_model
from tests.servers.openai_server import Fault, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

PAGE = Fault(403, "<html><h1>403 Forbidden</h1></html>")
PYTHON = 'type: python, function: "tests.servers.toy_model:answer"'
AGENT = "maskable_ppo, n_envs: 4, rows_per_prompt: 4"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The toy experiment with a server's model and a random search."""
    text = CONFIG.replace(PYTHON, "type: openai, model: m, api_key_env: null, concurrency: 1")
    return write_experiment(tmp_path, text.replace(AGENT, "random").replace("max_calls: 900", "max_calls: 150"))


def train(config: Path, server: OpenAIServer) -> Result:
    """Train against this server."""
    return promptrl(
        "train", config, "--runs-dir", config.parent / "runs", *changing(f"target.base_url={server.base_url}")
    )


def test_a_run_goes_on_without_the_answers_that_a_firewall_stops(config: Path) -> None:
    """Each costs its own answer and nothing else, and is told."""
    with OpenAIServer(toy_model.answer, [*[None] * 30, PAGE, *[None] * 20, PAGE]) as server:
        done = train(config, server)
    assert done.exit_code == 0, done.stderr
    assert only_result(config.parent)["calls"]["total"] == len(server.requests) - 2
    assert "2 missing (blocked)" in done.stderr


def test_a_key_that_is_revoked_ends_a_run_soon_and_resume_carries_it_on(config: Path) -> None:
    """The message names the row and both readings."""
    with OpenAIServer(toy_model.answer, [*[None] * 30, *[PAGE] * 4]) as server:
        done = train(config, server)
        assert done.exit_code == 4
        assert len(server.requests) <= 34
        told = " ".join(done.stderr.split())
        assert [words for words in ("blocked on line ", "403", "no key", "firewall") if words not in told] == []
        resumed = promptrl("resume", "latest", "--runs-dir", config.parent / "runs")
        assert resumed.exit_code == 0, resumed.stderr
    assert len(server.requests) <= 30 + 4 + 120
