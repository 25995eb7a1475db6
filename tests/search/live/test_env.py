"""The environment keeps the contracts of Gymnasium and SB3 and pays rewards that add up."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from stable_baselines3.common.env_checker import check_env as check_sb3_env

from promptrl.errors import BudgetExhaustedError
from promptrl.prompts.prompt import Prompt
from promptrl.search.live.env import PromptEnv, PromptVecEnv
from promptrl.tasks.dataset import Example
from tests.search.landscape import chosen, factorial_value, make_rows, make_space, table_evaluator


def make_env(**rules: Any) -> PromptEnv:
    """An environment on the factorial landscape."""
    evaluator = rules.pop("evaluator", None) or table_evaluator()
    return PromptEnv(make_space(), evaluator, make_rows(12), **rules)


def make_vec_env(n_envs: int = 3, **rules: Any) -> PromptVecEnv:
    """Several of them."""
    evaluator = rules.pop("evaluator", None) or table_evaluator()
    return PromptVecEnv(make_space(), evaluator, make_rows(12), n_envs=n_envs, **rules)


def valid_actions(env: PromptEnv) -> npt.NDArray[np.intp]:
    """Valid edits without stop."""
    return np.flatnonzero(env.action_masks()[:-1])


def test_gymnasium_accepts_the_environment() -> None:
    """Gymnasium's checker finds nothing; its warnings are errors here."""
    check_gymnasium_env(make_env(), skip_render_check=True)


def test_sb3_accepts_the_environment() -> None:
    """SB3's checker finds nothing; its warnings are errors here."""
    check_sb3_env(make_env(rows_per_prompt=2))


def test_rewards_telescope_to_last_minus_first() -> None:
    """The rewards of an episode add up to the scaled difference of its two ends on its own rows."""
    env = make_env(rows_per_prompt=3, max_edits=6, reward_scale=7.0, seed=5)
    env.reset()
    first, rng, total, truncated = env.prompt, np.random.default_rng(1), 0.0, False
    while not truncated:
        _, reward, _, truncated, _ = env.step(rng.choice(valid_actions(env)))
        total += reward
    rows = env.episodes.episodes[0].rows
    difference = np.mean([factorial_value(env.prompt, row) - factorial_value(first, row) for row in rows])
    assert len(rows) == 3
    assert difference != 0
    assert total == pytest.approx(7.0 * difference)


def test_rewards_telescope_over_missing_answers() -> None:
    """A row without an answer counts as unchanged until it has one."""

    def value(prompt: Prompt, row: Example) -> float | None:
        is_missing = len(prompt.slots) == 1 and row.id in {"r0", "r1", "r2"}
        return None if is_missing else factorial_value(prompt, row)

    env = PromptEnv(make_space(), table_evaluator(value), make_rows(4), rows_per_prompt=4, reward_scale=1.0)
    env.reset()
    half_seen = env.step(3)[1]
    rest = env.step(7)[1]
    assert chosen(env.prompt) == {0: 3, 1: 3}
    assert half_seen == pytest.approx(0.2 / 4)
    assert half_seen + rest == pytest.approx(0.4)


def test_stop_ends_the_episode_without_a_call() -> None:
    """Stop terminates, earns nothing and asks nothing."""
    evaluator = table_evaluator()
    env = make_env(evaluator=evaluator)
    env.reset()
    _, reward, terminated, truncated, _ = env.step(env.episodes.space.stop)
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert evaluator.batches == []


def test_episode_is_truncated_after_max_edits() -> None:
    """The last allowed edit truncates, it does not terminate."""
    env = make_env(max_edits=2)
    env.reset()
    assert env.step(valid_actions(env)[0])[2:4] == (False, False)
    assert env.step(valid_actions(env)[-1])[2:4] == (False, True)


def test_invalid_edit_is_a_no_op_with_its_penalty() -> None:
    """An edit that the mask forbids leaves the prompt, costs no call and earns the penalty."""
    evaluator = table_evaluator()
    env = make_env(evaluator=evaluator, no_op_penalty=0.25)
    env.reset()
    env.step(1)
    before, asked = env.prompt, len(evaluator.batches)
    assert not env.action_masks()[1]
    _, reward, terminated, _, info = env.step(1)
    assert env.prompt == before
    assert (reward, terminated, info["is_no_op"], len(evaluator.batches)) == (-0.25, False, True, asked)


