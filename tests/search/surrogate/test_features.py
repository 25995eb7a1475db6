"""What edit spaces look like as features, against the prompts that they stand for."""

import numpy as np
import pytest

from promptrl.prompts.edits.features import Change
from promptrl.prompts.space import EditSpace
from promptrl.search.surrogate.features import Moves
from tests.prompts.closing_lines import loud_space
from tests.prompts.ticket_space import SYSTEM_TEXT, USER_TEXT, WORDS, candidates, make_space

SPACES = (
    make_space(tokens=WORDS, demonstrations=candidates(4), max_demonstrations=2),
    make_space(slots=None, text=SYSTEM_TEXT, bank=True),
    make_space(slots=None, text=USER_TEXT, user=None, demonstrations=candidates(3), max_demonstrations=3),
    loud_space(),
)


@pytest.mark.parametrize("space", SPACES)
def test_edits_do_to_prompts_what_they_declare(space: EditSpace) -> None:
    """The features of the changed prompt are those that were held, without what was cleared, with what was set.

    What may be done is the same, too, but for words: features don't know that one was inserted twice.
    """
    moves, rng = Moves(space), np.random.default_rng(0)
    for _ in range(20):
        prompt = space.draw(rng)
        states = moves.states(moves.features(prompt)[None])
        valid, cleared, any_change = moves.valid(states)[0], moves.cleared(states), moves.any_change(states)
        for action, change in enumerate(space.declared.changes):
            is_valid = bool(space.mask(prompt)[action])
            if isinstance(change, Change) and space.edits[action].slot != "words":
                assert is_valid == valid[action]
            if isinstance(change, Change) and is_valid and valid[action]:
                after = moves.states(moves.features(prompt)[None])
                one = np.array([0]), np.array([action])
                moves.apply(after, *one, cleared[:, action], any_change[:, action])
                assert np.array_equal(after.held[0, :-1], moves.features(space.apply(prompt, action)))


def test_features_are_numbered_group_by_group_and_whether_any_is_held_comes_last() -> None:
    """With their texts, kinds, slots, tokens and crowds."""
    space = make_space(demonstrations=candidates(2), max_demonstrations=1)
    moves, table = Moves(space), Moves(space).table
    assert table.kinds == (*["option"] * 7, *["add_demonstration"] * 2, "any_demonstration")
    assert table.slot_of.tolist() == [0, 0, 0, 1, 1, 2, 2, -1, -1, -1]
    assert table.crowd.tolist() == [-1] * 7 + [3] * 3
    assert table.alike.tolist() == [0] * 7 + [0.5] * 2 + [0]
    assert table.texts[7] == "ticket 0\nlabel 0"
    assert table.texts[-1] == ""
    assert moves.tokens.tolist() == [*(edit.token_cost for edit in space.edits[:9]), 0, 0]
    shown = space.apply(space.baseline, 8)
    assert moves.features(shown)[7:].tolist() == [False, True, True]
