"""What changed between two prompts, for people."""

import dataclasses
from typing import Any

import pytest

from promptrl.llm.base import Message
from promptrl.prompts.describe import describe_changes
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate

ONE, TWO = Demonstration("a", "q1", "a1"), Demonstration("b", "q2", "a2")
PROMPT = Prompt(
    (("role", "You sort."), ("text", "Be brief. Be kind.\n- one")), (ONE, TWO), UserTemplate("Sort. {x} Go on:")
)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({}, []),
        (
            {"slots": (PROMPT.slots[1], ("format", "JSON."))},
            ['format = "JSON." (was left out)', 'role left out (was "You sort.")'],
        ),
        ({"slots": (("role", "You rank."), PROMPT.slots[1])}, ['role = "You rank." (was "You sort.")']),
        ({"slots": (PROMPT.slots[0], ("text", "Be brief.\n- one"))}, ['text: − "Be kind."']),
        (
            {"slots": (PROMPT.slots[0], ("text", "Be brief. Be fast.\n- one"))},
            ['text: − "Be kind."', 'text: + "Be fast."'],
        ),
        ({"slots": (PROMPT.slots[0], ("text", "Be brief.  Be kind.\n- one"))}, ["text: whitespace changed"]),
        ({"slots": PROMPT.slots[::-1]}, ["order of slots: text, role"]),
        ({"separator": "\n"}, ["separator = '\\n' (was ' ')"]),
        ({"demonstrations": (ONE,)}, ['demonstration − "q2" → "a2"']),
        ({"demonstrations": (TWO, ONE)}, ["order of demonstrations changed"]),
        ({"user": UserTemplate("{x} Go on:")}, ['user: − "Sort."']),
        (
            {"user": dataclasses.replace(PROMPT.user, earlier=(Message("assistant", "Yes?"),))},
            ['message 1 (assistant) = "Yes?" (was left out)'],
        ),
    ],
)
def test_each_difference_is_one_line(change: dict[str, Any], lines: list[str]) -> None:
    """Slots, phrases, order, demonstrations and the user message; nothing for equal prompts."""
    assert describe_changes(PROMPT, dataclasses.replace(PROMPT, **change)) == lines


def test_messages_of_a_long_template_are_told_in_their_order() -> None:
    """The tenth comes after the ninth, not after the first; the one that is answered comes last."""
    earlier = tuple(Message("assistant" if n % 2 else "user", str(n)) for n in range(1, 12))
    lines = describe_changes(PROMPT, dataclasses.replace(PROMPT, user=UserTemplate("{x} Go on:", earlier)))
    assert [line.split(" ")[1] for line in lines[:-1]] == [str(n) for n in range(1, 12)]
    assert lines[-1] == 'user: − "Sort."'


def test_a_change_of_the_template_is_no_change_of_demonstrations() -> None:
    """They follow it."""
    old = dataclasses.replace(PROMPT, demonstrations=(Demonstration("a", "", "a1", {"x": "q1"}),))
    new = dataclasses.replace(old, user=UserTemplate("{x} Go on:"))
    assert new.demonstrations != old.demonstrations
    assert describe_changes(old, new) == ['user: − "Sort."']


def test_an_added_demonstration_is_named() -> None:
    """The other direction of a drop."""
    assert describe_changes(dataclasses.replace(PROMPT, demonstrations=(ONE,)), PROMPT) == [
        'demonstration + "q2" → "a2"'
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class _TonedPrompt(Prompt):
    """A prompt of a kind that nobody has words for yet."""

    tone: str = "plain"


def test_what_nobody_has_words_for_has_a_line_all_the_same() -> None:
    """A kind of edit that was added changes something that is told, not nothing."""
    old = _TonedPrompt((), (), UserTemplate("{question}"))
    assert describe_changes(old, dataclasses.replace(old, tone="warm")) == ['tone = "warm" (was "plain")']
    assert describe_changes(old, old) == []
