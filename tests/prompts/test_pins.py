"""Texts that must stay: which pieces they name, that no edit touches those, and what is wrong with others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from promptrl.errors import ConfigError
from promptrl.prompts.pins import pinned_pieces, with_pins
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.sentences import split_phrases
from promptrl.prompts.space import EditSpace
from tests.prompts.ticket_space import candidates, make_space, wander

TEXT = "Sort the ticket. Never ask\nfor a PIN. Be brief. Stop."


def wandered(space: EditSpace) -> Iterator[Prompt]:
    """Prompts that random edits lead to."""
    rng = np.random.default_rng(0)
    return (wander(space, rng, 12) for _ in range(60))


@pytest.mark.parametrize(
    ("keep", "pinned"),
    [
        ("Never ask for a PIN.", {1}),
        ("PIN", {1}),
        ("for a PIN. Be brief.", {1, 2}),
        ("t", {0, 3}),
        ("ticket.  Never", {0, 1}),
    ],
)
def test_a_text_pins_the_sentences_that_hold_it_or_that_it_runs_through(keep: str, pinned: set[int]) -> None:
    """However lines are wrapped."""
    assert with_pins(split_phrases(TEXT.replace("ask", "check")), [keep.replace("ask", "check")]).pinned == pinned


def test_a_pinned_sentence_is_in_every_prompt_and_nothing_passes_it() -> None:
    """What stood before it stands before it, and what stood behind it behind it."""
    space = make_space(slots=None, text=TEXT, keep=["for a PIN"], bank=True, reorder=True)
    for prompt in wandered(space):
        before, kept, after = prompt.slot("text").partition("Never ask\nfor a PIN.")
        assert kept
        assert "Be brief" not in before
        assert "Stop" not in before
        assert "Sort" not in after


def test_sentences_on_one_side_of_a_pinned_one_still_move() -> None:
    """Only what would pass it stays."""
    space = make_space(slots=None, text=TEXT, keep=["for a PIN"], reorder=True)
    assert any(prompt.slot("text").endswith("Stop. Be brief.") for prompt in wandered(space))


def test_a_pinned_sentence_of_a_user_message_stays() -> None:
    """A text with a placeholder is edited in the same way."""
    space = make_space(slots=None, text="Sort it. Be brief.\n{ticket}\nCategory:", user=None, keep=["Be brief"])
    assert {edit.text for edit in space.edits} == {"Sort it.", "Category:"}


def test_a_slot_with_a_pinned_option_keeps_it_and_its_place() -> None:
    """Its other options are not offered, and no slot changes places with it."""
    slots = {"role": ["A.", "B."], "task": ["Sort it. Be kind.", "Go."], "form": ["C.", "D."], "end": ["E.", "F."]}
    space = make_space(slots=slots, keep=["Be kind"], reorder=True)
    assert "task" not in {edit.slot for edit in space.edits}
    for prompt in wandered(space):
        assert prompt.slots[:2] == (("role", prompt.slot("role")), ("task", "Sort it. Be kind."))
    assert any(prompt.slots[2][0] == "end" for prompt in wandered(space))


@pytest.mark.parametrize("changes", [{"slots": {"task": ["Sort it."], "form": ["", "C."]}}, {"slots": None}])
def test_a_pinned_slot_gets_no_further_options(changes: dict[str, Any]) -> None:
    """Nor later, when a space grows; spaces that grew remember it."""
    space = make_space(**{"text": None if changes["slots"] else "Sort it. Go.", "keep": ["Sort it."], **changes})
    slot = "task" if changes["slots"] else "text"
    grown = space.extended(options={"tone": ["Be calm."]}).space
    with pytest.raises(ConfigError, match=r"edits\.keep names it"):
        grown.extended(options={slot: ["Do it."]})


@pytest.mark.parametrize(
    ("changes", "nearest"),
    [
        ({"slots": None, "text": TEXT}, '"Never ask\\nfor a PIN."'),
        ({"slots": {"task": ["Sort.", "Never say a PIN."], "rule": ["Never ask for PINs."]}}, '"Never ask for PINs."'),
    ],
)
def test_a_text_that_is_nowhere_names_the_nearest_sentence(changes: dict[str, Any], nearest: str) -> None:
    """An option that is not in today's prompt counts for nothing."""
    with pytest.raises(ConfigError) as caught:
        make_space(**changes, keep=["Never say a PIN."])
    assert [(p.key, p.hint) for p in caught.value.problems] == [("edits.keep.0", f"the nearest sentence is {nearest}")]


def test_only_whitespace_names_nothing() -> None:
    """It would be found everywhere."""
    with pytest.raises(ConfigError, match=r"edits\.keep\.1: got ' '"):
        make_space(keep=["ticket", " "])


def test_a_text_of_a_user_message_that_never_changes_is_no_fault() -> None:
    """It stays anyway, and so do demonstrations what they were."""
    space = make_space(user="Ticket:\n{ticket}", keep=["Ticket:"], demonstrations=candidates(2), max_demonstrations=1)
    assert pinned_pieces(space.baseline, ["Ticket:", "Classify"]) == ("Classify the ticket.", "Ticket:")
