"""Imagined episodes against the real edits they stand for."""

from typing import Any

import numpy as np
import pytest

from promptrl.prompts.building import build_edit_space
from promptrl.prompts.prompt import Demonstration
from promptrl.prompts.space import EditSpace
from promptrl.search.observation import COLUMN, N_FEATURES
from promptrl.search.planned.env import ImaginedVecEnv
from promptrl.search.planned.imagined import Imagination, Starts
from promptrl.search.surrogate.features import Moves
from promptrl.search.surrogate.model import Surrogate


def make_space(**changes: Any) -> EditSpace:
    """Slots, demonstrations and words."""
    arguments: dict[str, Any] = {
        "slots": {f"s{i}": ["", f"a{i}", f"b{i}", f"c{i}"] for i in range(3)},
        "text": None,
        "user": "{q}",
        "separator": " ",
        "demonstrations": [Demonstration(str(i), f"q{i}", f"a{i}", {"q": f"q{i}"}) for i in range(4)],
        "max_demonstrations": 2,
        "bank": False,
        "phrases": False,
        "reorder": False,
        "tokens": ["now", "please"],
    }
    return build_edit_space(**(arguments | changes))


PHRASES: dict[str, Any] = {
    "slots": None,
    "text": "Be kind. Be quick. Be brief.",
    "phrases": True,
    "demonstrations": (),
    "tokens": None,
}


def imagine(space: EditSpace, answers: int = 60, draws: int = 16, seed: int = 0) -> Imagination:
    """An imagination that believes something."""
    rng = np.random.default_rng(seed)
    moves = Moves(space)
    model = Surrogate(moves.table, "0123456789", rng=np.random.default_rng(0))
    imagination = Imagination(moves, model, np.random.default_rng(0))
    for i in range(answers):
        prompt = space.draw(rng)
        model.add(prompt.prompt_id, moves.features(prompt), i % 10, float(rng.random() < 0.4))
        imagination.count_answer(moves.features(prompt))
    model.fit()
    imagination.update_posterior(model, draws, rng, 0.5)
    return imagination


def test_each_of_two_equal_sentences_can_be_restored() -> None:
    """What restores the first one is not what restores the second."""
    space = make_space(**PHRASES | {"text": "Be kind. Be quick. Be kind."})
    moves = Moves(space)
    imagination = imagine(space)
    episodes = imagination.begin(moves.features(space.baseline)[None], np.zeros(1, dtype=np.intp))
    drop, restore = (
        next(a for a, edit in enumerate(space.edits) if edit.kind == kind and edit.text == "Be kind.")
        for kind in ("drop_phrase", "restore_phrase")
    )
    imagination.act(episodes, imagination.observe(episodes), np.array([drop]))
    view = imagination.observe(episodes)
    assert view.valid[0, restore]
    imagination.act(episodes, view, np.array([restore]))
    assert np.array_equal(episodes.states.held[0, :-1], moves.features(space.baseline))


@pytest.mark.parametrize("changes", [{}, PHRASES])
def test_imagined_edits_are_the_real_ones(changes: dict[str, Any]) -> None:
    """Validity and features agree with the real prompt after every edit, word deletions apart."""
    space = make_space(**changes)
    moves, rng = Moves(space), np.random.default_rng(0)
    imagination = imagine(space)
    prompt = space.baseline
    episodes = imagination.begin(moves.features(prompt)[None], np.zeros(1, dtype=np.intp))
    for _ in range(60):
        view = imagination.observe(episodes)
        real = space.mask(prompt)
        imagined = [a for a, edit in enumerate(space.edits) if edit.kind != "delete_word"]
        repeats = [a for a in imagined if space.edits[a].kind == "insert_word" and space.edits[a].is_held(prompt)]
        same = [a for a in imagined if a not in repeats]
        assert np.array_equal(view.valid[0, same], real[same])
        action = int(rng.choice(np.flatnonzero(view.valid[0, :-1])))
        imagination.act(episodes, view, np.array([action]))
        prompt = space.apply(prompt, action)
        assert np.array_equal(episodes.states.held[0, :-1], moves.features(prompt))


def test_rewards_telescope_to_the_change_of_the_draws_value() -> None:
    """Rewards of an episode add up to last minus first, over the spread of the draw."""
    space = make_space()
    imagination, rng = imagine(space), np.random.default_rng(1)
    episodes = imagination.begin(np.repeat(Moves(space).features(space.baseline)[None], 16, axis=0), np.arange(16))
    first, total = imagination.value(episodes), np.zeros(16)
    for _ in range(4):
        view = imagination.observe(episodes)
        actions = np.array([rng.choice(np.flatnonzero(valid)) for valid in view.valid])
        total += imagination.act(episodes, view, actions)[0]
    assert np.allclose(imagination.value(episodes) - first, total)


