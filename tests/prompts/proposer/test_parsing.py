"""Answers are read whatever stands around the list; what is no proposal is named, and nothing crashes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.prompts.proposer.parsing import MOST_PROPOSALS, Malformed, parse_answer
from promptrl.prompts.proposer.proposal import Proposal

RULE = {"slot": "rules", "op": "add", "text": "Be brief.", "hypothesis": "it rambles", "rows": [1, 3]}
PROPOSAL = Proposal("rules", "add", "Be brief.", "it rambles", (1, 3))
LIST = json.dumps([RULE])


@pytest.mark.parametrize(
    "answer",
    [
        LIST,
        f"Here they are:\n```json\n{LIST}\n```\nGood luck!",
        f"```\n{LIST}\n```",
        f"Two of [1] and {{x}} matter most. {LIST} That is all.",
        json.dumps({"edits": [RULE]}),
        json.dumps({"thoughts": "none", "edits": [RULE]}),
        json.dumps(RULE),
        f"{json.dumps(RULE)}\n",
        f"Sure.\n  {json.dumps(RULE)}\nDone.",
        f"{LIST}]]}}",
        LIST[:-1] + ', {"slot": "rules", "op": "add", "te',
    ],
)
def test_the_list_is_found(answer: str) -> None:
    """Bare, fenced, amid prose, in an object, alone, one a line, with rubbish behind it, cut short."""
    assert parse_answer(answer).items == (PROPOSAL,)


def test_one_object_a_line_is_a_list() -> None:
    """Of all lines, in order."""
    second = {**RULE, "text": "Be kind."}
    found = parse_answer(f"{json.dumps(RULE)}\n{json.dumps(second)}\n").items
    assert [item.text for item in found if isinstance(item, Proposal)] == ["Be brief.", "Be kind."]


@pytest.mark.parametrize(
    "answer",
    [
        *("", "I can't help with that.", "[]", '{"edits": []}', "[1, 2]", '[{"slot": "rules", "op"', "null", '"[]"'),
        *('[["a"], ["b"]]', "\ud800[", "\x00", "x" * 300_000, "[" * 100_000, "{" * 5_000),
    ],
)
def test_an_answer_without_a_list_says_so(answer: str) -> None:
    """Broken, empty, endless or deep: a fault that the proposer can be told, and no crash."""
    parsed = parse_answer(answer)
    assert parsed.items == ()
    assert parsed.fault


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"op": "delete"}, "op: got"),
        ({"op": None}, "op: got nothing"),
        ({"op": ["add"]}, "op: got a list"),
        ({"slot": ""}, "slot: got"),
        ({"slot": 3}, "slot: got 3"),
        ({"text": ["Be brief."]}, "text: got a list"),
        ({"text": " "}, "text: is empty"),
        ({"text": None}, "text: is empty"),
        ({"op": "remove"}, "expected none with remove"),
    ],
)
def test_what_is_no_proposal_is_named_and_the_others_are_read(change: dict[str, object], reason: str) -> None:
    """It is rejected, not mended."""
    first, second = parse_answer(json.dumps([{**RULE, **change}, RULE])).items
    assert isinstance(first, Malformed)
    assert reason in first.reason
    assert second == PROPOSAL


def test_what_is_beside_the_point_does_no_harm() -> None:
    """Odd rows and hypotheses are left out; a list has an end."""
    odd = {**RULE, "rows": [1, "2", True, None, 10**30], "hypothesis": {"a": 1}, "confidence": 0.3}
    (found,) = parse_answer(json.dumps([odd])).items
    assert isinstance(found, Proposal)
    assert found.rows == (1,)
    assert len(parse_answer(json.dumps([RULE] * 500)).items) == MOST_PROPOSALS


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_crashes(text: str) -> None:
    """Whatever a model writes: proposals, or a fault."""
    parsed = parse_answer(text)
    assert bool(parsed.items) != bool(parsed.fault)
