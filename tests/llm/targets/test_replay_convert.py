"""Tables of logged answers become a log and a data set."""

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import ConfigError
from promptrl.llm.base import Message
from promptrl.llm.targets.replay import Conversion, ReplayTarget, convert_prompt_table

QUESTIONS = [{"question": f"{n} + 1?", "answer": f"so\n#### {n + 1}"} for n in range(5)]
OUTPUTS = [{"prompt": alias, "example_idx": n, "output": f" {alias}{n}"} for alias in "ab" for n in (3, 1)]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Any]:
    """Two prompts, answers to two of five questions, one output file plain and one gzipped."""
    prompts = [{"alias": "a", "text": "Think: "}, {"alias": "b", "text": " "}]
    (tmp_path / "prompts.json").write_text(json.dumps(prompts))
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in OUTPUTS[:2]))
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in OUTPUTS[2:]))
    return {
        "prompts": tmp_path / "prompts.json",
        "outputs": [tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"],
        "questions": tmp_path / "questions.jsonl",
        "replay": tmp_path / "replay.jsonl",
        "dataset": tmp_path / "dataset.jsonl",
    }


def test_answers_meet_their_prompts_and_questions(tables: dict[str, Any]) -> None:
    """The prompt is the system message, the question the user message; an empty prompt is no message."""
    assert convert_prompt_table(**tables, answer_after="####") == Conversion(answers=4, prompts=2, questions=2)
    target = ReplayTarget(tables["replay"])
    with_prompt = (Message("system", "Think:"), Message("user", "3 + 1?"))
    assert asyncio.run(target.complete(with_prompt, {})).text == " a3"
    assert asyncio.run(target.complete((Message("user", "1 + 1?"),), {})).text == " b1"


def test_the_data_set_holds_the_answered_questions(tables: dict[str, Any]) -> None:
    """In the order of the questions, with their number and the right answer alone."""
    convert_prompt_table(**tables, answer_after="####")
    rows = [json.loads(line) for line in tables["dataset"].read_text().splitlines()]
    assert rows == [
        {
            "question": f"{n} + 1?",
            "answer": f"so\n#### {n + 1}",
            "id": str(n),
            "example_idx": n,
            "reference": str(n + 1),
        }
        for n in (1, 3)
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "z", "example_idx": 0, "output": "x"}, "unknown prompt 'z'"),
        ({"prompt": "a", "example_idx": 5, "output": "x"}, "example_idx 5 of 5"),
        ({"prompt": "a", "example_idx": -1, "output": "x"}, "example_idx -1"),
        ({"prompt": "a", "example_idx": 0}, "expected output"),
        ("nonsense", "expected prompt"),
    ],
)
def test_a_row_that_fits_nothing_is_refused(tables: dict[str, Any], row: Any, expected: str) -> None:
    """With file and line, and nothing is written."""
    tables["outputs"][0].write_text(json.dumps(OUTPUTS[0]) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(ConfigError, match=expected) as caught:
        convert_prompt_table(**tables)
    assert "a.jsonl:2" in str(caught.value)
    assert not tables["replay"].exists()


def test_the_command_line_converts(tables: dict[str, Any]) -> None:
    """As the module's help says; an error is a message, not a traceback."""
    outputs = [str(path) for path in tables.pop("outputs")]
    options = [part for name, path in tables.items() for part in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "promptrl.llm.targets.replay", "convert", *options, "--outputs"]
    done = subprocess.run([*command, *outputs], capture_output=True, text=True, check=True)
    assert done.stderr == "4 answers: 2 prompts, 2 questions\n"
    failed = subprocess.run([*command, "no-such-file"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "no-such-file" in failed.stderr
    assert "Traceback" not in failed.stderr
