"""The observation says what it promises, column by column."""

import numpy as np
import numpy.typing as npt
import pytest

from promptrl.search.live.episodes import Episodes
from promptrl.search.observation import COLUMN, FEATURES, LIMIT, N_FEATURES
from tests.search.landscape import make_rows, make_space, table_evaluator


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
