"""Asks go where an answer is expected to raise the best posterior mean most."""

import numpy as np
import pytest

from promptrl.stats.knowledge_gradient import JointNormal, choose_asks


def belief(mean, covariance, noise=4.0):
    """Of alternatives with equal noise, or a noise for each."""
    mean = np.array(mean, dtype=float)
    covariance = np.array(covariance, dtype=float)
    return JointNormal(mean, np.diag(covariance) if covariance.ndim == 1 else covariance, np.full(len(mean), noise))


def test_the_uncertain_one_near_the_top_is_asked():
    """Not the leader, which is known, nor one that is known to be behind, nor one far behind."""
    assert choose_asks(belief([1.0, 0.9, 0.9, -9.0], [0.01, 1.0, 0.01, 1.0]), 1, 4) == [1]


def test_a_batch_is_shared_between_equals():
    """Asks before it count as answered: two that are alike in all take turns."""
    chosen = choose_asks(belief([0.0, 0.0], [1.0, 1.0], noise=0.5), 8, 1)
    assert sorted(np.bincount(chosen).tolist()) == [4, 4]


def test_one_that_tells_of_many_is_asked_first():
    """An answer that moves the means of others is worth more than one that moves a single one."""
    covariance = np.eye(4)
    covariance[1:, 1:] = [[1, 0.6, -0.6], [0.6, 1, -0.9], [-0.6, -0.9, 1]]
    assert choose_asks(belief([0.0, 0.0, 0.0, 0.0], covariance), 1, 4)[0] in (2, 3)


def test_what_can_not_be_asked_is_not():
    """Infinite noise stands for no row left; its own mean still counts as one that may be best."""
    believed = JointNormal(np.array([1.0, 0.5, 0.4]), np.diag([1.0, 1.0, 0.9]), np.array([np.inf, 4.0, 4.0]))
    assert set(choose_asks(believed, 10, 4)) <= {1, 2}


def test_it_finds_the_best_of_many_sooner_than_equal_shares():
    """Twenty normal arms, 100 answers: the true mean of the pick, against asking all in turn, over 80 worlds."""
    rng, gained = np.random.default_rng(0), []
    for _ in range(80):
        truth = rng.normal(size=20)
        picked = []
        for is_equal in (True, False):
            total, count = np.zeros(20), np.zeros(20)
            for step in range(20):
                precision = 1 + count / 4
                believed = JointNormal(total / 4 / precision, np.diag(1 / precision), np.full(20, 4.0))
                asked = range(5 * step, 5 * step + 5) if is_equal else choose_asks(believed, 5, (100 - 5 * step) / 8)
                for at in asked:
                    total[at % 20] += rng.normal(truth[at % 20], 2.0)
                    count[at % 20] += 1
            picked.append(truth[np.argmax(total / 4 / (1 + count / 4))])
        gained.append(picked[1] - picked[0])
    assert np.mean(gained) > 3 * np.std(gained) / np.sqrt(80)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_as_many_asks_as_wanted(n):
    """One number each, and the belief is left as it was."""
    believed = belief([0.0, 1.0], [1.0, 1.0])
    assert len(choose_asks(believed, n, 2)) == n
    assert np.array_equal(believed.covariance, np.eye(2))
