"""The exported config begins with the winner, and is else what the user wrote."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from promptrl.config import load_config
from promptrl.config.source import parse
from promptrl.errors import RunLockedError, RunNotFoundError, UsageError
from promptrl.experiment.build import baseline_of, build_components
from promptrl.experiment.next_config import HEAD, next_config
from promptrl.llm.base import Messages
from promptrl.prompts.prompt import Demonstration, Prompt
from promptrl.runs.folder import Run
from promptrl.runs.runs_folder import RunsFolder
from tests.commandline import promptrl
from tests.runs.whole_result import whole_result
from tests.servers.toy_model import write_experiment

REST = """\
dataset: {path: sums.csv, input: question, reference: sum}  # rows of last week
reward: {metrics: [{type: exact_match}]}
# enough for a night
budget: {max_calls: 300}
"""
LINES = """\
# What we ship.
name: sums
target: {type: openai, model: m}
prompt:
  user: "{question}"
  slots:   # in this order
    role: ["", "You are {nice}."]   # maybe
    task:
      - Add.     # today's
      - Add the numbers.
      - "Say: \\"x\\" # no comment\\n\\nand 'more'"
    format: ["", Digits only.]
"""
FLOW = """\
name: sums
target: {type: openai, model: m}
prompt: {slots: {task: [Add., "Sum: up"], tone: ["", "Be brief."]}, user: "{question}"}
"""
TEXT = """\
name: sums
target: {type: openai, model: m}
prompt:
    # the prompt of today
    text: |
      You add numbers.

      - Be exact: {{always}}.
      - Reply with digits only.
    literal: [always]
    user: "Sum of {question}"  # asked
"""
TEMPLATE = """\
name: sums
target: {type: openai, model: m}
prompt: {text: "Add. Be {{exact}}. Reply with digits. Sum: {question}"}
"""
LATEX = """\
name: sums
target: {type: openai, model: m}
prompt:
  literal: [align, x]
  text: |
    Add.
    \\begin{align}
    a {x}. B
    \\end{align}
    Reply with digits.
"""
FILE = """\
name: sums
target: {type: openai, model: m}
prompt:
  text: today.txt
