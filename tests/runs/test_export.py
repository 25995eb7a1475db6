"""Exports mean the same to the program that reads them."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from promptrl.errors import RunLockedError, UsageError
from promptrl.llm.base import Message
from promptrl.prompts.files import template_messages
from promptrl.prompts.placeholders import escaped
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from promptrl.runs.export import export_prompt
from promptrl.runs.folder import Run
from promptrl.runs.promptfoo import Check, CheckedRows
from promptrl.runs.runs_folder import RunsFolder
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricDefinition
from promptrl.tasks.metrics.numeric import NumericMatch
from promptrl.tasks.metrics.structured import JsonSchema, JsonValid
from promptrl.tasks.metrics.text import F1, Choice, Contains, ExactMatch, Regex
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
    made.finish(whole_result({**prompt, "messages": MESSAGES[1:]}, prompt, "improved"))
    return made


@pytest.mark.parametrize("verdict", ["worse", "same", "inconclusive"])
def test_a_prompt_that_is_not_proven_better_is_handed_out_only_when_asked_for(run: Run, verdict: str) -> None:
    """Whoever puts the export into use keeps what they have; stderr says so."""
    own, found = ({"prompt_id": name, "text": name, "messages": []} for name in ("own", "found"))
    runs = ("--runs-dir", run.path.parent)
    run.finish(whole_result(own, found, verdict))
    kept = promptrl("export", run.id, *runs)
    assert kept.stdout == "own\n"
    assert f"verdict is “{verdict}”: this is your own prompt" in " ".join(kept.stderr.split())
    asked = promptrl("export", run.id, "--winner", *runs)
    assert (asked.stdout, asked.stderr) == ("found\n", "")
    run.finish(whole_result(own, found, "improved"))
    proven = promptrl("export", run.id, *runs)
    assert (proven.stdout, proven.stderr) == ("found\n", "")


def test_an_openai_request_is_complete(run: Run) -> None:
    """Model, messages and parameters, ready to be posted."""
    assert json.loads(export_prompt(run, "openai")) == {"model": "m", "messages": MESSAGES, "temperature": 0}


def test_promptfoo_gets_its_own_placeholders_and_no_accidental_ones(run: Run) -> None:
    """{text} becomes {{text}}; braces that mean nothing to us mean nothing to promptfoo."""
    config = yaml.safe_load(export_prompt(run, "promptfoo"))
    system, user = json.loads(config["prompts"][1]["raw"])
    assert user["content"] == "Text {as is}: {{text}}"
    assert system["content"] == "Answer in {braces} and {{ '{' }}{ double }} ones."
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
    assert contents == ["{text}?", "{{ '{' }}{x}}", "Text: {{text}}", "Read.", "{{text}}?"]


HOSTILE = (
    "{% endraw %}{{ range.constructor('return 1')() }}{% raw %}",
    "{{ 7 * 7 }}{# gone #}{%- set x = 1 -%}",
    "{{{{ '{' }}{",
    "{",
    "{\n{%",
    "{{ env.SECRET }}",
)


SHOWN = [{"role": "user", "content": "2 + 2"}, {"role": "assistant", "content": "4"}]


@pytest.mark.parametrize(
    ("config", "messages", "expected"),
    [
        ("prompt: {text: Answer., user: '{text}'}", MESSAGES, MESSAGES[0]["content"]),
        ("prompt: {slots: {a: ['', x]}, user: '{text}'}", MESSAGES[1:], ""),
        ("prompt: {text: 'Text {{as is}}: {text}'}", MESSAGES[1:], MESSAGES[1]["content"]),
        ("prompt: {text: 'Text {{as is}}: {text}'}", MESSAGES, None),
        ("prompt: {text: Answer.}", [*MESSAGES[:1], *SHOWN, *MESSAGES[1:]], None),
        ("prompt: {text: Answer.}", [*SHOWN, *MESSAGES[1:]], None),
    ],
)
def test_the_text_alone_is_what_a_config_takes(
    run: Run, config: str, messages: list[dict[str, str]], expected: str | None
) -> None:
    """The system message, or the user message that ``prompt.text`` was; an error where more belongs to the prompt."""
    run.write_text("config.resolved.yaml", config)
    winner = {"prompt_id": "x", "text": "", "messages": messages}
    run.finish(whole_result(winner, winner))
    if expected is None:
        with pytest.raises(UsageError, match="not one text: use json"):
            export_prompt(run, "text")
    else:
        assert export_prompt(run, "text") == expected + "\n"


def rows_of(*texts: str, reference: object = "6") -> list[Example]:
    """Test rows with these inputs."""
    return [Example(f"r{i}", {"text": text, "other": "unused"}, reference, {}) for i, text in enumerate(texts)]


def promptfoo_of(run: Run, rows: list[Example], *checks: Check) -> dict[str, Any]:
    """What promptfoo reads of a run that is tried on rows."""
    parsed = yaml.safe_load(export_prompt(run, "promptfoo", CheckedRows(rows, checks)))
    assert isinstance(parsed, dict)
    return parsed


def test_promptfoo_gets_the_test_rows(run: Run) -> None:
    """What the prompts are filled with, as text, and the reference in the check."""
    config = promptfoo_of(run, rows_of("2 + 4", "on"), Check("right", 0.5, ExactMatch()))
    assert [test["vars"] for test in config["tests"]] == [{"text": "2 + 4"}, {"text": "on"}]
    (assertion,) = config["tests"][0]["assert"]
    assert assertion == {"type": "equals", "value": "6", "transform": "output.trim()", "metric": "right", "weight": 0.5}


@pytest.mark.parametrize(
    ("definition", "reference", "expected"),
    [
        (ExactMatch(after='"A":'), "x", {"type": "equals", "transform": 'output.split("\\"A\\":").pop().trim()'}),
        (ExactMatch(), ["x", "y"], {"type": "assert-set", "threshold": 0.45}),
        (Contains(), "x", {"type": "icontains", "value": "x"}),
        (Contains(ignore_case=False), ["x", "y"], {"type": "contains-any", "value": ["x", "y"]}),
        (Choice(choices=("x", "z")), "x", {"type": "icontains", "value": "x"}),
        (Regex(pattern="^[0-9]{1,2}$"), None, {"type": "regex", "value": "^[0-9]{1,2}$"}),
        (JsonValid(), None, {"type": "is-json"}),
        (JsonSchema(schema={"$ref": "#/a"}), None, {"type": "is-json", "value": '{"$ref": "#/a"}'}),
        (Regex(pattern="(.)", group=1), "x", None),
        (F1(), "x", None),
        (NumericMatch(), "3", None),
    ],
)
def test_promptfoo_checks_what_it_can(
    run: Run, definition: MetricDefinition, reference: object, expected: dict[str, Any] | None
) -> None:
    """And a comment says which score it can't check."""
    check = Check("mine", 1.0, definition)
    rows = rows_of("q", reference=reference)
    assertions = promptfoo_of(run, rows, check)["tests"][0].get("assert", [])
    said = "# mine: " in export_prompt(run, "promptfoo", CheckedRows(rows, [check]))
    if expected is None:
        assert (assertions, said) == ([], True)
    else:
        assert expected.items() <= assertions[0].items()
        assert said == (not isinstance(definition, Contains))


