"""The same experiment in this process and against a real HTTP server gives the same scores."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import changing, promptrl
from tests.servers.nano_server import serve

CONFIG = """\
name: both-ways
target: {type: local, params: {temperature: 0, max_tokens: 48}}
prompt:
  user: "{question}"
  slots:
    task: ["", "Solve the word problem."]
    reasoning: ["", "Think step by step."]
    format: ["", 'End with "Answer:" followed by the result.', "Answer in JSON."]
edits: {bank: none}
dataset: {path: "builtin:arithmetic", input: question, reference: answer, limit: 120}
reward: {metrics: [{type: exact_match, after: "Answer:"}]}
budget: {max_calls: 400}
"""


def train(folder: Path, name: str, *changes: str) -> dict[str, Any]:
    """Train with a runs folder, and so a cache, of its own."""
    config = folder / "both.yaml"
    config.write_text(CONFIG)
    done = promptrl("train", config, "--runs-dir", folder / name, *changing(*changes))
    assert done.exit_code == 0, done.stderr
    result: dict[str, Any] = json.loads((folder / name / "both-ways-0001/result.json").read_text())
    return result


def test_a_server_gives_the_scores_of_the_model_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nano over the OpenAI protocol wins with the same prompt and the same held-out scores as nano in-process."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    local = train(tmp_path, "local")
    with serve() as base_url:
        target = (f"target.base_url={base_url}", "target.type=openai", "target.model=nano", "target.api_key_env=null")
        served = train(tmp_path, "served", *target)
    assert served["winner"]["prompt_id"] == local["winner"]["prompt_id"]
    for label in ("baseline", "winner"):
        assert served[label]["test"] == pytest.approx(local[label]["test"], abs=0.04)
    assert served["winner"]["test"]["score"] > served["baseline"]["test"]["score"]
    assert served["tokens"]["prompt"] > 0
