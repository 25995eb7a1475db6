"""Sentences that may be worded anew: each is a choice, further wordings join, and retired ones are not chosen."""

import numpy as np
import pytest

from promptrl.errors import ConfigError
from promptrl.prompts.prompt import UserTemplate
from promptrl.prompts.space import EditSpace
from promptrl.search.surrogate.features import Moves
from tests.prompts.ticket_space import make_space

TEXT = "Read the review.\n\n- Be fair.\n- Be brief.\n\nSay what it is."
TEMPLATE = "Look at {review} with care. Then answer. Never apologise."


def space_of(text: str, *, user: str | None = None, keep: tuple[str, ...] = ()) -> EditSpace:
    """A space of a plain text whose sentences may be worded anew."""
    return make_space(slots=None, text=text, user=user, keep=keep, rewording=True)


SYSTEM = space_of(TEXT, user="{review}")
GROWN = SYSTEM.extended(options={"text.1": ["Study the review.", "Skim it."], "text.3": ["- Be short."]}).space


def edit(space: EditSpace, text: str, slot: str) -> int:
    """The number of an edit."""
    return next(at for at, one in enumerate(space.edits) if (one.text, one.slot) == (text, slot))


def test_a_sentence_is_kept_left_out_or_worded_anew() -> None:
    """What stands around it stays, whatever was done before; the way back is the same prompt."""
    skimmed = GROWN.apply(GROWN.baseline, edit(GROWN, "Skim it.", "text.1"))
    assert skimmed.slot("text") == TEXT.replace("Read the review.", "Skim it.")
    both = GROWN.apply(skimmed, edit(GROWN, "- Be short.", "text.3"))
    assert both.slot("text") == "Skim it.\n\n- Be fair.\n- Be short.\n\nSay what it is."
    other = GROWN.apply(both, edit(GROWN, "Study the review.", "text.1"))
    assert other.slot("text").startswith("Study the review.\n\n")
    without = GROWN.apply(other, edit(GROWN, "", "text.1"))
    assert without.slot("text") == "- Be fair.\n- Be short.\n\nSay what it is."
    back = GROWN.apply(
        GROWN.apply(without, edit(GROWN, "Read the review.", "text.1")), edit(GROWN, "- Be brief.", "text.3")
    )
    assert back == GROWN.baseline
    assert [GROWN.edits[at].label for at in GROWN.edits_of(both)] == [
        'reword "Read the review." as "Skim it."',
        'reword "- Be brief." as "- Be short."',
    ]


def test_every_route_leads_to_one_prompt() -> None:
    """The features say what the prompt holds, and the mask what can be done to it."""
    rng, moves = np.random.default_rng(0), Moves(GROWN)
    for _ in range(60):
        prompt = GROWN.draw(rng)
        states = moves.states(moves.features(prompt)[None])
        assert moves.valid(states)[0].tolist() == GROWN.mask(prompt).tolist()
        action = int(rng.choice(np.flatnonzero(GROWN.mask(prompt)[:-1])))
        after = GROWN.apply(prompt, action)
        assert after != prompt
        assert GROWN.holds(after)[action]
        edits, features = moves.neighbours(prompt)
        at = edits.tolist().index(action)
        assert features[at].tolist() == moves.features(after).tolist()
    prompts = list(GROWN.enumerate())
    assert len({prompt.prompt_id for prompt in prompts}) == len(prompts) == GROWN.size() == 4 * 2 * 3 * 2


def test_a_grown_space_keeps_what_was_known_of_its_prompts() -> None:
    """Old edits do the same under their numbers, and no prompt from before holds a feature that is new."""
    extension = SYSTEM.extended(options={"text.1": ["Study it."], "rule_1": ["Mind irony."]})
    again = extension.space.extended(options={"text.1": ["Skim it."]}, retired={"text.1": ["Study it."]})
    moves, places = Moves(SYSTEM).extended(extension)
    for prompt in SYSTEM.enumerate():
        assert moves.features(prompt)[places].tolist() == Moves(SYSTEM).features(prompt).tolist()
        new = np.setdiff1d(np.arange(moves.n_features), places)
        assert moves.features(prompt)[new].tolist() == moves.features(SYSTEM.baseline)[new].tolist()
        for old, action in enumerate(extension.actions):
            assert extension.space.apply(prompt, int(action)) == SYSTEM.apply(prompt, old)
            assert again.space.apply(prompt, int(again.actions[action])) == SYSTEM.apply(prompt, old)


def test_a_sentence_with_a_placeholder_keeps_it() -> None:
    """It can't be left out, but may be worded anew with the same placeholders."""
    space = space_of(TEMPLATE)
    assert not [one for one in space.edits if one.slot == "user.1"]
    grown = space.extended(options={"user.1": ["Mind {review} well."]}).space
    prompt = grown.apply(grown.baseline, edit(grown, "Mind {review} well.", "user.1"))
    assert prompt.user == UserTemplate("Mind {review} well. Then answer. Never apologise.")
    for text in ("Mind it well.", "Mind {review} and {title}."):
        with pytest.raises(ConfigError, match="expected the placeholders of the sentence"):
            space.extended(options={"user.1": [text]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text.1": ["Read the review."]}, "is the same text as option 0"),
        ({"text.1": [" New."]}, "expected a sentence"),
        ({"text.1": ["New.", "New."]}, "is the same text as option 2"),
        ({"text.9": ["New."]}, "expected a name"),
        ({"text": ["New."]}, "must stay as it is"),
        ({"text.4": ["New."]}, "expected a name"),
    ],
)
def test_what_is_no_wording_is_refused(options: dict[str, list[str]], message: str) -> None:
    """Also of a sentence that the user wants kept, which is none of those that may change."""
    space = space_of(TEXT, user="{review}", keep=("Say what it is.",))
    with pytest.raises(ConfigError, match=message):
        space.extended(options=options)


def test_the_text_is_changed_by_its_sentences_alone() -> None:
    """Another whole text in its place would be a second way to say the same."""
    with pytest.raises(ConfigError, match="other edits change its content"):
        SYSTEM.extended(options={"text": ["New."]})


def test_a_retired_option_is_chosen_no_more() -> None:
    """Prompts may hold it still; whoever draws, edits or imagines passes it by."""
    gone = GROWN.extended(retired={"text.1": ["Skim it."]}).space
    at, rng = edit(gone, "Skim it.", "text.1"), np.random.default_rng(0)
    assert gone.is_retired.sum() == 1
    assert not gone.mask(gone.baseline)[at]
    assert not Moves(gone).valid(Moves(gone).states(Moves(gone).features(gone.baseline)[None]))[0, at]
    assert not any(gone.holds(gone.draw(rng))[at] for _ in range(50))
    assert gone.size() == 3 * 2 * 3 * 2
    held = GROWN.apply(GROWN.baseline, at)
    assert gone.holds(held)[at]
    assert gone.apply(held, edit(gone, "Read the review.", "text.1")) == gone.baseline
    slots = (
        make_space(slots={"role": ["", "You help.", "You sort."]}, user="{review}")
        .extended(retired={"role": ["You sort."]})
        .space
    )
    assert not any(slots.draw(rng).slot("role") == "You sort." for _ in range(20))
    assert slots.extended(options={"role": ["You read."]}).space.is_retired.sum() == 1