def test_start_is_asked_together_with_the_first_edit() -> None:
    """Reset costs nothing; the first edit asks for start and result in one batch."""
    evaluator = table_evaluator()
    env = make_env(evaluator=evaluator, rows_per_prompt=2)
    env.reset()
    assert evaluator.batches == []
    env.step(valid_actions(env)[0])
    assert evaluator.batches == [4]


def test_vec_env_scores_one_step_of_all_in_one_batch() -> None:
    """Three environments, one row each: one batch of three starts and three results, then one of three."""
    evaluator = table_evaluator()
    env = make_vec_env(3, evaluator=evaluator)
    env.reset()
    env.step(np.array([1, 2, 3]))
    env.step(np.array([5, 6, 7]))
    assert evaluator.batches == [6, 3]


def test_vec_env_restarts_ended_episodes_and_keeps_their_last_observation() -> None:
    """After stop the observation is that of a new episode and the old one is in the info."""
    env = make_vec_env(2, max_edits=5)
    env.reset()
    env.step(np.array([1, 2]))
    stop = env.episodes.space.stop
    last, _, dones, infos = env.step(np.array([stop, 6]))
    observations = np.asarray(last)
    assert dones.tolist() == [True, False]
    assert infos[0]["terminal_observation"].shape == observations[0].shape
    assert not np.array_equal(infos[0]["terminal_observation"], observations[0])
    assert not infos[0]["TimeLimit.truncated"]
    assert env.episodes.episodes[0].prompt == env.episodes.space.baseline
    assert chosen(env.episodes.episodes[1].prompt) == {0: 2, 1: 2}


def test_vec_env_marks_truncation_for_sb3() -> None:
    """SB3 bootstraps the value of an episode that was only cut."""
    env = make_vec_env(1, max_edits=1)
    env.reset()
    _, _, dones, infos = env.step(np.array([1]))
    assert dones[0]
    assert infos[0]["TimeLimit.truncated"]


def test_vec_env_of_one_equals_the_single_environment() -> None:
    """Both doors lead to the same rules: equal seeds and actions give equal rewards and observations."""
    single, several = make_env(seed=3, rows_per_prompt=2), make_vec_env(1, seed=3, rows_per_prompt=2)
    assert np.array_equal(single.reset()[0], np.asarray(several.reset())[0])
    for action in (1, 5, 9):
        observation, reward, *_ = single.step(action)
        observations, rewards, _, _ = several.step(np.array([action]))
        assert np.array_equal(observation, np.asarray(observations)[0])
        assert reward == pytest.approx(float(rewards[0]))


def test_same_seed_gives_the_same_rollout() -> None:
    """Two environments with one seed agree step by step; another seed differs."""

    def rollout(seed: int) -> npt.NDArray[Any]:
        env = make_vec_env(2, seed=seed)
        seen = [np.asarray(env.reset())]
        for actions in ([1, 3], [5, 5], [9, 1], [2, 2]):
            observations, rewards, _, _ = env.step(np.array(actions))
            seen += [np.asarray(observations), rewards]
        return np.concatenate([array.ravel() for array in seen])

    assert np.array_equal(rollout(1), rollout(1))
    assert not np.array_equal(rollout(1), rollout(2))


def test_masks_reach_maskable_ppo() -> None:
    """``env_method`` gives one mask per environment: the option just chosen is invalid, stop never is."""
    env = make_vec_env(2)
    env.reset()
    env.step(np.array([1, 5]))
    masks = np.stack(env.env_method("action_masks"))
    assert masks.shape == (2, env.episodes.space.n_actions)
    assert not masks[0, 1]
    assert masks[1, 1]
    assert masks[:, -1].all()


def test_budget_ends_a_step_before_anything_moved() -> None:
    """When the calls can't pay for a step, no episode moves."""
    env = make_env(evaluator=table_evaluator(search=3), rows_per_prompt=2)
    env.reset()
    with pytest.raises(BudgetExhaustedError):
        env.step(1)
    assert env.prompt == env.episodes.space.baseline
