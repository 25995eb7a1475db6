"""The metric fluency: perplexities on a logarithmic scale."""

import math
from collections.abc import Callable, Sequence

import pytest

from promptrl.errors import ConfigError
from promptrl.llm.base import Completion, CompletionError, Message
from promptrl.llm.targets.likelihood import LikelihoodDefinition
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Score, build_metric
from promptrl.tasks.metrics.base import MetricContext, Question
from promptrl.tasks.metrics.fluency import Fluency

ROW = Example("r", {"question": "Why?", "input": "Why?"}, None, {}, "Why?")


def scores(
    answers: Sequence[str], reads: Callable[[str], Completion | CompletionError], **settings: object
) -> tuple[list[Score | CompletionError], list[Question]]:
    """Of answers, and what was asked."""
    asked: list[Question] = []

    def ask(questions: Sequence[Question]) -> list[Completion | CompletionError]:
        asked.extend(questions)
        return [reads(question.messages[-1].content) for question in questions]

    metric = build_metric(Fluency(**settings), name="fluency", examples=[ROW])  # type: ignore[arg-type]
    found = metric.open(MetricContext(None, ask)).score_many([(ROW, Completion(answer)) for answer in answers])
    return list(found), asked


def perplexity(value: float) -> Completion:
    """As the reader tells it."""
    return Completion(f"{math.log(value):.6f}")


@pytest.mark.parametrize(("value", "score"), [(1, 1.0), (10, 1.0), (100, 0.5), (1000, 0.0), (1e30, 0.0)])
def test_the_scale_is_logarithmic(value: float, score: float) -> None:
    """Between the best and the worst perplexity, cut off at both ends."""
    other = LikelihoodDefinition(model="./mine")
    (found,), _ = scores(["text"], lambda text: perplexity(value), by=other)
    assert isinstance(found, Score)
    assert found.value == pytest.approx(score, abs=1e-5)
    assert found.reason == "" or "perplexity" in found.reason


def test_nano_has_a_scale_of_its_own_and_settings_go_before() -> None:
    """It finds everything improbable."""
    assert Fluency().scale == (1e3, 1e8)
    assert Fluency(worst=1e6).scale == (1e3, 1e6)
    with pytest.raises(ConfigError, match="worst: got 5, expected more than best, which is 10"):
        build_metric(Fluency(best=10, worst=5), name="fluency", examples=[ROW])


def test_the_answer_is_read_after_the_request() -> None:
    """Once, though the input column is there under two names; blanks need no reader."""
    (found, blank), asked = scores(["text\n", " "], lambda text: perplexity(100))
    assert asked[0].messages == (Message("user", "Why?"), Message("assistant", "text"))
    assert blank == Score(0.0, "says nothing")
    assert found == Score(1.0)
    assert len(asked) == 1


def test_what_can_not_be_read_has_no_score() -> None:
    """Missing, never 0."""
    lost = CompletionError("timeout", "no answer within 60 s")
    assert scores(["text"], lambda text: lost)[0] == [lost]
    found, _ = scores(["text"], lambda text: Completion("", fault="context_overflow"))
    assert found == [CompletionError("score", "the model could not read 'text': context_overflow")]
