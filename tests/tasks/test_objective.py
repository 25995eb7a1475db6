"""The objective combines scores and costs as the config says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptrl.errors import ConfigError
from promptrl.llm.base import Completion
from promptrl.tasks.objective import Objective

ANSWER = Completion("x", prompt_tokens=200, completion_tokens=30, latency_s=1.5, cost_usd=0.002)
SCORES = st.floats(0, 1)
WEIGHTS = st.floats(0.01, 10)


def test_weighted_is_the_weighted_mean() -> None:
    """Over the positive weights; a score of weight 0 is recorded only."""
    objective = Objective("weighted", {"a": 3.0, "b": 1.0, "c": 0.0})
    assert objective.value({"a": 1.0, "b": 0.5, "c": 0.2}, ANSWER) == pytest.approx((3 * 1 + 1 * 0.5) / 4)


def test_product_is_the_weighted_geometric_mean() -> None:
    """0.81^(3/4) * 0.16^(1/4), by hand."""
    objective = Objective("product", {"a": 3.0, "b": 1.0, "c": 0.0})
    assert objective.value({"a": 0.81, "b": 0.16, "c": 0.0}, ANSWER) == pytest.approx(0.729**0.5 * 0.4**0.5)


def test_one_failed_goal_fails_the_product() -> None:
    """Which is what it is for."""
    assert Objective("product", {"a": 1.0, "b": 1.0}).value({"a": 1.0, "b": 0.0}, ANSWER) == 0


@pytest.mark.parametrize(
    ("cost", "taken"),
    [
        (("prompt_tokens", -0.02, 100.0), 0.04),
        (("completion_tokens", -0.1, 10.0), 0.3),
        (("latency", -0.1, 1.0), 0.15),
        (("usd", -0.01, 0.001), 0.02),
    ],
)
@pytest.mark.parametrize("combine", ["weighted", "product"])
def test_costs_are_taken_off(cost: tuple[str, float, float], taken: float, combine: Any) -> None:
    """Weight times amount over per, on top of either combination."""
    objective = Objective(combine, {"a": 1.0}, costs=(cost,))
    assert objective.value({"a": 1.0}, ANSWER) == pytest.approx(1 - taken)


@pytest.mark.parametrize("cost", ["prompt_tokens", "completion_tokens", "usd"])
def test_an_unknown_cost_stops_the_run(cost: str) -> None:
    """Unknown is not zero."""
    objective = Objective("weighted", {"a": 1.0}, costs=((cost, -1.0, 1.0),))
    with pytest.raises(ConfigError, match=f"does not report {cost}"):
        objective.value({"a": 1.0}, Completion("x"))


def test_a_faulty_completion_of_unknown_cost_stops_nothing() -> None:
    """A filtered answer often comes without usage."""
    objective = Objective("weighted", {"a": 1.0}, costs=(("prompt_tokens", -1.0, 1.0),))
    assert objective.value({"a": 0.0}, Completion("", fault="content_filter")) == 0


@given(st.lists(st.tuples(SCORES, WEIGHTS), min_size=1, max_size=5))
def test_without_costs_it_lies_between_the_scores(pairs: list[tuple[float, float]]) -> None:
    """And the product is never above the sum."""
    weights = {str(i): weight for i, (_, weight) in enumerate(pairs)}
    scores = {str(i): score for i, (score, _) in enumerate(pairs)}
    total = Objective("weighted", weights).value(scores, ANSWER)
    product = Objective("product", weights).value(scores, ANSWER)
    assert min(scores.values()) - 1e-9 <= product <= total + 1e-9
    assert total <= max(scores.values()) + 1e-9


def test_the_gate_is_the_first_score_that_counts() -> None:
    """Unless the config names another."""
    assert Objective("weighted", {"a": 0.0, "b": 1.0, "c": 2.0}).gate_metric == "b"
    assert Objective("weighted", {"a": 0.0, "b": 1.0}, gate_metric="a").gate_metric == "a"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weights": {"a": 0.0}}, "no score has a positive weight"),
        ({"weights": {}}, "no score has a positive weight"),
        ({"weights": {"a": 1.0, "b": -1.0}}, "the weight of b is -1"),
        ({"weights": {"a": float("nan")}}, "the weight of a is nan"),
        ({"costs": (("tokens", -1.0, 1.0),)}, r"no cost 'tokens' \(did you mean prompt_tokens"),
        ({"costs": (("usd", 1.0, 1.0),)}, "usd needs a weight below 0"),
        ({"costs": (("usd", -1.0, 0.0),)}, "usd needs a weight below 0 and a positive per"),
        ({"gate_metric": "aa"}, r'gate\.metric: got "aa", expected one of the scores: a \(did you mean a\)'),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], words: str) -> None:
    """Before a call is paid for."""
    with pytest.raises(ConfigError, match=words):
        Objective(**({"combine": "weighted", "weights": {"a": 1.0}} | options))
