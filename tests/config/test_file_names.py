"""The name of a file is never taken for a prompt."""

import json
from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.config.file_names import names_file
from tests.config.good_config import problems_of, swap

SLOTS = '  slots:\n    task: ["Classify.", "Read, then classify."]\n'


def config(prompt: str) -> str:
    """The good config with other keys of the prompt."""
    return swap(SLOTS, f"  {prompt}\n")


@pytest.mark.parametrize(
    "name",
    ["triage.jinja", "triage.TXT", "triage.prompt", "triage", "my prompt.j2", "sub/triage.yaml", "file://triage.md"],
)
@pytest.mark.parametrize("is_absolute", [False, True])
def test_a_file_that_is_there_is_read(name: str, is_absolute: bool, tmp_path: Path) -> None:
    """Whatever its ending."""
    path = tmp_path / name.removeprefix("file://")
    path.parent.mkdir(exist_ok=True)
    path.write_text("Is it good?\n", encoding="utf-8")
    written = json.dumps(str(path) if is_absolute else name)
    (tmp_path / "c.yaml").write_text(config(f"text: {written}"), encoding="utf-8")
    assert load_config(tmp_path / "c.yaml").config.prompt.text == "Is it good?"


@pytest.mark.parametrize(
    "name",
    [
        "triage.jinja",
        "triage.TXT",
        "prompts/triage.j2",
        "./triage",
        "../prompts/triage",
        "~/triage",
        "/home/me/triage",
        "/home/me/my prompt.txt",
        r"C:\Users\me\my prompt.md",
        "prompts\\\\triage.prompt",
        "file://triage",
        "support-triage.v2.yaml",
    ],
)
def test_a_file_that_is_not_there_is_an_error(name: str, tmp_path: Path) -> None:
    """Not 139 answers to its name."""
    (problem,) = problems_of(config(f"text: {json.dumps(name)}"), tmp_path)
    assert problem.key == "prompt.text"
    assert "does not exist" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "Answer.",
        "Yes/no",
        "Answer yes and/or no.",
        "/no_think",
        "/no_think Answer with one word.",
        "Return valid JSON",
        "Write to out.txt",
        "Read README.md first.",
        "Use e.g. 3.14",
        "See https://example.org/a.html for the rules.",
        "24/7",
        "3/4.5",
        "...",
        "~5 words",
    ],
)
def test_texts_are_texts(text: str, tmp_path: Path) -> None:
    """Also those with a slash, or that speak of files."""
    assert not names_file(text, tmp_path)


def test_options_and_the_user_message_are_no_files(tmp_path: Path) -> None:
    """The error says what to write, at the option's place."""
    (tmp_path / "task").write_text("Classify.", encoding="utf-8")
    slots = 'slots: {task: ["Classify.", "task", "polite.jinja"]}\n  user: user.txt'
    found = problems_of(config(slots), tmp_path)
    assert [problem.key for problem in found] == ["prompt.slots.task.1", "prompt.slots.task.2", "prompt.user"]
    assert all("is the name of a file, expected the text itself (paste it" in str(problem) for problem in found)
    turns = '[{role: user, content: "{text}"}, {role: user, content: "file://rest.txt"}]'
    (problem,) = problems_of(config(f"slots: {{task: [a, b]}}\n  user: {turns}"), tmp_path)
    assert problem.key == "prompt.user.1.content"


@pytest.mark.parametrize("name", ["prompts", "my prompts", "sub/prompts", "./prompts"])
def test_a_folder_is_no_prompt(name: str, tmp_path: Path) -> None:
    """Its name is an error wherever a text is taken: as the prompt, an option, the user message."""
    (tmp_path / name).mkdir(parents=True)
    (problem,) = problems_of(config(f"text: {json.dumps(name)}"), tmp_path)
    assert (problem.key, problem.message) == ("prompt.text", f'the file "{name}" is a folder, expected a file of text')
    wrong = f'slots: {{task: ["Classify.", "{name}"]}}\n  user: "{name}"'
    found = problems_of(config(wrong), tmp_path)
    assert {problem.key for problem in found} == {"prompt.slots.task.1", "prompt.user"}
    assert all("is the name of a folder, expected the text itself" in problem.message for problem in found)


def test_marks_are_no_folders(tmp_path: Path) -> None:
    """Though a dot and a slash name one."""
    assert not any(names_file(text, tmp_path) for text in (".", "..", "/", "~", ""))


def test_chat_messages_of_other_tools_are_no_prompt(tmp_path: Path) -> None:
    """They would be one message with brackets in it."""
    messages = [{"role": "system", "content": "Add."}, {"role": "user", "content": "{text}"}]
    (tmp_path / "chat.json").write_text(json.dumps(messages), encoding="utf-8")
    for text in ("chat.json", json.dumps(json.dumps(messages))):
        (problem,) = problems_of(config(f"text: {text}"), tmp_path)
        assert "holds chat messages as JSON" in problem.message
