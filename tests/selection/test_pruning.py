"""What each edit is worth in a winner, and which ones it can do without."""

import pytest

from benchmarks.table_evaluator import TableEvaluator
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.selection.leave_one_out import leave_one_outs
from promptrl.selection.pruning import MIN_CONFIRMING_ROWS, MIN_ROWS, ROWS_WANTED, calls_wanted, prune_winner
from promptrl.tasks.dataset import Example
from tests.prompts.ticket_space import make_space as make_text_space
from tests.search.landscape import chosen, make_rows, make_space, table_evaluator

ROWS = make_rows(80)


def with_edits(space: EditSpace, *labels: str) -> Prompt:
    """The baseline after the edits with these texts."""
    prompt = space.baseline
    for text in labels:
        prompt = space.apply(prompt, next(i for i, edit in enumerate(space.edits) if edit.text == text))
    return prompt


def needs_first_and_one_of_two(prompt: Prompt, row: Example) -> float:
    """Option 1 of slot 0 is needed, and so is an option in slot 1 or slot 2; slot 3 does nothing."""
    held = chosen(prompt)
    return float(held.get(0) == 1 and bool(held.get(1) or held.get(2)))


def raced(value: object, space: EditSpace, winner: Prompt, calls: int = 10_000) -> TableEvaluator:
    """An evaluator after finals in which winner and baseline answered all rows, with so many calls left."""
    evaluator = table_evaluator(value, validation=calls + 2 * len(ROWS))
    evaluator.evaluate([(prompt, row) for prompt in (winner, space.baseline) for row in ROWS], purpose="validation")
    return evaluator


def test_each_edit_of_the_winner_is_left_out_once() -> None:
    """The baseline's option comes back in one slot; the rest stays."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o2_2")
    without = leave_one_outs(winner, space)
    assert {space.edits[edit].text: prompt.system_text for edit, prompt in without.items()} == {
        "o0_1": "o2_2",
        "o2_2": "o0_1",
    }
    assert leave_one_outs(space.baseline, space) == {}


def test_an_edit_that_does_nothing_is_pruned_and_the_others_are_not() -> None:
    """The shorter prompt has the same score; what an edit is worth is the loss without it."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")
    found = prune_winner(winner, space, ROWS, raced(needs_first_and_one_of_two, space, winner), max_calls=10_000)
    assert found.prompt == with_edits(space, "o0_1", "o1_2")
    assert found.tokens_after < found.tokens_before
    worth = {space.edits[e.edit].text: (e.worth.difference, e.is_pruned) for e in found.edits}
    assert worth == {"o0_1": (1.0, False), "o1_2": (1.0, False), "o3_2": (0.0, True)}
    assert found.change is not None
    assert found.change.difference == 0


def test_of_two_edits_that_stand_in_for_each_other_one_is_kept() -> None:
    """Each alone could go, both could not: that they fail together is seen, and one goes alone."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o2_1")
    found = prune_winner(winner, space, ROWS, raced(needs_first_and_one_of_two, space, winner), max_calls=10_000)
    assert found.prompt in (with_edits(space, "o0_1", "o1_2"), with_edits(space, "o0_1", "o2_1"))


def test_calls_that_can_not_confirm_a_pruning_say_what_edits_are_worth() -> None:
    """An edit that does nothing on 17 rows stays, for a large loss could not be ruled out; the reason is kept."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")
    evaluator = raced(needs_first_and_one_of_two, space, winner, calls=52)
    found = prune_winner(winner, space, ROWS, evaluator, max_calls=52)
    assert found.prompt == winner
    assert {e.worth.rows for e in found.edits} == {17}
    assert found.skip_reason == "unconfirmable"


def test_a_small_share_of_the_calls_is_enough_to_prune() -> None:
    """A few rows for each edit, then forty for the shorter prompt."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")
    calls = 3 * MIN_ROWS + MIN_CONFIRMING_ROWS
    found = prune_winner(
        winner, space, ROWS, raced(needs_first_and_one_of_two, space, winner, calls=calls), max_calls=calls
    )
    assert found.prompt == with_edits(space, "o0_1", "o1_2")
    assert found.change is not None
    assert found.change.rows == MIN_ROWS + MIN_CONFIRMING_ROWS
    assert found.skip_reason is None


def test_rows_that_the_finals_did_not_reach_confirm_a_pruning() -> None:
    """The winner is asked there too; what edits are worth is measured where it has answered."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")
    evaluator = table_evaluator(needs_first_and_one_of_two, validation=500)
    met = [(prompt, row) for prompt in (winner, space.baseline) for row in ROWS[:30]]
    evaluator.evaluate(met, purpose="validation")
    found = prune_winner(winner, space, ROWS, evaluator, max_calls=80)
    assert found.prompt == with_edits(space, "o0_1", "o1_2")
    assert found.change is not None
    assert found.change.rows >= MIN_CONFIRMING_ROWS
    assert {e.worth.rows for e in found.edits} == {found.edits[0].worth.rows} <= set(range(MIN_ROWS, 31))
    assert evaluator.calls_left("validation") == 500 - len(met) - 80


