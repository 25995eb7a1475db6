"""The bundled data sets and configs: made by the script beside nano, unseen in training, worth searching."""

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from promptrl.config import load_config
from promptrl.experiment.build import Components, build_components
from promptrl.llm.targets.local import LocalTarget
from promptrl.nano.inputs import is_held_out
from promptrl.nano.tasks import BUNDLED, DATA, bundled_text
from promptrl.prompts.prompt import Prompt

CONFIGS = Path(__file__).parents[2] / "configs"
INPUTS = {"arithmetic": "question", "sentiment": "review", "extraction": "message"}
N_ROWS = 40

# The steepest way from the baseline to a good prompt, as slot and option.
WAYS = {
    "arithmetic": (
        ("reasoning", "Think step by step."),
        ("format", 'End with "Answer:" followed by the result.'),
        ("unit", "Leave out the unit."),
    ),
    "sentiment": (
        ("format", 'End with "Answer:" followed by the label.'),
        ("labels", "Answer with positive, negative or neutral."),
        ("reasoning", "First judge each clause, then decide."),
    ),
    "extraction": (
        ("format", "Output a JSON object."),
        ("keys", "Use the keys name, item, quantity and city."),
        ("numbers", "Write numbers as digits."),
    ),
}


@pytest.mark.parametrize("task", BUNDLED)
def test_the_files_are_what_the_script_writes(task: str) -> None:
    """Nobody edited them by hand, and the generator still writes the same bytes."""
    assert (DATA / f"{task}.jsonl").read_text(encoding="utf-8") == bundled_text(task)


@pytest.mark.parametrize("task", BUNDLED)
def test_rows_are_many_and_different_and_unseen(task: str) -> None:
    """At least 400 rows, no input twice, none that training may see."""
    rows = [json.loads(line) for line in (DATA / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = {row[INPUTS[task]] for row in rows}
    assert len(rows) == len(texts) >= 400
    assert all(map(is_held_out, texts))


@pytest.mark.parametrize("name", [*BUNDLED, "quickstart"])
def test_the_edit_spaces_have_a_thousand_prompts_and_more(name: str) -> None:
    """Between 1,000 and 5,000, which is small enough for a full table."""
    assert 1000 <= (parts_of(name).space.size() or 0) <= 5000


@pytest.fixture(scope="module")
def nano() -> Iterator[LocalTarget]:
    """The bundled model."""
    target = LocalTarget("nano")
    yield target
    asyncio.run(target.aclose())


@pytest.mark.parametrize("task", BUNDLED)
def test_every_step_to_a_good_prompt_is_rewarded(task: str, nano: LocalTarget) -> None:
    """The baseline is poor, each of three edits adds 5 points and more, and together they add at least 55."""
    parts = parts_of(task)
    prompts = [parts.space.baseline]
    for slot, text in WAYS[task]:
        labels = [i for i, edit in enumerate(parts.space.edits) if edit.slot == slot and edit.text == text]
        prompts.append(parts.space.apply(prompts[-1], labels[0]))
    values = asyncio.run(objectives(nano, parts, prompts))
    assert values[0] <= 0.45
    assert all(after >= before + 0.05 for before, after in pairwise(values))
    assert values[-1] >= values[0] + 0.55


def parts_of(name: str) -> Components:
    """The parts of a bundled config."""
    return build_components(load_config(CONFIGS / f"{name}.yaml"))


async def objectives(target: LocalTarget, parts: Components, prompts: list[Prompt]) -> list[float]:
    """Mean objective of each prompt on the first train rows."""
    rows = parts.splits.train[:N_ROWS]
    params = {"temperature": 0, "max_tokens": 48}
    asked = [(prompt, row) for prompt in prompts for row in rows]
    answers = await asyncio.gather(*(target.complete(prompt.render(row.fields), params) for prompt, row in asked))
    values = [
        parts.objective.value({metric.name: metric.score(row, answer).value for metric in parts.metrics}, answer)
        for (_, row), answer in zip(asked, answers, strict=True)
    ]
    return [sum(values[i : i + len(rows)]) / len(rows) for i in range(0, len(values), len(rows))]