def test_an_export_without_rows_says_why(run: Run) -> None:
    """Such as data that are gone."""
    text = export_prompt(run, "promptfoo", CheckedRows(note="The data are gone."))
    assert "# The data are gone.\n" in text
    assert yaml.safe_load(text)["tests"] == []


def texts_in(value: object) -> Iterator[str]:
    """Every text in nested lists and mappings."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from [value] if isinstance(value, str) else ()
    for each in inner:
        yield from texts_in(each)


def exported_to_promptfoo(run: Run, text: str) -> list[str]:
    """The templates that promptfoo gets of a run with this text as option, demonstration and around a placeholder."""
    template = escaped(f"{text}PLACE{text}").replace("PLACE", "{text}")
    prompt = Prompt((("a", text),), (Demonstration("r", text, text),), UserTemplate(template))
    messages = [{"role": m.role, "content": m.content} for m in template_messages(prompt)]
    winner = {"prompt_id": "x", "text": prompt.text, "messages": messages}
    run.finish(whole_result(winner, winner))
    raw = json.loads(yaml.safe_load(export_prompt(run, "promptfoo"))["prompts"][0]["raw"])
    return [message["content"] for message in raw]


def filled(text: str) -> list[str]:
    """The same, filled in."""
    return [text, text, text, f"{text}VALUE{text}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_data_is_a_template_for_promptfoo(run: Run, text: str) -> None:
    """Whatever a row, an option or the text around a placeholder says comes out as it went in.

    Jinja stands in for nunjucks, whose tags it shares.
    """
    templates = exported_to_promptfoo(run, text)
    assert [jinja2.Template(t, keep_trailing_newline=True).render(text="VALUE") for t in templates] == filled(text)


RENDER = """
const engine = new (require("nunjucks").Environment)(null, { autoescape: false });
const templates = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(templates.map((each) => engine.renderString(each, { text: "VALUE" }))));
"""


def run_node(code: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script in node."""
    node = shutil.which("node") or "node"
    return subprocess.run([node, "-e", code], input=given, capture_output=True, text=True, timeout=60, check=False)


