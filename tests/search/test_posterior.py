"""What a search knows of prompts goes on learning from the answers of the finals."""

from collections.abc import Sequence

import numpy as np
import pytest

from promptrl.prompts.prompt import Prompt
from promptrl.search.algorithms import ALGORITHMS
from promptrl.search.context import SearchContext
from promptrl.search.planned.local_search import search_locally
from promptrl.search.planned.planner import PlanningRules
from promptrl.search.posterior import NO_IDEA_SD, SeparatePosterior, posterior_of
from promptrl.search.result import Candidate
from promptrl.search.searches import load_search
from promptrl.search.surrogate.posterior import SurrogatePosterior
from promptrl.tasks.dataset import Example
from tests.search.landscape import make_rows, make_space, table_evaluator

SPACE = make_space((4, 4))
PROMPTS = list(SPACE.enumerate())


def test_a_sure_posterior_is_worth_what_its_rows_are() -> None:
    """The mean afterwards lies between the search's and the rows', nearer to what is more precise."""
    rows, means = make_rows(30), []
    for sd in (0.005, 0.05, 0.5):
        posterior = SeparatePosterior([Candidate(PROMPTS[2], 0.9, sd, answers=9)], rows)
        posterior.learn([(PROMPTS[2], row, 0.7) for row in rows])
        means.append(float(posterior.joint([PROMPTS[2]]).mean[0]))
    assert 0.69 < means[2] < means[1] < means[0] < 0.9


def test_a_prompt_that_the_search_does_not_know_is_taken_for_a_typical_one() -> None:
    """With little certainty."""
    known = [Candidate(PROMPTS[1], 0.4, 0.1, 3), Candidate(PROMPTS[2], 0.6, 0.1, 3)]
    joint = SeparatePosterior(known, make_rows(3)).joint([PROMPTS[3]])
    assert joint.mean[0] == pytest.approx(0.5)
    assert joint.covariance[0, 0] == NO_IDEA_SD**2


def test_rows_that_both_answered_make_errors_alike() -> None:
    """Two prompts on the same rows differ by less than two on different ones; rows of one input count once."""
    rows = make_rows(20)
    known = [Candidate(prompt, 0.5, 0.5, 0) for prompt in PROMPTS[1:3]]

    def sd_of_difference(second: Sequence[Example]) -> float:
        posterior = SeparatePosterior(known, rows)
        posterior.learn([(PROMPTS[1], row, float(i % 2)) for i, row in enumerate(rows[:10])])
        posterior.learn([(PROMPTS[2], row, float(i % 2)) for i, row in enumerate(second)])
        covariance = posterior.joint(PROMPTS[1:3]).covariance
        return float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])

    assert sd_of_difference(rows[:10]) < 0.8 * sd_of_difference(rows[10:])

    def variance(inputs: int) -> float:
        same = [Example(f"r{i}", {"input": str(i % inputs)}, None, {}) for i in range(10)]
        posterior = SeparatePosterior(known, same)
        posterior.learn([(PROMPTS[1], row, 0.5) for row in same])
        return float(posterior.joint(PROMPTS[1:2]).covariance[0, 0])

    assert variance(2) > 2 * variance(10)


def test_a_surrogate_goes_on_from_what_the_search_has_learned() -> None:
    """Before further answers it says what the search says; these move the prompt, and prompts that are like it."""
    rows, more = make_rows(40), [Example(f"v{i}", {"input": f"v{i}"}, None, {}) for i in range(40)]

    def right(prompt: Prompt, row: Example) -> float:
        coin = np.random.default_rng([int(prompt.prompt_id, 16), int(row.id[1:])])
        return float(coin.random() < 0.5)

    evaluator = table_evaluator(right, search=120)
    found = search_locally(SearchContext(SPACE, rows, evaluator), PlanningRules())
    posterior = posterior_of(found, more)
    assert isinstance(posterior, SurrogatePosterior)
    order = [c.prompt for c in found.candidates]
    before = posterior.joint(order)
    assert np.all(np.diff(before.mean) < 0.05)
    leader = order[0]
    posterior.learn([(leader, row, 0.0) for row in more])
    after = posterior.joint(order)
    assert after.mean[0] < before.mean[0] - 0.5
    assert after.covariance[0, 0] < before.covariance[0, 0]
    alike = int(np.argmax(before.covariance[0, 1:])) + 1
    assert after.mean[alike] < before.mean[alike]


def test_searches_without_a_surrogate_leave_their_means() -> None:
    """Each prompt for itself."""

    evaluator = table_evaluator(lambda prompt, row: 0.5, search=40)
    found = load_search("random")(SearchContext(SPACE, make_rows(10), evaluator), ALGORITHMS["random"].settings())
    assert isinstance(posterior_of(found, make_rows(4)), SeparatePosterior)
