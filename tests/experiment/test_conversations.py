"""A prompt that asks in several messages, from the config to the exported prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import promptrl
from tests.servers.openai_server import Chat, OpenAIServer

CONFIG = """\
name: talk
target: {type: openai, model: m, base_url: %s, api_key_env: null, params: {temperature: 0, max_tokens: 8}}
prompt:
  user:
    - {role: user, content: "First: {a}"}
    - {role: assistant, content: Noted.}
    - {role: user, content: "Second: {b}. The sum?"}
  slots:
    task: ["", "Add the numbers.", "Name a fruit."]
    style: ["", "Be chatty."]
  demonstrations: {max: 1, candidates: 3}
edits: {bank: none}
dataset: {path: sums.csv, reference: sum}
reward: {metrics: [{type: exact_match}]}
budget: {max_calls: 300}
"""


def answer(messages: Chat, params: dict[str, Any]) -> str:
    """Add what the last two user messages say, if told to."""
    first, second = messages[-3]["content"], messages[-1]["content"]
    if messages[0]["content"] != "Add the numbers.":
        return "Hello!"
    return str(int(first.removeprefix("First: ")) + int(second.split(": ")[1].split(".")[0]))


def call(*arguments: str) -> str:
    """Run a command."""
    done = promptrl(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_conversation_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request ends with it, demonstrations are such conversations, and the winner can be scored from files."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{a},{b},{a + b}" for a in range(10) for b in range(10)]
    Path("sums.csv").write_text("a,b,sum\n" + "\n".join(rows) + "\n", encoding="utf-8")
    with OpenAIServer(answer) as server:
        Path("talk.yaml").write_text(CONFIG % server.base_url, encoding="utf-8")
        planned = json.loads(call("plan", "talk.yaml", "--json"))
        call("train", "talk.yaml")
        call("export", "latest", "--format", "json", "--output", "best.json")
        scores = [
            json.loads(call("eval", file, "--config", "talk.yaml", "--json"))
            for file in ("best.json", "runs/talk-0001/best_prompt.txt")
        ]
    result = json.loads(Path("runs/talk-0001/result.json").read_text())
    assert result["verdict"] == "improved"
    assert result["winner"]["messages"][-3:] == [
        {"role": "user", "content": "First: {a}"},
        {"role": "assistant", "content": "Noted."},
        {"role": "user", "content": "Second: {b}. The sum?"},
    ]
    assert [score["winner"]["test"] for score in scores] == [result["winner"]["test"]] * 2
    sizes = set()
    for request in server.requests:
        chat = [message for message in request.body["messages"] if message["role"] != "system"]
        sizes.add(len(chat))
        for at in range(0, len(chat), 4):
            first, noted, second = (message["content"] for message in chat[at : at + 3])
            assert (first[:7], noted, second[:8]) == ("First: ", "Noted.", "Second: ")
            assert "{" not in first + second
    assert sizes == {3, 7}
    assert planned["longest_prompt_tokens"] >= max(
        sum(len(message["content"]) for message in request.body["messages"]) for request in server.requests
    )


def test_a_column_that_a_message_names_must_be_there(tmp_path: Path) -> None:
    """Also when it is not the last message that names it."""
    (tmp_path / "sums.csv").write_text("x,b,sum\n1,2,3\n", encoding="utf-8")
    (tmp_path / "talk.yaml").write_text(CONFIG % "http://127.0.0.1:9/v1", encoding="utf-8")
    done = promptrl("validate", tmp_path / "talk.yaml")
    assert done.exit_code == 2
    assert "prompt.user" in done.stderr
    assert "{a}" in done.stderr or '"a"' in done.stderr
