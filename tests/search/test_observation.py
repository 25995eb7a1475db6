"""The observation says what it promises, column by column."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from numpy.typing import NDArray

from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.live.episodes import Episodes
from promptrl.search.live.estimates import Estimates
from promptrl.search.live.featurizer import Featurizer
from promptrl.search.observation import (
    COLUMN,
    COLUMNS_OF_KIND,
    FEATURES,
    KIND_COLUMNS,
    LIMIT,
    N_FEATURES,
    Observations,
    kind_code,
)
from promptrl.search.planned.imagined import Imagination
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate
from tests.prompts.closing_lines import loud_space
from tests.prompts.ticket_space import WORDS, candidates, wander
from tests.prompts.ticket_space import make_space as make_tickets
from tests.search.landscape import make_rows, make_space, table_evaluator

Seen = Callable[[EditSpace, Prompt, int], NDArray[np.float32]]


def table(episodes: Episodes, i: int = 0) -> npt.NDArray[np.float32]:
    """The observation as rows of edits."""
    return episodes.observe(i).reshape(-1, N_FEATURES)


@pytest.fixture
def episodes() -> Episodes:
    """Four episodes after one step, so that some edits have answers."""
    episodes = Episodes(make_space(), table_evaluator(search=100), make_rows(10), n_envs=4, rows_per_prompt=2, seed=1)
    episodes.step([1, 3, 3, 13])
    return episodes


def test_every_value_keeps_its_documented_range(episodes: Episodes) -> None:
    """Each column stays between its ``low`` and ``high``, as float32."""
    for i in range(4):
        rows = table(episodes, i)
        assert rows.dtype == np.float32
        for feature in FEATURES:
            column = rows[:, COLUMN[feature.name]]
            assert feature.low <= column.min() <= column.max() <= feature.high <= LIMIT


def test_stop_is_the_last_row_and_changes_nothing(episodes: Episodes) -> None:
    """Stop is valid, has no effect, no uncertainty and no cost."""
    stop = table(episodes)[-1]
    assert (stop[COLUMN["is_stop"]], stop[COLUMN["is_valid"]]) == (1, 1)
    assert not stop[[COLUMN[name] for name in ("effect", "effect_sd", "effect_draw", "token_cost")]].any()
    assert table(episodes)[:-1, COLUMN["is_stop"]].sum() == 0


def test_held_content_is_marked_and_not_valid(episodes: Episodes) -> None:
    """The option that the prompt holds is held, invalid and without effect."""
    row = table(episodes)[1]
    assert (row[COLUMN["is_held"]], row[COLUMN["is_valid"]], row[COLUMN["effect"]]) == (1, 0, 0)


def test_answers_show_in_the_columns_of_the_edit_that_leads_there(episodes: Episodes) -> None:
    """The baseline was asked by all four, the prompt of edit 3 by two episodes, that of edit 2 by none."""
    episodes.start(0)
    rows = table(episodes)
    assert rows[[-1, 1, 2, 3], COLUMN["is_seen"]].tolist() == [1, 1, 0, 1]
    answers = rows[[-1, 3, 1, 2], COLUMN["answers"]]
    assert answers[0] > answers[1] > answers[2] > answers[3] == 0


def test_good_edit_gets_a_higher_effect_and_less_doubt(episodes: Episodes) -> None:
    """Edit 3 raises the score, edit 1 does not, edit 2 is unknown."""
    episodes.start(0)
    rows = table(episodes)
    effect, doubt = rows[:, COLUMN["effect"]], rows[:, COLUMN["effect_sd"]]
    assert effect[3] > effect[1]
    assert effect[3] > effect[2]
    assert doubt[3] < doubt[2]


def test_token_cost_has_the_sign_of_the_change(episodes: Episodes) -> None:
    """Adding an option costs tokens, leaving it out gives them back."""
    rows = table(episodes)
    space = episodes.space
    adding = next(a for a, edit in enumerate(space.edits) if edit.text == "o3_1")
    removing = next(
        a
        for a in np.flatnonzero(space.mask(episodes.episodes[0].prompt)[:-1])
        if space.apply(episodes.episodes[0].prompt, int(a)) == space.baseline
    )
    assert rows[adding, COLUMN["token_cost"]] > 0 > rows[removing, COLUMN["token_cost"]]


def test_progress_columns_follow_steps_and_calls(episodes: Episodes) -> None:
    """One of five edits is used; the calls left are counted down from 1."""
    rows = table(episodes)
    assert rows[:, COLUMN["step"]] == pytest.approx(1 / 5)
    left = episodes.evaluator.calls_left("search")
    assert left < 100
    assert rows[:, COLUMN["budget_left"]] == pytest.approx(left / 100)


def test_explorers_disagree_and_exploiters_follow_the_mean() -> None:
    """Each exploring episode has its own draw; without exploration the draw is the mean."""
    space, rows = make_space(), make_rows(10)
    exploring = Episodes(space, table_evaluator(), rows, n_envs=2, seed=1)
    greedy = Episodes(space, table_evaluator(), rows, n_envs=1, is_exploring=False)
    draws = [table(exploring, i)[:, COLUMN["effect_draw"]] for i in (0, 1)]
    assert not np.allclose(draws[0], draws[1])
    assert np.allclose(table(greedy)[:, COLUMN["effect_draw"]], table(greedy)[:, COLUMN["effect"]])


def test_draw_stays_the_same_within_an_episode() -> None:
    """Looking twice at the same state gives the same observation."""
    episodes = Episodes(make_space(), table_evaluator(), make_rows(10), n_envs=1, seed=4)
    assert np.array_equal(episodes.observe(0), episodes.observe(0))


SPACES = (
    make_space(),
    loud_space(),
    make_tickets(demonstrations=candidates(4), max_demonstrations=2, tokens=WORDS),
    make_tickets(slots=None, text="Be brief. Think. Sort the ticket."),
)


def seen_live(space: EditSpace, prompt: Prompt, answers: int) -> NDArray[np.float32]:
    """The table at a prompt on the live model, after so many answers to random prompts, under a draw."""
    rng = np.random.default_rng(0)
    estimates = Estimates(space.n_edits)
    for number in range(answers):
        asked = space.draw(rng)
        estimates.add(asked.prompt_id, space.holds(asked), f"r{number % 7}", float(rng.random() < 0.4))
    estimates.fit()
    featurizer = Featurizer(space, estimates)
    return featurizer.observe(prompt, estimates.draw(rng), step_share=0.5, budget_share=0.25).reshape(-1, N_FEATURES)


def seen_imagined(space: EditSpace, prompt: Prompt, answers: int) -> NDArray[np.float32]:
    """The same in the imagination."""
    rng, moves = np.random.default_rng(0), Moves(space)
    surrogate = Surrogate(moves.table, "0123456", rng=rng)
    imagination = Imagination(moves, surrogate, rng, max_edits=4)
    for number in range(answers):
        asked = moves.features(space.draw(rng))
        surrogate.add(str(number), asked, number % 7, float(rng.random() < 0.4))
        imagination.count_answer(asked)
    surrogate.fit()
    imagination.update_posterior(surrogate, 1, rng, budget_left=0.25)
    episodes = imagination.begin(moves.features(prompt)[None], np.zeros(1, dtype=np.intp))
    episodes.steps += 2
    return imagination.observe(episodes).observation.reshape(-1, N_FEATURES)


@pytest.mark.parametrize("seen", [seen_live, seen_imagined])
@pytest.mark.parametrize("space", SPACES)
def test_the_data_sheet_holds_on_the_live_model_and_in_the_imagination(seen: Seen, space: EditSpace) -> None:
    """Ranges, what an invalid edit shows, and the scale: the draw's effects have a spread of 1 at the baseline."""
    prompts = [space.baseline, *(wander(space, np.random.default_rng(seed), 4) for seed in range(4))]
    for rows in (seen(space, prompt, answers) for prompt in prompts for answers in (0, 60)):
        for feature in FEATURES:
            column = rows[:, COLUMN[feature.name]]
            assert feature.low <= column.min() <= column.max() <= feature.high
            if feature.meaning.endswith("0 where the edit is not valid"):
                assert not column[rows[:, COLUMN["is_valid"]] == 0].any()
    rows = seen(space, space.baseline, 60)
    effects = rows[:-1, COLUMN["effect_draw"]][rows[:-1, COLUMN["is_valid"]] == 1]
    assert np.sqrt(np.square(effects).mean()) == pytest.approx(1, abs=0.05)
    assert not rows[:, COLUMN["gain"]].any()


