"""When a proposer is asked, for what, which of its edits are kept, and which go again."""

from dataclasses import replace

import numpy as np
import pytest

from promptrl.prompts.building import make_slot_space
from promptrl.prompts.proposer.operators import NO_OPERATOR
from promptrl.search.growth import EditBelief, GrowthRequest
from promptrl.search.proposing import choose_candidates, decide, is_due, is_worthless
from promptrl.search.result import Candidate

SPACE = make_slot_space({"role": ["You help.", "You sort."]}, "{question}")
REQUEST = GrowthRequest(100, [Candidate(SPACE.baseline, 0.5, 0.1, 10)], calls_allowed=800)
GOOD, IDLE = EditBelief(0.2, 0.05, 8), EditBelief(-0.01, 0.02, 8)


@pytest.mark.parametrize(
    ("number", "calls_used", "from_start", "due"),
    [
        (0, 0, True, True),
        (0, 0, False, False),
        (0, 99, False, False),
        (0, 100, False, True),
        (1, 99, True, False),
        (1, 100, True, True),
        (5, 600, False, True),
        (6, 799, False, False),
    ],
)
def test_rounds_come_after_an_eighth_of_the_calls_each(
    number: int, calls_used: int, from_start: bool, due: bool
) -> None:
    """The first before any call where that is wanted; none after the last."""
    assert is_due(number, 6, replace(REQUEST, calls_used=calls_used), from_start=from_start) == due


def test_many_rounds_are_spread_and_an_exhausted_search_waits_for_none() -> None:
    """Twenty rounds share the calls; where nothing is left to ask the next one comes at once."""
    assert [is_due(9, 20, replace(REQUEST, calls_used=used), from_start=False) for used in (380, 381)] == [False, True]
    assert is_due(3, 6, replace(REQUEST, calls_used=1, is_exhausted=True), from_start=False)
    assert not is_due(6, 6, replace(REQUEST, is_exhausted=True), from_start=False)


def test_candidates_are_chosen_by_promise_and_unlike_each_other() -> None:
    """A twin of the best is passed over for another one; what is uncertain is worth a look."""
    mean = np.array([0.10, 0.10, 0.08, 0.02, 0.0])
    covariance = np.diag([0.01, 0.01, 0.01, 0.01, 0.09])
    covariance[0, 1] = covariance[1, 0] = 0.0099
    assert choose_candidates(mean, covariance, 3) == [4, 0, 2]
    assert sorted(choose_candidates(mean, covariance, 9)) == [0, 1, 2, 3, 4]
    assert choose_candidates(mean[:0], covariance[:0, :0], 3) == []


@pytest.mark.parametrize(
    ("belief", "worthless"),
    [
        (EditBelief(-0.1, 0.05, 4), True),
        (EditBelief(-0.1, 0.05, 3), False),
        (EditBelief(-0.05, 0.05, 40), False),
        (EditBelief(0.1, 0.05, 40), False),
        (EditBelief(-0.1, 0.0, 4), True),
    ],
)
def test_an_edit_goes_once_it_is_hardly_worth_anything(belief: EditBelief, worthless: bool) -> None:
    """After its own asks, with less than one chance in twenty."""
    assert is_worthless(belief) == worthless


def test_the_operator_whose_edits_help_is_asked_for_most() -> None:
    """The others still have their turn; the first time it is the first one."""
    names = ["rule", "clarify", "template"]
    known = {"rule": [IDLE] * 3, "template": [GOOD] * 3}
    drawn = [decide(known, names, REQUEST, 4, np.random.default_rng(seed)).operator for seed in range(200)]
    assert drawn.count("template") > 150
    assert decide({}, names, REQUEST, 4, np.random.default_rng(3)).operator == "rule"


def test_a_proposer_is_not_asked_when_its_price_is_above_the_gain() -> None:
    """Few calls left, or a dear proposer, and edits worth little; but always where the search would end without."""
    idle, rng = {"rule": [IDLE] * 6}, np.random.default_rng(0)
    late = replace(REQUEST, calls_used=780)
    assert decide(idle, ["rule"], late, 4, rng).operator == NO_OPERATOR
    assert decide({"rule": [GOOD] * 6}, ["rule"], REQUEST, 4, rng).operator == "rule"
    assert decide({"rule": [GOOD] * 6}, ["rule"], REQUEST, 4, rng, price_calls=5_000).price == pytest.approx(0.5)
    ended = decide(idle, ["rule"], replace(late, is_exhausted=True), 4, rng)
    assert (ended.operator, ended.price) == ("rule", 0.0)