@pytest.mark.parametrize(
    ("labels", "calls", "skip_reason"),
    [
        ((), 200, None),
        (("o0_1",), 200, "single"),
        (("o0_1", "o1_2", "o3_2"), 3 * MIN_ROWS - 1, "unasked"),
        (("o0_1", "o1_2"), 200, "needed"),
        (("o0_1", "o1_2"), 2 * MIN_ROWS, "needed"),
    ],
)
def test_it_is_said_why_nothing_was_pruned(labels: tuple[str, ...], calls: int, skip_reason: str | None) -> None:
    """The baseline has nothing to prune, and needs no reason."""
    space = make_space()
    winner = with_edits(space, *labels)
    evaluator = raced(needs_first_and_one_of_two, space, winner, calls=calls)
    found = prune_winner(winner, space, ROWS, evaluator, max_calls=calls)
    assert (found.prompt, found.skip_reason) == (winner, skip_reason)


@pytest.mark.parametrize("answered", [3, 20, len(ROWS)])
def test_a_baseline_that_the_finals_gave_up_on_is_no_reason_to_keep_idle_words(answered: int) -> None:
    """It was asked on two rows and the winner on a few: others are asked, and what the search believes is the gain."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")
    evaluator = table_evaluator(needs_first_and_one_of_two, validation=500)
    asked = [*((winner, row) for row in ROWS[:answered]), *((space.baseline, row) for row in ROWS[:2])]
    evaluator.evaluate(asked, purpose="validation")

    def gain(first: Prompt, second: Prompt) -> tuple[float, float]:
        return needs_first_and_one_of_two(first, ROWS[0]) - needs_first_and_one_of_two(second, ROWS[0]), 0.1

    found = prune_winner(winner, space, ROWS, evaluator, max_calls=160, gain=gain)
    assert found.prompt == with_edits(space, "o0_1", "o1_2")


def test_what_was_lost_only_on_later_rows_is_not_pruned() -> None:
    """The first rows are too few to see it; the short prompt has to stand on all of them."""

    def matters_late(prompt: Prompt, row: Example) -> float:
        return float(chosen(prompt).get(0) == 1 and (bool(chosen(prompt).get(3)) or int(row.id[1:]) < 40))

    space = make_space()
    winner = with_edits(space, "o0_1", "o3_2")
    found = prune_winner(winner, space, ROWS, raced(matters_late, space, winner), max_calls=120)
    assert (found.prompt, found.skip_reason) == (winner, "refuted")
    assert {space.edits[e.edit].text: e.worth.difference for e in found.edits} == {"o0_1": 1.0, "o3_2": 0.0}


def test_one_row_that_flips_is_no_reason_to_keep_idle_words() -> None:
    """On all rows together a loss within 2 points counts as the same score."""

    def last_row_flips(prompt: Prompt, row: Example) -> float:
        return float(chosen(prompt).get(0) == 1 and (bool(chosen(prompt).get(3)) or row.id != "r79"))

    space = make_space()
    winner = with_edits(space, "o0_1", "o3_2")
    found = prune_winner(winner, space, ROWS, raced(last_row_flips, space, winner), max_calls=120)
    assert found.prompt == with_edits(space, "o0_1")
    assert found.change is not None
    assert (found.change.difference, found.change.rows) == (-1 / 80, 80)


def test_a_winner_with_a_small_gain_is_not_pruned_on_thin_evidence() -> None:
    """A removal must not be able to cost half of the gain."""

    def small_gain(prompt: Prompt, row: Example) -> float:
        return 0.5 + 0.02 * bool(chosen(prompt).get(0))

    space = make_space()
    winner = with_edits(space, "o0_1", "o3_2")
    found = prune_winner(winner, space, ROWS, raced(small_gain, space, winner), max_calls=10_000)
    assert found.prompt == winner


def test_the_words_of_the_user_come_back_where_nothing_is_lost() -> None:
    """Though they are longer: a slot left out for nothing is filled again, and an option swapped for nothing."""
    space = make_space((3, 3, 3))
    baseline = with_edits(space, "o1_1", "o2_1")
    theirs = EditSpace(baseline, space.factors, space.slot_order)  # the same edits seen from another baseline
    left_out = next(i for i, edit in enumerate(space.edits) if edit.slot == "s1" and not edit.text)
    winner = with_edits(EditSpace(space.apply(baseline, left_out), space.factors, space.slot_order), "o0_1", "o2_2")

    def needs_first(prompt: Prompt, row: Example) -> float:
        return float(chosen(prompt).get(0) == 1)

    found = prune_winner(winner, theirs, ROWS, raced(needs_first, theirs, winner), max_calls=10_000)
    assert found.prompt == with_edits(theirs, "o0_1")
    assert found.tokens_after > found.tokens_before


def test_a_dropped_sentence_and_a_move_that_do_nothing_are_undone() -> None:
    """Also a sentence that moved past several others, and one that has its place again only then; what counts stays."""
    space = make_text_space(slots=None, text="Aa one. Bb two. Cc three. Dd four.", reorder=True)
    winner = space.baseline
    for label in ('drop "Bb two."', *['move "Dd four." earlier'] * 2, 'drop "Cc three."'):
        winner = space.apply(winner, next(i for i, edit in enumerate(space.edits) if edit.label == label))
    assert winner.slot("text") == "Dd four. Aa one."

    def minds_three(prompt: Prompt, row: Example) -> float:
        return float("Cc" not in prompt.slot("text"))

    found = prune_winner(winner, space, ROWS, raced(minds_three, space, winner), max_calls=10_000)
    assert found.prompt.slot("text") == "Aa one. Bb two. Dd four."


@pytest.mark.parametrize(("worth", "is_kept"), [(0.3, True), (0.0, False), (-0.1, False)])
def test_what_the_search_believes_is_weighed_with_few_rows(worth: float, is_kept: bool) -> None:
    """Rows that show nothing leave an edit in that the search is sure of."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")

    def gain(first: Prompt, second: Prompt) -> tuple[float, float]:
        return worth * (bool(chosen(first).get(3)) - bool(chosen(second).get(3))), 0.02

    evaluator = raced(needs_first_and_one_of_two, space, winner)
    found = prune_winner(winner, space, ROWS, evaluator, max_calls=60, gain=gain)
    assert (found.prompt == winner) == is_kept