def test_observations_are_finite_bounded_and_marked() -> None:
    """Every value lies in the box; asked prompts are marked as seen."""
    space = make_space(tokens=None, demonstrations=())
    imagination = imagine(space, answers=200)
    env = ImaginedVecEnv(imagination, Starts(Moves(space).features(space.baseline)), 8)
    observation = np.asarray(env.reset())
    rows = observation.reshape(8, space.n_actions, N_FEATURES)
    assert observation.dtype == np.float32
    assert np.all(np.abs(rows) <= 10)
    assert rows[:, :, COLUMN["is_seen"]].any()
    assert np.array_equal(rows[:, :, COLUMN["is_valid"]] > 0, env.action_masks())


def test_lookahead_sees_past_a_pair() -> None:
    """Two options that only help together: the second step's gain shows in the first's row."""
    space = make_space(demonstrations=(), tokens=None)
    moves = Moves(space)
    model = Surrogate(moves.table, "0123456789", rng=np.random.default_rng(0))
    imagination = Imagination(moves, model, np.random.default_rng(0))
    rng = np.random.default_rng(2)
    for i in range(600):
        prompt = space.draw(rng)
        held = moves.features(prompt)
        is_good = held[1] and held[5]
        model.add(prompt.prompt_id, held, i % 10, float(is_good) if rng.random() < 0.95 else 0.5)
    model.fit()
    imagination.update_posterior(model, 1, rng, 0.5, exploration_scale=0.0)
    episodes = imagination.begin(moves.features(space.baseline)[None], np.zeros(1, dtype=np.intp))
    rows = imagination.observe(episodes).observation.reshape(space.n_actions, N_FEATURES)
    ahead = rows[:, COLUMN["lookahead"]] - rows[:, COLUMN["effect_draw"]]
    assert set(np.argsort(-ahead)[:2]) == {1, 5}


def test_local_search_ends_where_no_edit_helps() -> None:
    """The result is at least as good as all its neighbours under its draw."""
    space = make_space(demonstrations=(), tokens=None)
    imagination, moves = imagine(space), Moves(space)
    for result in imagination.roll_out(None, [space.baseline] * 16, np.arange(16)):
        reached = moves.replay(result.start, result.edits)
        episodes = imagination.begin(moves.features(reached)[None], np.array([result.draw]))
        assert imagination.value(episodes)[0] == pytest.approx(result.value)
        assert imagination.observe(episodes).change.max() <= 1e-9


def test_episodes_go_on_under_new_beliefs() -> None:
    """Prompts and steps stay, draws and their scales are new."""
    space = make_space()
    imagination = imagine(space)
    env = ImaginedVecEnv(imagination, Starts(Moves(space).features(space.baseline)), 4)
    env.reset()
    env.step_async(env.action_masks().argmax(axis=1))
    before = np.asarray(env.step_wait()[0]).reshape(4, space.n_actions, N_FEATURES)
    model = Surrogate(imagination.moves.table, "0123456789", rng=np.random.default_rng(1))
    imagination.update_posterior(model, 2, np.random.default_rng(1), 0.5)
    after = env.resume().reshape(4, space.n_actions, N_FEATURES)
    for name in ("is_held", "step"):
        assert np.array_equal(before[:, :, COLUMN[name]], after[:, :, COLUMN[name]])
    assert np.all(after[:, :, COLUMN["step"]] > 0)
    assert not np.array_equal(before[:, :, COLUMN["effect_draw"]], after[:, :, COLUMN["effect_draw"]])
    assert np.array_equal(after[:, :, COLUMN["is_valid"]] > 0, env.action_masks())


def test_ended_episodes_restart_and_keep_their_last_observation() -> None:
    """Stop ends every episode; the next observation is a start again."""
    space = make_space()
    env = ImaginedVecEnv(imagine(space), Starts(Moves(space).features(space.baseline)), 4)
    env.reset()
    env.step_async(np.full(4, space.stop))
    last, rewards, dones, infos = env.step_wait()
    observation = np.asarray(last)
    assert dones.all()
    assert not rewards.any()
    assert all(info["terminal_observation"].shape == observation[0].shape for info in infos)
    assert not observation.reshape(4, space.n_actions, N_FEATURES)[:, :, COLUMN["step"]].any()
