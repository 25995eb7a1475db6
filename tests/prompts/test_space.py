"""The numbered edits of a prompt: what holds for every space, every prompt in it and every edit."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptrl.llm.base import Message
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from tests.prompts.ticket_space import SYSTEM_TEXT, USER_TEXT, candidates, make_space, spaces, wander


@st.composite
def walks(draw: st.DrawFn, *, reorder: bool | None = None) -> tuple[EditSpace, Prompt]:
    """A space and a prompt that random edits reach in it."""
    space = draw(spaces(reorder=reorder))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return space, wander(space, rng, draw(st.integers(0, 12)))


@given(walks())
def test_masks_say_what_each_edit_says(walk: tuple[EditSpace, Prompt]) -> None:
    """The answer for all edits at once is the answer of each; stop is always allowed."""
    space, prompt = walk
    mask, held = space.mask(prompt), space.holds(prompt)
    assert mask.dtype == held.dtype == np.bool_
    assert mask.tolist() == [*(edit.is_valid(prompt) for edit in space.edits), True]
    assert held.tolist() == [edit.is_held(prompt) for edit in space.edits]


@given(walks())
def test_demonstrations_ask_as_the_prompt_does(walk: tuple[EditSpace, Prompt]) -> None:
    """A phrase that was dropped from the user message is dropped from every demonstration made of a row."""
    _, prompt = walk
    for shown in prompt.demonstrations:
        asked = prompt.user.render(shown.fields) if shown.fields else (Message("user", f"ticket {shown.row_id[3:]}"),)
        assert shown.asked == asked


@given(walks())
def test_an_edit_is_valid_exactly_when_it_changes_the_prompt(walk: tuple[EditSpace, Prompt]) -> None:
    """A masked action, and stop, return the very same prompt; an allowed one another."""
    space, prompt = walk
    for action, is_valid in enumerate(space.mask(prompt)):
        changed = space.apply(prompt, action)
        assert (changed != prompt) == (bool(is_valid) and action != space.stop)
        assert changed == space.apply(prompt, action)


@given(walks())
def test_applying_an_edit_makes_it_held(walk: tuple[EditSpace, Prompt]) -> None:
    """Except moves and deletions, whose content is a place that something else may fill."""
    space, prompt = walk
    for edit in space.edits:
        if edit.kind not in ("move", "delete_word") and edit.is_valid(prompt) and has_distinct_phrases(space):
            assert edit.is_held(edit.apply(prompt))


def has_distinct_phrases(space: EditSpace) -> bool:
    """Whether no sentence occurs twice, so that dropping one is not dropping its twin."""
    dropped = [edit.text for edit in space.edits if edit.kind == "drop_phrase"]
    return len(set(dropped)) == len(dropped)


@settings(max_examples=50)
@given(walks())
def test_placeholders_survive_every_edit(walk: tuple[EditSpace, Prompt]) -> None:
    """No route of edits loses the input, and the prompt still renders."""
    space, prompt = walk
    fields = {"ticket": "<<TICKET>>", "sender": "<<SENDER>>"}
    for action in np.flatnonzero(space.mask(prompt)):
        changed = space.apply(prompt, int(action))
        assert set(changed.user.placeholders) == set(space.baseline.user.placeholders)
        user_message = changed.render(fields)[-1].content
        assert all(fields[name] in user_message for name in changed.user.placeholders)


@settings(max_examples=50)
@given(walks(reorder=False))
def test_every_edit_but_deletions_and_swaps_can_be_undone_by_another(walk: tuple[EditSpace, Prompt]) -> None:
    """Apply, then one more edit: the same prompt and id as before."""
    space, prompt = walk
    assume(has_distinct_phrases(space))
    for action in np.flatnonzero(space.mask(prompt)[:-1]):
        if space.edits[action].kind in ("delete_word", "swap_demonstration"):
            continue
        changed = space.apply(prompt, int(action))
        back = [space.apply(changed, int(undo)) for undo in np.flatnonzero(space.mask(changed)[:-1])]
        assert prompt in back
        assert prompt.prompt_id in [candidate.prompt_id for candidate in back]


@settings(max_examples=50)
@given(walks(reorder=True))
def test_every_move_can_be_undone_by_another(walk: tuple[EditSpace, Prompt]) -> None:
    """What moved earlier is passed again by the other one."""
    space, prompt = walk
    for edit in space.edits:
        if edit.kind == "move" and edit.is_valid(prompt):
            changed = edit.apply(prompt)
            assert prompt in [other.apply(changed) for other in space.edits if other.is_valid(changed)]


@given(walks(reorder=False), st.randoms(use_true_random=False))
def test_the_route_does_not_matter(walk: tuple[EditSpace, Prompt], random: Any) -> None:
    """The edits that a prompt holds lead to it from the baseline in any order."""
    space, prompt = walk
    assume(has_distinct_phrases(space))
    route = [at for at in space.edits_of(prompt) if space.edits[at].kind not in ("insert_word", "delete_word")]
    random.shuffle(route)
    other = space.baseline
    for action in route:
        other = space.apply(other, action)
    without_words = prompt.with_slot("words", "", space.slot_order)
    assert other == without_words
    assert other.prompt_id == without_words.prompt_id


@given(walks())
def test_edits_leave_the_names_of_empty_slots_known(walk: tuple[EditSpace, Prompt]) -> None:
    """A prompt holds filled slots only, all of them slots of its space."""
    space, prompt = walk
    assert {name for name, _ in prompt.slots} <= set(space.slot_order)
    assert all(text for _, text in prompt.slots)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, 3 * 2 * 2),
        ({"demonstrations": candidates(4), "max_demonstrations": 2}, 12 * (1 + 4 + 6)),
        ({"demonstrations": candidates(2), "max_demonstrations": 5}, 12 * 4),
        ({"slots": None, "text": SYSTEM_TEXT}, 2**4),
        ({"slots": None, "text": USER_TEXT, "user": None}, 2**3),
        ({"slots": {"task": ["Sort."]}, "tokens": ["a", "b"]}, 1 + 2 + 4 + 8 + 16 + 32),
    ],
)
def test_enumeration_gives_each_prompt_once(changes: dict[str, Any], size: int) -> None:
    """As many as the size says, the baseline first."""
    space = make_space(**changes)
    prompts = list(space.enumerate())
    assert space.size() == size == len(prompts) == len(set(prompts))
    assert prompts[0] == space.baseline


@given(st.integers(0, 2**32 - 1))
def test_edits_stay_inside_the_enumeration(seed: int) -> None:
    """Every prompt that edits reach is one of the enumerated ones."""
    space = make_space(demonstrations=candidates(3), max_demonstrations=2, tokens=["a"])
    assert wander(space, np.random.default_rng(seed), 20) in set(space.enumerate())


@pytest.mark.parametrize(
    "changes",
    [
        {"reorder": True},
        {"slots": {"task": ["a"]}, "demonstrations": candidates(3), "max_demonstrations": 2, "reorder": True},
        {"slots": None, "text": "Be brief. Be brief."},
    ],
)
def test_a_space_without_a_known_size_is_not_enumerated(changes: dict[str, Any]) -> None:
    """Order and repeated sentences make the number of prompts no product."""
    space = make_space(**changes)
    assert space.size() is None
    with pytest.raises(ValueError, match="no known size"):
        space.enumerate()


def test_equal_seeds_sample_equal_prompts() -> None:
    """Sampling draws from the generator alone."""
    space = make_space(bank=True)
    assert wander(space, np.random.default_rng(7), 9) == wander(space, np.random.default_rng(7), 9)


def test_sampling_stops_where_no_edit_is_valid() -> None:
    """A space whose only edit is spent by one step still returns."""
    space = make_space(slots=None, text="Only this.", tokens=None)
    assert wander(space, np.random.default_rng(0), 3).system_text in ("", "Only this.")


def test_actions_outside_the_space_are_an_error() -> None:
    """A negative index does not count from the end."""
    space = make_space()
    for action in (-1, space.n_actions):
        with pytest.raises(IndexError, match="expected 0 to"):
            space.apply(space.baseline, action)


def test_a_full_set_of_demonstrations_swaps_instead_of_adding() -> None:
    """Add while there is room, swap while there is none; candidates keep their order."""
    first, second, third = shown = candidates(3)
    space = make_space(slots=None, demonstrations=shown, max_demonstrations=2)
    prompt = space.baseline
    for demonstration in (third, first):
        prompt = next(
            edit.apply(prompt)
            for edit in space.edits
            if edit.kind == "add_demonstration" and edit.text.startswith(demonstration.user)
        )
    assert prompt.demonstrations == (first, third)
    valid = [space.edits[at] for at in np.flatnonzero(space.mask(prompt)[:-1])]
    assert [edit.kind for edit in valid].count("add_demonstration") == 0
    (swap,) = [edit for edit in valid if edit.kind == "swap_demonstration"]
    assert swap.apply(prompt).demonstrations == (first, second)


def test_each_kind_of_edit_has_a_label_for_people() -> None:
    """One line that names the slot and the content, long content shortened."""
    long = "Explain " + "very " * 40 + "well."
    shared: dict[str, Any] = {
        "demonstrations": candidates(3),
        "max_demonstrations": 2,
        "tokens": ["now"],
        "reorder": True,
    }
    slots = make_space(slots={"role": ["", "You\nclassify."], "task": [long, "b"]}, **shared)
    phrases = make_space(slots=None, text="Be brief. Be polite.", **shared)
    labels = {edit.label for edit in (*slots.edits, *phrases.edits)}
    assert {
        'role = "You classify."',
        "role = (left out)",
        'add demonstration 1: "ticket 0" → "label 0"',
        'drop demonstration 1: "ticket 0" → "label 0"',
        'swap in demonstration 1: "ticket 0" → "label 0"',
        "move the demonstration at place 2 earlier",
        "move task earlier",
        'drop "Be polite."',
        'restore "Be polite."',
        'move "Be polite." earlier',
        'insert word "now"',
        "delete word 1",
    } <= labels
    assert {edit.kind for edit in (*slots.edits, *phrases.edits)} == {
        *("option", "move", "drop_phrase", "restore_phrase", "insert_word", "delete_word"),
        *("add_demonstration", "drop_demonstration", "swap_demonstration"),
    }
    assert all(len(label) < 100 and "\n" not in label for label in labels)


def test_token_costs_count_a_quarter_of_the_bytes() -> None:
    """Positive for what comes in, negative for what goes out, 0 for leaving a slot out."""
    space = make_space(slots={"role": ["", "12345678"]}, demonstrations=candidates(1), max_demonstrations=1)
    ticket = len("ticket 0\nlabel 0") / 4
    assert [edit.token_cost for edit in space.edits] == [0.0, 2.0, ticket, -ticket]


def test_the_mask_of_a_thousand_edits_is_cheap() -> None:
    """One step of 64 environments in a space of 1,000 edits does not take a tenth of a second."""
    space = make_space(
        bank=True,
        reorder=True,
        demonstrations=candidates(16),
        max_demonstrations=4,
        tokens=[f"w{at}" for at in range(900)],
    )
    prompts = [wander(space, np.random.default_rng(seed), 8) for seed in range(64)]
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        for prompt in prompts:
            space.mask(prompt)
        durations.append(time.perf_counter() - start)
    assert space.n_edits >= 1000
    assert min(durations) < 0.1