"""
SHOWN = "  demonstrations: {max: 2, candidates: 6}\n"
CONFIGS = {
    "slots": LINES + "edits: {bank: none}\n",
    "bank": LINES,
    "moved": LINES + "edits: {bank: none, reorder: true}\n",
    "words": LINES + "edits: {bank: none, tokens: [please, now]}\n",
    "solved examples": LINES + SHOWN,
    "on one line": FLOW,
    "text": TEXT + "edits: {bank: none, reorder: true}\n",
    "text and bank": TEXT,
    "text and solved examples": TEXT + SHOWN.replace("  ", "    ", 1),
    "template": TEMPLATE + "edits: {bank: none}\n",
    "template and bank": TEMPLATE,
    "template and solved examples": TEMPLATE.replace('"}', '", demonstrations: {max: 2}}'),
    "text with literal braces": LATEX,
    "template with literal braces": LATEX.replace("digits.", "digits. Sum: {question}."),
    "file": FILE,
    "conversation": LINES.replace(
        '"{question}"',
        '[{role: user, content: "Sums."}, {role: assistant, content: "{{Go}}"}, {role: user, content: "{question}"}]',
    )
    + SHOWN,
}


def write_config(folder: Path, config: str) -> Path:
    """A config beside its rows, some of them full of braces."""
    rows = [f'"{a} + {{{{{a}}}}} {{x}}","{{{2 * a}}}"' for a in range(60)]
    (folder / "sums.csv").write_text("question,sum\n" + "\n".join(rows) + "\n")
    (folder / "today.txt").write_text("Add the numbers.\nReply with digits only.\n")
    path = folder / "sums.yaml"
    path.write_text(config + REST)
    return path


def rendered(prompt: Prompt) -> Messages:
    """What the target is asked."""
    return prompt.render({"question": "{1} + {{1}}"})


def finished(folder: Path, config: Path, winner: Prompt, *overrides: str) -> Run:
    """A run of that config which that prompt has won."""
    loaded = load_config(config, overrides)
    run = RunsFolder(folder / "runs").create(loaded.config.name)
    run.start({"config": str(config)}, loaded.text, loaded.resolved_yaml())
    run.write_text("prompts.jsonl", json.dumps({"prompt_id": winner.prompt_id, **winner.to_json()}) + "\n")
    scored = {"prompt_id": winner.prompt_id, "text": winner.text, "messages": []}
    run.finish(whole_result(scored, scored))
    return run


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_its_baseline_is_the_winner(kind: str, tmp_path: Path) -> None:
    """Whatever edits led to it; and it builds all that a training needs, and is exported from again."""
    path = write_config(tmp_path, CONFIGS[kind])
    space = build_components(load_config(path)).space
    for seed in range(6):
        winner = space.draw(np.random.default_rng(seed))
        path.write_text(CONFIGS[kind] + REST)
        for _ in range(2):
            config = next_config(finished(tmp_path, path, winner)).text
            path.write_text(config)
            components = build_components(load_config(path))
            assert rendered(components.space.baseline) == rendered(winner)
            assert config.count(HEAD) == 1
            winner = components.space.baseline


@pytest.mark.parametrize("kind", ["slots", "bank", "text", "text and bank", "solved examples", "file"])
def test_comments_and_all_else_stay(kind: str, tmp_path: Path) -> None:
    """Every line of the file but those of the prompt that changed."""
    path = write_config(tmp_path, CONFIGS[kind])
    space = build_components(load_config(path)).space
    for seed in range(5):
        config = next_config(finished(tmp_path, path, space.draw(np.random.default_rng(seed)))).text
        before, after = (parse(text, "")[0].data for text in (path.read_text(), config))
        assert {**before, "prompt": None} == {**after, "prompt": None}
        assert config.endswith(path.read_text()[path.read_text().index("dataset:") :])
        comments = ("# What we ship.", "# in this order", "# maybe", "# the prompt of today", "# asked")
        assert [each for each in comments if each in CONFIGS[kind] and each not in config] == []


def test_the_winner_comes_first_and_the_others_behind_it(tmp_path: Path) -> None:
    """Options of the user's in their order; what the bank gave can be left out again."""
    path = write_config(tmp_path, LINES)
    chosen = {"task": "Add the numbers.", "format": "", "reasoning": "Think."}
    baseline = build_components(load_config(path)).space.baseline
    slots = (("task", chosen["task"]), ("reasoning", chosen["reasoning"]))
    config = next_config(finished(tmp_path, path, Prompt(slots, (), baseline.user))).text
    assert parse(config, "")[0].data["prompt"]["slots"] == {
        "role": ["", "You are {nice}."],
        "task": ["Add the numbers.", "Add.", "Say: \"x\" # no comment\n\nand 'more'"],
        "format": ["", "Digits only."],
        "reasoning": ["Think.", ""],
    }


def test_an_overridden_prompt_is_taken_from_the_resolved_config(tmp_path: Path) -> None:
    """The file alone would not begin with the winner."""
    path = write_config(tmp_path, LINES)
    loaded = load_config(path, ["prompt.separator=' | '"])
    winner = build_components(loaded).space.draw(np.random.default_rng(3))
    run = finished(tmp_path, path, winner, "prompt.separator=' | '")
    path.write_text(next_config(run).text)
    assert rendered(baseline_of(load_config(path))) == rendered(winner)


