"""Spaces that grow: every edit and every prompt of the smaller one means the same in the larger one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.prompts.space import EditSpace, Extension
from promptrl.search.surrogate.features import Moves
from tests.prompts.closing_lines import ClosingLines, Loudness
from tests.prompts.ticket_space import SYSTEM_TEXT, WORDS, candidates, make_space, spaces, wander

GROWTHS: tuple[Mapping[str, Any], ...] = (
    {},
    {"options": {"role": ["You are new here."], "manner": ["Be kind.", "Be strict."]}},
    {"factors": [ClosingLines(["Thanks."])], "slots": ["closing"]},
    {"options": {"manner": ["Be kind."]}, "factors": [ClosingLines(["Thanks."]), Loudness()], "slots": ["closing"]},
)


@st.composite
def grown(draw: st.DrawFn) -> tuple[EditSpace, Extension, int]:
    """A space, what it grows to, and a seed."""
    space = draw(spaces())
    return space, space.extended(**draw(st.sampled_from(GROWTHS))), draw(st.integers(0, 2**32 - 1))


@settings(max_examples=50)
@given(grown())
def test_old_edits_do_the_same_under_their_new_numbers(growth: tuple[EditSpace, Extension, int]) -> None:
    """On every prompt of the smaller space: valid, held, and what comes of them, the id included."""
    space, extension, seed = growth
    larger, actions = extension.space, extension.actions
    prompt = wander(space, np.random.default_rng(seed), seed % 12)
    assert larger.baseline == space.baseline
    assert len(set(actions.tolist())) == space.n_actions
    assert actions[-1] == larger.stop
    assert larger.mask(prompt)[actions].tolist() == space.mask(prompt).tolist()
    assert larger.holds(prompt)[actions[:-1]].tolist() == space.holds(prompt).tolist()
    for old, new in enumerate(actions):
        before, after = space.apply(prompt, old), larger.apply(prompt, int(new))
        assert (before, before.prompt_id) == (after, after.prompt_id)


@settings(max_examples=50)
@given(grown())
def test_features_are_the_same_under_their_new_numbers(growth: tuple[EditSpace, Extension, int]) -> None:
    """What a prompt holds, with what is said of it, and nothing else but what the baseline holds."""
    space, extension, seed = growth
    moves = Moves(space)
    larger, numbers = moves.extended(extension)
    prompt = wander(space, np.random.default_rng(seed), seed % 12)
    assert len(set(numbers.tolist())) == moves.n_features
    assert larger.features(prompt)[numbers].tolist() == moves.features(prompt).tolist()
    others = np.setdiff1d(np.arange(larger.n_features), numbers)
    assert larger.features(prompt)[others].tolist() == larger.features(space.baseline)[others].tolist()
    for name in ("texts", "kinds"):
        assert [getattr(larger.table, name)[at] for at in numbers] == list(getattr(moves.table, name))
    assert larger.tokens[numbers].tolist() == moves.tokens[:-1].tolist()
    assert (larger.table.slot_of[numbers] >= 0).tolist() == (moves.table.slot_of >= 0).tolist()


@settings(max_examples=50)
@given(grown(), st.randoms(use_true_random=False))
def test_the_route_does_not_matter_in_a_larger_space(growth: tuple[EditSpace, Extension, int], random: Any) -> None:
    """Slots that came later stand at their place, whichever edit filled its slot first."""
    larger, seed = growth[1].space, growth[2]
    route = [at for at in range(larger.n_edits) if larger.is_choice[at] and not larger.holds(larger.baseline)[at]]
    chosen = np.random.default_rng(seed).permutation(route)[:6].tolist()
    by_slot = list({larger.edits[at].slot: at for at in chosen}.values())
    prompts = []
    for _ in range(2):
        prompt = larger.baseline
        for action in by_slot:
            prompt = larger.apply(prompt, action)
        prompts.append(prompt)
        random.shuffle(by_slot)
    assert prompts[0].prompt_id == prompts[1].prompt_id


@given(spaces())
def test_extending_by_nothing_gives_an_equal_space(space: EditSpace) -> None:
    """With the same numbers, edits and features."""
    extension = space.extended(options={"role": []})
    assert extension.space == space
    assert extension.actions.tolist() == list(range(space.n_actions))
    moves, numbers = Moves(space).extended(extension)
    assert moves.table.texts == Moves(space).table.texts
    assert numbers.tolist() == list(range(moves.n_features))


def test_spaces_of_other_edits_are_not_equal() -> None:
    """More options, another order of slots, or something that is no space."""
    space = make_space()
    assert space == make_space()
    assert space != space.extended(options={"role": ["You are new here."]}).space
    assert space != space.extended(slots=["closing"]).space
    assert space != "space"


def test_new_slots_come_last_but_for_added_words() -> None:
    """And hold nothing in the baseline; a slot without a choice keeps its text as the first option."""
    space = make_space(slots={"task": ["Sort."], "role": ["", "Clerk."]}, tokens=WORDS)
    larger = space.extended(options={"tone": ["Be kind."], "task": ["Label."]}).space
    assert larger.slot_order == ("task", "role", "tone", "words")
    assert [edit.text for edit in larger.edits if edit.slot == "task"] == ["Sort.", "Label."]
    assert [edit.text for edit in larger.edits if edit.slot == "tone"] == ["", "Be kind."]
    prompt = larger.baseline
    for text in ("now", "Be kind.", "Clerk."):
        prompt = larger.apply(prompt, [edit.text for edit in larger.edits].index(text))
    assert prompt.system_text == "Sort. Clerk. Be kind. now"


def test_the_prompts_of_a_space_are_prompts_of_the_larger_one() -> None:
    """Three slots with one more option and one more slot: all 12 prompts are among the 48."""
    space = make_space()
    larger = space.extended(options={"role": ["You are new here."], "tone": ["Be kind.", "Be strict."]}).space
    assert larger.size() == 4 * 2 * 2 * 3
    assert set(space.enumerate()) < set(larger.enumerate())


@pytest.mark.parametrize(
    ("source", "options", "problem"),
    [
        ({}, {"role": ["You are a clerk."]}, "prompt.slots.role.3: is the same text as option 1"),
        ({}, {"tone": ["a", "a"]}, "prompt.slots.tone.2: is the same text as option 1"),
        ({}, {"tone": [" "]}, "only whitespace"),
        ({"slots": None, "text": SYSTEM_TEXT}, {"text": ["Sort."]}, "other edits change its content already"),
        ({"tokens": WORDS}, {"words": ["soon"]}, "other edits change its content already"),
        ({"demonstrations": candidates(1), "max_demonstrations": 1}, {"demonstrations": ["x"]}, "other edits change"),
    ],
)
def test_options_that_fit_nowhere_are_refused(
    source: dict[str, Any], options: Mapping[str, Sequence[str]], problem: str
) -> None:
    """The message names the slot."""
    with pytest.raises(ConfigError, match=problem):
        make_space(**source).extended(options=options)


def test_two_factors_can_not_set_one_slot() -> None:
    """Else each would take the other's content for none of its own."""
    space = make_space().extended(factors=[ClosingLines(["Thanks."])], slots=["closing"]).space
    with pytest.raises(ValueError, match="two factors set the slot 'closing'"):
        space.extended(factors=[ClosingLines(["Bye."])])