@pytest.mark.parametrize("space", SPACES)
def test_a_prompt_looks_alike_on_the_live_model_and_in_the_imagination(space: EditSpace) -> None:
    """All columns but those of estimates and answers are the same, but for words: each is imagined once at most."""
    same = ["is_stop", "is_valid", "is_held", "slot", "step", "budget_left"]
    columns = [COLUMN[name] for name in [*same, *(f"kind_{number}" for number in range(KIND_COLUMNS))]]
    told = np.array([edit.slot != "words" for edit in space.edits] + [True])
    for seed in range(5):
        prompt = wander(space, np.random.default_rng(seed), 2 * seed)
        live, imagined = seen_live(space, prompt, 0)[told], seen_imagined(space, prompt, 0)[told]
        assert np.array_equal(live[:, columns], imagined[:, columns])
        cost = COLUMN["token_cost"]
        assert np.allclose(live[:, cost], imagined[:, cost], atol=0.02)


def test_numbering_the_edits_otherwise_only_reorders_the_rows() -> None:
    """No column says how an edit is numbered."""
    space = loud_space()
    other = EditSpace(space.baseline, space.factors[::-1], space.slot_order)
    places = [other.edits.index(edit) for edit in space.edits] + [other.stop]
    for seed in range(4):
        prompt = wander(space, np.random.default_rng(seed), 3)
        estimates = [Estimates(space.n_edits), Estimates(space.n_edits)]
        for known, numbered in zip(estimates, (space, other), strict=True):
            known.add(prompt.prompt_id, numbered.holds(prompt), "r0", 1.0)
            known.add(space.baseline.prompt_id, numbered.holds(space.baseline), "r1", 0.0)
            known.fit()
        tables = [
            Featurizer(numbered, known)
            .observe(prompt, known.posterior_mean(), step_share=0.0, budget_share=1.0)
            .reshape(-1, N_FEATURES)
            for known, numbered in zip(estimates, (space, other), strict=True)
        ]
        assert np.allclose(tables[0], tables[1][places], atol=1e-5)


def test_every_kind_has_a_code_of_its_own() -> None:
    """Of one size, told apart by two columns at least, and the same on every machine for ever."""
    kinds = ("option", "move", "drop_phrase", "restore_phrase", "insert_word", "delete_word")
    codes = {
        kind: set(kind_code(kind)) for kind in (*kinds, *(f"{op}_demonstration" for op in ("add", "drop", "swap")))
    }
    assert {len(code) for code in codes.values()} == {COLUMNS_OF_KIND}
    assert all(len(codes[one] - codes[two]) > 1 for one in codes for two in codes if one != two)
    assert kind_code("option") == (2, 8, 9, 12)
    assert max(max(code) for code in codes.values()) < KIND_COLUMNS


def test_the_kind_that_is_shown_can_be_another_one() -> None:
    """For training policies that lean on no kind."""
    space = make_space()
    shown = Observations(space, ["thing"] * space.n_edits)
    first = shown._static[0, COLUMN["kind_0"] :]
    assert np.flatnonzero(first).tolist() == list(kind_code("thing"))