def test_a_prompt_that_is_surely_worse_is_no_winner() -> None:
    """Though it loses less than two points: each row shows the loss."""

    def loses_a_point(prompt: Prompt, row: Example) -> float:
        return 0.9 * (chosen(prompt).get(0) == 1) + 0.01 * bool(chosen(prompt).get(3))

    space = make_space()
    winner = with_edits(space, "o0_1", "o3_2")
    found = prune_winner(winner, space, ROWS, raced(loses_a_point, space, winner), max_calls=10_000)
    assert found.prompt == winner


@pytest.mark.parametrize("calls", [0, 40, 50, 97, 130])
def test_the_calls_are_kept(calls: int) -> None:
    """Never more than allowed, whatever that is; too few for a look ask nothing."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2", "o3_2")
    evaluator = raced(needs_first_and_one_of_two, space, winner, calls=calls)
    found = prune_winner(winner, space, ROWS, evaluator, max_calls=calls)
    assert evaluator.calls_left("validation") >= 0
    assert bool(found.edits) == (calls >= 3 * MIN_ROWS)


def test_calls_that_need_confirm_nothing_make_the_intervals_narrower() -> None:
    """Where every edit matters all calls go into saying how much."""
    space = make_space()
    winner = with_edits(space, "o0_1", "o1_2")
    evaluator = raced(needs_first_and_one_of_two, space, winner, calls=100)
    found = prune_winner(winner, space, ROWS, evaluator, max_calls=100)
    assert {e.worth.rows for e in found.edits} == {50}
    assert evaluator.calls_left("validation") == 0


def test_pruning_wants_calls_for_the_longest_candidate() -> None:
    """A single edit is compared with the baseline anyway, so nothing is kept from the finals for it."""
    space = make_space()
    short, long = with_edits(space, "o0_1"), with_edits(space, "o0_1", "o1_2", "o3_2")
    assert calls_wanted([short, space.baseline], space) == 0
    assert calls_wanted([short, long], space) == 4 * ROWS_WANTED