def test_paths_hold_from_where_the_config_is_written(tmp_path: Path) -> None:
    """Data, lists of words and schemas are found from there; what is absolute or built in stays as it is."""
    (tmp_path / "words.txt").write_text("please\nnow\n")
    (tmp_path / "shape.json").write_text('{"type": "object"}')
    metrics = "{metrics: [{type: exact_match}, {type: json_schema, weight: 0.5, schema: shape.json}]}"
    text = FILE + "edits: {bank: none, tokens: words.txt}\ncache: {path: ~/c.sqlite}\n"
    path = write_config(tmp_path, text)
    path.write_text(path.read_text().replace("{metrics: [{type: exact_match}]}", metrics))
    run = finished(tmp_path, path, replace(baseline_of(load_config(path)), slots=(("text", "Reply with digits."),)))
    folder = tmp_path / "next" / "night"
    folder.mkdir(parents=True)
    new = folder / "sums.yaml"
    new.write_text(next_config(run, folder=folder).text)
    before, after = build_components(load_config(path)), build_components(load_config(new))
    assert (after.splits, after.config.edits, after.metrics) == (before.splits, before.config.edits, before.metrics)
    for written in ("path: ../../sums.csv", "tokens: ../../words.txt", "schema: ../../shape.json", "path: ~/c.sqlite"):
        assert written in new.read_text()
    assert next_config(run, folder=path.parent) == next_config(run), "in its old place nothing changes"


@pytest.mark.parametrize(
    ("kind", "slots", "is_lost"),
    [("template", (("role", "You add."),), True), ("template", (), False), ("text", (), False)],
)
def test_edits_that_the_next_night_lacks_are_told(
    kind: str, slots: tuple[tuple[str, str], ...], *, is_lost: bool, tmp_path: Path
) -> None:
    """A text beside a system message becomes a user message, of which no sentence can be dropped."""
    path = write_config(tmp_path, CONFIGS[kind])
    baseline = baseline_of(load_config(path))
    notes = next_config(finished(tmp_path, path, replace(baseline, slots=slots or baseline.slots))).notes
    assert any("prompt.text is prompt.user now" in note for note in notes) is is_lost


@pytest.mark.parametrize("who", ["target", "judge"])
def test_code_that_a_moved_config_needs_beside_it_is_named(tmp_path: Path, who: str) -> None:
    """Modules are looked for where the config lies, whoever they are asked for."""
    block = "{type: python, function: 'ask:me'}"
    old = {"target": "{type: openai, model: m}", "judge": "{type: exact_match}"}[who]
    new = {"target": block, "judge": f"{{type: judge, rubric: fluency, judge: {block}}}"}[who]
    path = write_config(tmp_path, LINES)
    path.write_text(path.read_text().replace(old, new))
    run = finished(tmp_path, path, baseline_of(load_config(path)))
    (note,) = next_config(run, folder=tmp_path / "runs").notes
    assert note.startswith("ask:me")
    assert not next_config(run, folder=tmp_path).notes


def test_what_cant_be_exported_is_an_error(tmp_path: Path) -> None:
    """A run that is not done, one that lost its winner, and a winner that no config can hold."""
    path = write_config(tmp_path, LINES)
    winner = build_components(load_config(path)).space.baseline
    blank = Prompt((("task", " "),), (), winner.user)
    column = replace(winner, demonstrations=(Demonstration("r", "What is {question}?", "A column."),))
    for prompt in (blank, column):
        run = finished(tmp_path, path, prompt)
        with pytest.raises(UsageError, match="no config begins with its winner"):
            next_config(run)
    (run.path / "prompts.jsonl").write_text("")
    with pytest.raises(RunNotFoundError, match="has lost its winner"):
        next_config(run)
    with pytest.raises(RunLockedError, match="no best prompt yet"):
        next_config(RunsFolder(tmp_path / "runs").create("sums"))


def test_the_next_night_starts_where_the_last_one_ended(tmp_path: Path) -> None:
    """Exported over the config and trained again: the winner is what is to be beaten."""
    path = write_experiment(tmp_path)
    runs = ("--runs-dir", tmp_path / "runs")
    assert promptrl("train", path, *runs).exit_code == 0
    assert promptrl("export", "latest", "-f", "config", "-o", path, *runs).exit_code == 0
    assert promptrl("train", path, *runs).exit_code == 0
    first, second = (json.loads((tmp_path / f"runs/toy-000{n}/result.json").read_text()) for n in (1, 2))
    assert first["winner"]["prompt_id"] != first["baseline"]["prompt_id"]
    assert second["baseline"]["prompt_id"] == first["winner"]["prompt_id"]