def has_nunjucks() -> bool:
    """Whether node is here and finds nunjucks, as it does in CI."""
    return shutil.which("node") is not None and run_node("require('nunjucks')").returncode == 0


@pytest.mark.skipif(not has_nunjucks(), reason="npm install nunjucks, and name its node_modules in NODE_PATH")
def test_nunjucks_itself_runs_no_data(run: Run) -> None:
    """The engine of promptfoo gives every text back as it was."""
    templates = [each for text in HOSTILE for each in exported_to_promptfoo(run, text)]
    done = run_node(RENDER, json.dumps(templates))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [each for text in HOSTILE for each in filled(text)]


FOREIGN = ("file://secret.js", "file:///etc/passwd", "package:evil:run", "{{ env.SECRET }}", "{{text}}", "ends\n")


@pytest.mark.parametrize("text", [*HOSTILE, *FOREIGN])
def test_no_row_is_a_template_or_a_file_for_promptfoo(run: Run, text: str) -> None:
    """It looks for both in the values of its file before it fills in a prompt; each arrives as the data have it."""
    for test in promptfoo_of(run, rows_of("harmless", text))["tests"]:
        for value in texts_in(test["vars"]):
            assert not re.search(r"\{[{%#]|^file://|^package:", value)
    config = promptfoo_of(run, rows_of("harmless", text, reference=text), Check("mine", 1.0, Contains()))
    template = json.loads(config["prompts"][1]["raw"])[-1]["content"]
    for test, wanted in zip(config["tests"], ("harmless", text), strict=True):
        assert not isinstance(next(iter(test["vars"].values())), list), "a list is a choice of values"
        assert render(template, test["vars"]) == f"Text {{as is}}: {wanted}"
        assert not re.match("file://|package:", test["assert"][0]["value"])
        assert render(test["assert"][0]["value"], test["vars"]) == text.strip()


def render(template: str, values: dict[str, Any]) -> str:
    """What a template engine makes of it, which shares its tags with nunjucks."""
    return jinja2.Template(template, keep_trailing_newline=True).render(values)


@pytest.mark.skipif(not has_nunjucks(), reason="npm install nunjucks, and name its node_modules in NODE_PATH")
def test_nunjucks_itself_fills_in_hostile_rows(run: Run) -> None:
    """Also where a value came in pieces."""
    texts = [*HOSTILE, *FOREIGN]
    config = promptfoo_of(run, rows_of(*texts))
    template = json.loads(config["prompts"][1]["raw"])[-1]["content"]
    given = json.dumps([[template, test["vars"]] for test in config["tests"]])
    done = run_node(RENDER.replace("each, {", "each[0], each[1] || {"), given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [f"Text {{as is}}: {text}" for text in texts]


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


def test_a_file_gets_the_prompt_alone_and_headings_only_when_asked(run: Run) -> None:
    """Headings are for people; whoever asks for them in a file is told what they are."""
    run.write_text("config.resolved.yaml", "prompt: {slots: {a: [x]}, user: '{text}'}")
    output = run.path / "prompt.txt"
    runs = ("--runs-dir", run.path.parent)
    assert "headings" not in promptrl("export", run.id, "-o", output, *runs).stderr
    assert output.read_text() == MESSAGES[0]["content"] + "\n"
    assert promptrl("export", run.id, *runs).stdout == "[system]\nAnswer\n"
    assert "headings such as [system]" in promptrl("export", run.id, "-f", "txt", "-o", output, *runs).stderr
    assert output.read_text() == "[system]\nAnswer\n"


def test_half_a_surrogate_pair_is_written_as_an_escape(run: Run) -> None:
    """A winner may hold one that a model wrote."""
    winner = {"prompt_id": "x", "text": "a\ud800b", "messages": MESSAGES}
    run.finish(whole_result(winner, winner))
    output = run.path / "prompt.txt"
    done = promptrl("export", run.id, "-f", "txt", "-o", output, "--runs-dir", run.path.parent)
    assert done.exit_code == 0, done.exception
    assert output.read_text() == "a\\ud800b\n"
