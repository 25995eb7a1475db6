"""Edits share weights: order and number do not matter, and an untrained policy follows its observation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from promptrl.search.agents.build import build_agent
from promptrl.search.agents.policy import Encoder
from promptrl.search.live.env import PromptVecEnv
from promptrl.search.observation import COLUMN, N_FEATURES
from tests.search.landscape import make_rows, make_space, table_evaluator

ALGORITHMS = ("maskable_ppo", "ppo", "a2c", "dqn", "qrdqn")
ENCODERS: tuple[Encoder, ...] = ("deepsets", "transformer")


def make_agent(
    name: str = "ppo", encoder: Encoder = "deepsets", options: Sequence[int] = (4, 4, 3, 3), seed: int = 0
) -> Any:
    """An untrained agent on a space with these slots."""
    env = PromptVecEnv(make_space(options), table_evaluator(), make_rows(6), n_envs=2)
    return build_agent(name, env, policy=encoder, seed=seed)


def scores(agent: Any, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logits or Q values, shape (batch, n_actions)."""
    policy, tensor = agent.policy, torch.as_tensor(observations)
    with torch.no_grad():
        if hasattr(policy, "q_net"):
            return np.asarray(policy.q_net(tensor))
        if hasattr(policy, "quantile_net"):
            return np.asarray(policy.quantile_net(tensor).mean(dim=1))
        return np.asarray(policy.mlp_extractor.forward_actor(tensor))


def shake(agent: Any, seed: int = 0) -> None:
    """Give every weight a random value, as training would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in agent.policy.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))


def some_observations(n_actions: int, count: int = 5, seed: int = 0) -> npt.NDArray[np.float32]:
    """Random tables with about a third of the edits invalid; stop valid."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, n_actions, N_FEATURES)).astype(np.float32)
    rows[:, :, COLUMN["is_valid"]] = rng.random((count, n_actions)) < 0.67
    rows[:, -1, COLUMN["is_valid"]] = 1
    return rows


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_permuting_edits_permutes_their_scores(name: str, encoder: Encoder) -> None:
    """Neither the place of an edit nor its neighbours' order says anything; the value stays the same."""
    agent = make_agent(name, encoder)
    shake(agent)
    rows = some_observations(agent.action_space.n)
    order = np.random.default_rng(1).permutation(rows.shape[1])
    straight, permuted = (scores(agent, r.reshape(len(r), -1)) for r in (rows, rows[:, order]))
    assert np.ptp(straight) > 0.1
    assert np.allclose(straight[:, order], permuted, rtol=1e-3, atol=1e-4)
    if name not in ("dqn", "qrdqn"):
        values = [agent.policy.predict_values(torch.as_tensor(r.reshape(len(r), -1))) for r in (rows, rows[:, order])]
        assert torch.allclose(values[0], values[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_weights_move_to_a_space_with_another_number_of_edits(name: str, encoder: Encoder) -> None:
    """``load_state_dict`` works across edit spaces, and the copy scores as the original does."""
    small, large = make_agent(name, encoder, (2, 3)), make_agent(name, encoder, (5, 5, 5), seed=9)
    shake(small)
    large.policy.load_state_dict(small.policy.state_dict())
    again = make_agent(name, encoder, (2, 3), seed=4)
    again.policy.load_state_dict(large.policy.state_dict())
    rows = some_observations(small.action_space.n).reshape(5, -1)
    assert np.array_equal(scores(again, rows), scores(small, rows))
    assert large.action_space.n > small.action_space.n


@pytest.mark.parametrize("name", ALGORITHMS)
def test_untrained_policy_takes_the_best_edit_of_its_draw(name: str) -> None:
    """The prior alone decides: the largest draw among the valid edits wins, although an invalid one is larger."""
    agent = make_agent(name)
    rows = np.zeros((1, agent.action_space.n, N_FEATURES), dtype=np.float32)
    rows[0, :, COLUMN["is_valid"]] = 1
    rows[0, [2, 5, 6], COLUMN["effect_draw"]] = (1.0, 2.0, 3.0)
    rows[0, 6, COLUMN["is_valid"]] = 0
    action, _ = agent.predict(rows.reshape(1, -1), deterministic=True)
    assert action.tolist() == [5]


@pytest.mark.parametrize("name", ["ppo", "a2c", "maskable_ppo"])
def test_invalid_edits_are_never_sampled(name: str) -> None:
    """Even after training an edit that the observation calls invalid has no probability."""
    agent = make_agent(name)
    shake(agent)
    rows = some_observations(agent.action_space.n, count=200)
    actions, _ = agent.predict(rows.reshape(200, -1), deterministic=False)
    assert rows[np.arange(200), actions, COLUMN["is_valid"]].all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_invalid_edits_are_left_out_of_the_pooling(encoder: Encoder) -> None:
    """What stands in an invalid row changes no other edit's score."""
    agent = make_agent("ppo", encoder)
    shake(agent)
    rows = some_observations(agent.action_space.n)
    noisy = rows.copy()
    invalid = rows[:, :, COLUMN["is_valid"]] == 0
    noisy[invalid, 2:] += 5
    assert invalid.any()
    clean, disturbed = (scores(agent, r.reshape(len(r), -1)) for r in (rows, noisy))
    assert np.allclose(clean, disturbed, atol=1e-5)
