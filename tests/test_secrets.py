"""The key of the target stays where it is: in the environment and in the requests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import commandline
from tests.servers import toy_model
from tests.servers.openai_server import Chat, Fault, OpenAIServer
from tests.servers.toy_model import CONFIG, write_experiment

KEY = "sk-Xy7secret+key/0123456789=abc"
HEADER = "tenant-9f8e7d6c5b4a"
SECRETS = (KEY, HEADER, "Xy7secret", "9f8e7d6c")


def echoing(messages: Chat, params: dict[str, object]) -> str:
    """The toy model of someone who prints the headers that it got."""
    return f"{toy_model.answer(messages, params)} [Authorization: Bearer {KEY}; X-Tenant: {HEADER}]"


def promptrl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with the secrets in its environment."""
    environment = {**os.environ, "TOY_KEY": KEY, "TOY_TENANT": HEADER}
    command = [sys.executable, "-X", "dev", "-W", "ignore", "-m", "promptrl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


AGENT = "algorithm: {name: maskable_ppo, n_envs: 4, rows_per_prompt: 4}"
NO_AGENT = "algorithm: {name: random}"


def write_config(folder: Path, server: OpenAIServer, algorithm: str = NO_AGENT) -> None:
    """The toy experiment against a server that wants a key; without an agent, whose libraries take long to load."""
    target = (
        f"target: {{type: openai, model: toy, base_url: '{server.base_url}', api_key_env: TOY_KEY, "
        "headers: {X-Tenant: TOY_TENANT}, max_retries: 1}"
    )
    assert AGENT in CONFIG
    text = CONFIG.replace("max_calls: 900", "max_calls: 140").replace("exact_match", "contains")
    text = text.replace(AGENT, algorithm)
    write_experiment(folder, text[: text.index("target: ")] + target + text[text.index("\nprompt:") :])


def leaks(folder: Path) -> list[str]:
    """Every file below a folder that holds one of the secrets, also the database of the cache."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    return [str(path) for path in files if any(secret.encode() in path.read_bytes() for secret in SECRETS)]


def escaped(reply: dict[str, object]) -> str:
    """JSON as some servers write it: PHP escapes each slash, .NET a plus."""
    return json.dumps(reply).replace("/", "\\/").replace("+", "\\u002B").replace("-", "\\u002d")


LEAK = {"error": {"message": f"invalid key {KEY}, headers: Bearer {KEY}, {HEADER}", "code": None}}
FAULTS = {
    "answers that echo it": [],
    "a retried fault that echoes it": [Fault(500, LEAK), Fault(429, LEAK, {"Retry-After": "0"}), Fault(200, LEAK)],
    "a refusal that echoes it": [Fault(401, LEAK)] * 50,
    "answers that echo it in escapes": [
        Fault(200, escaped({"choices": [{"message": {"content": f"{KEY} {HEADER}"}, "finish_reason": HEADER}]}))
    ],
    "a page that echoes it in escapes": [Fault(200, escaped({"choices": f"{KEY} {HEADER}"}))] * 50,
    "a page that echoes it": [Fault(200, f"<html>{KEY} {HEADER}</html>")] * 50,
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_key_is_nowhere(name: str, tmp_path: Path) -> None:
    """Not in the run folder, the cache, the debug log, the JSON lines or messages, though the server tells it."""
    with OpenAIServer(echoing, FAULTS[name]) as server:
        write_config(tmp_path, server, NO_AGENT if FAULTS[name] else AGENT)
        done = promptrl(tmp_path, "train", "toy.yaml", "--json", "--debug-log", "debug.jsonl")
        shown = commandline.promptrl("runs", "show", "latest", "--runs-dir", tmp_path / "runs")
    assert done.returncode == (0 if len(FAULTS[name]) < 50 else 4), done.stderr
    said = done.stdout + done.stderr + shown.stdout + shown.stderr
    assert not [secret for secret in SECRETS if secret in said]
    assert leaks(tmp_path) == []
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].headers["x-tenant"] == HEADER
    assert "***" in said + (tmp_path / "runs/toy-0001/outcomes.jsonl").read_text()


def test_a_bug_prints_no_key(tmp_path: Path) -> None:
    """The traceback of a metric that fails."""
    (tmp_path / "broken_metric.py").write_text(
        "def grade(prediction, reference, fields):\n    raise ZeroDivisionError(prediction)\n"
    )
    with OpenAIServer(echoing) as server:
        write_config(tmp_path, server)
        metric = 'reward.metrics=[{type: python, function: "broken_metric:grade"}]'
        done = promptrl(tmp_path, "train", "toy.yaml", "-s", metric, "--debug-log", "debug.jsonl")
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    assert leaks(tmp_path) == []


def test_the_debug_log_tells_every_attempt(tmp_path: Path) -> None:
    """One JSON object a line: what became of it, how long it took, and no text of prompt or answer."""
    with OpenAIServer(toy_model.answer, [Fault(500), Fault(500)]) as server:
        write_config(tmp_path, server)
        done = promptrl(tmp_path, "train", "toy.yaml", "--debug-log", "debug.jsonl")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "debug.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == len(server.requests)
    assert [line["end"] for line in lines].count("server") == 2
    assert {line["attempt"] for line in lines} == {1, 2}
    assert all(line["seconds"] >= 0 and line["purpose"] in ("search", "validation", "test") for line in lines)
    assert "Add the numbers" not in text
