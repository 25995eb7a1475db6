"""Exports mean the same to the program that reads them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptrl.errors import RunLockedError, UsageError
from promptrl.llm.base import Message
from promptrl.prompts.files import template_messages
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from promptrl.runs.export import export_prompt
from promptrl.runs.folder import Run, RunsFolder
from tests.commandline import promptrl
from tests.runs.whole_result import whole_result

MESSAGES = [
    {"role": "system", "content": "Answer in {braces} and {{ double }} ones."},
    {"role": "user", "content": "Text {{as is}}: {text}"},
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished run against a server."""
    made = RunsFolder(tmp_path).create("toy")
    target = {"type": "openai", "model": "m", "base_url": "http://localhost:1/v1", "api_key_env": "KEY"}
    made.start({"target": {**target, "params": {"temperature": 0}}}, "", "")
    prompt: dict[str, Any] = {"prompt_id": "x", "text": "[system]\nAnswer", "messages": MESSAGES}
    made.finish(whole_result({**prompt, "messages": MESSAGES[1:]}, prompt))
    return made


def test_an_openai_request_is_complete(run: Run) -> None:
    """Model, messages and parameters, ready to be posted."""
    assert json.loads(export_prompt(run, "openai")) == {"model": "m", "messages": MESSAGES, "temperature": 0}


def test_promptfoo_gets_its_own_placeholders_and_no_accidental_ones(run: Run) -> None:
    """{text} becomes {{text}}; braces that mean nothing to us mean nothing to promptfoo."""
    config = yaml.safe_load(export_prompt(run, "promptfoo"))
    system, user = json.loads(config["prompts"][1]["raw"])
    assert user["content"] == "Text {as is}: {{text}}"
    assert system["content"] == "{% raw %}Answer in {braces} and {{ double }} ones.{% endraw %}"
    provider = config["providers"][0]
    assert provider["id"] == "openai:chat:m"
    assert provider["config"] == {"temperature": 0, "apiBaseUrl": "http://localhost:1/v1", "apiKeyEnvar": "KEY"}


def test_promptfoo_fills_every_message_of_a_conversation(run: Run) -> None:
    """Those of the user template, and no message before them."""
    earlier = (Message("user", "Text: {text}"), Message("assistant", "Read."))
    prompt = Prompt((), (Demonstration("r", "{text}?", "{{x}}"),), UserTemplate("{text}?", earlier))
    (run.path / "prompts.jsonl").write_text(json.dumps({"prompt_id": "x", **prompt.to_json()}) + "\n")
    messages = [{"role": m.role, "content": m.content} for m in template_messages(prompt)]
    winner = {"prompt_id": "x", "text": prompt.text, "messages": messages}
    run.finish(whole_result(winner, winner))
    raw = json.loads(yaml.safe_load(export_prompt(run, "promptfoo"))["prompts"][0]["raw"])
    contents = [message["content"] for message in raw]
    assert contents == ["{text}?", "{% raw %}{{x}}{% endraw %}", "Text: {{text}}", "Read.", "{{text}}?"]


@pytest.mark.parametrize("kind", ["local", "python", "replay"])
def test_a_target_that_is_no_server_leaves_the_model_open(run: Run, kind: str) -> None:
    """No server knows "nano" or "module:function": the reader is told to put in a model."""
    run.update(target={"type": kind, "model": "nano", "params": {}})
    assert json.loads(export_prompt(run, "openai"))["model"] == "YOUR-MODEL"
    text = export_prompt(run, "promptfoo")
    assert yaml.safe_load(text)["providers"][0]["id"] == "openai:chat:YOUR-MODEL"
    assert "# The run's target was no server" in text


def test_what_cant_be_exported_is_an_error(run: Run, tmp_path: Path) -> None:
    """An unknown form, and a run without a winner."""
    with pytest.raises(UsageError):
        export_prompt(run, "xml")
    unfinished = RunsFolder(tmp_path).create("toy")
    with pytest.raises(RunLockedError):
        export_prompt(unfinished, "txt")


def test_half_a_surrogate_pair_is_written_as_an_escape(run: Run) -> None:
    """A winner may hold one that a model wrote."""
    winner = {"prompt_id": "x", "text": "a\ud800b", "messages": MESSAGES}
    run.finish(whole_result(winner, winner))
    output = run.path / "prompt.txt"
    done = promptrl("export", run.id, "-o", output, "--runs-dir", run.path.parent)
    assert done.exit_code == 0, done.exception
    assert output.read_text() == "a\\ud800b\n"
