"""Recorded proposals come round by round, and a file that holds something else is refused with its line."""

import asyncio
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import ConfigError, TargetError
from promptrl.prompts.proposer.guards import are_alike
from promptrl.prompts.proposer.parsing import parse_answer
from promptrl.prompts.proposer.proposal import Proposal
from promptrl.prompts.proposer.recorded import RecordedProposer, RecordedProposerDefinition, builtin_pools

RULE = {"slot": "rules", "op": "add", "text": "Be brief.", "hypothesis": "", "rows": []}


def write(folder: Path, rows: list[Any]) -> Path:
    """A JSONL file of these rows."""
    path = folder / "pool.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def answers(path: Path, count: int) -> list[list[str]]:
    """The texts proposed in the first answers."""
    proposer = RecordedProposer(path)
    texts = [asyncio.run(proposer.complete_repeat((), {}, number)).text for number in range(count)]
    return [[item.text for item in parse_answer(text).items if not hasattr(item, "reason")] for text in texts]


def test_a_pool_is_given_out_round_by_round(tmp_path: Path) -> None:
    """In the order of the rounds; without rounds all at once; then there are no more."""
    rows = [{**RULE, "round": 2, "text": "C."}, {**RULE, "round": 1, "text": "A."}, {**RULE, "round": 1, "text": "B."}]
    assert answers(write(tmp_path, rows), 2) == [["A.", "B."], ["C."]]
    assert answers(write(tmp_path, [RULE, {**RULE, "text": "D."}]), 1) == [["Be brief.", "D."]]
    with pytest.raises(TargetError, match="1 rounds of proposals are recorded, and no more"):
        answers(write(tmp_path, [RULE]), 2)


def test_the_answers_of_a_run_are_given_again(tmp_path: Path) -> None:
    """Each call its own; one that had none is empty."""
    kept = [{"answer": {"text": json.dumps([RULE])}}, {"answer": None}]
    assert answers(write(tmp_path, kept), 2) == [["Be brief."], []]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no proposal"),
        (["{"], "pool.jsonl:1: path"),
        ([RULE, "[1]"], "pool.jsonl:2: path: expected an object"),
        ([{**RULE, "round": "first"}], "round: expected a whole number"),
        ([{"answer": "yes"}], "answer: expected an object"),
    ],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, rows: list[Any], message: str) -> None:
    """With the line."""
    with pytest.raises(ConfigError, match=message):
        RecordedProposer(write(tmp_path, rows))


def test_a_missing_file_is_told_before_a_run(tmp_path: Path) -> None:
    """Without opening anything."""
    definition = RecordedProposerDefinition(path=str(tmp_path / "none.jsonl"))
    assert [problem.key for problem in definition.lacks()] == ["path"]
    assert definition.paths == ("path",)
    (problem,) = RecordedProposerDefinition(path="builtin:sentimnt").lacks()
    assert problem.hint == "did you mean sentiment"


@pytest.mark.parametrize("name", builtin_pools())
def test_the_pools_that_ship_are_sound(name: str) -> None:
    """Each line is a proposal, and no two say the same."""
    definition = RecordedProposerDefinition(path=f"builtin:{name}")
    assert not [*definition.lacks()]
    proposer = definition.open(None)
    texts = [asyncio.run(proposer.complete_repeat((), {}, number)).text for number in range(4)]
    items = [item for text in texts for item in parse_answer(text).items]
    assert all(isinstance(item, Proposal) for item in items)
    said = [item.text for item in items if isinstance(item, Proposal)]
    assert not [(one, other) for one, other in combinations(said, 2) if are_alike(one, other)]
