"""The metric of the page "Add a metric" that asks a model takes nothing for a yes or a no that is neither."""

from collections.abc import Sequence

import pytest

from promptrl.llm.base import Completion, CompletionError
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricContext, Question, Score
from tests.docs.pages import module_of

PAIR = Example("row", {}, None, {}), Completion("Thank you.")


def judged(answer: Completion | CompletionError) -> Score | CompletionError:
    """What the score is when a model says this."""

    def ask(questions: Sequence[Question]) -> list[Completion | CompletionError]:
        assert [question.params for question in questions] == [{"temperature": 0, "max_tokens": 8}]
        return [answer]

    with module_of("how-to/add-a-metric.md", "promptrl/tasks/metrics/approved.py") as page:
        metric = page.Approved(question="Is this polite?").metric("polite")
        scores: list[Score | CompletionError] = metric.open(MetricContext(None, ask)).score_many([PAIR])
    return scores[0]


@pytest.mark.parametrize(("said", "score"), [("Yes.", 1.0), ("**yes**, very", 1.0), ("No", 0.0), (" no: curt", 0.0)])
def test_a_yes_is_1_and_a_no_is_0(said: str, score: float) -> None:
    """However it is written."""
    found = judged(Completion(said))
    assert isinstance(found, Score)
    assert found.value == score


@pytest.mark.parametrize(
    "answer",
    [Completion("Yesterday it was."), Completion("Nobody knows."), Completion("", fault="empty")],
    ids=["a word that begins so", "another one", "a fault"],
)
def test_what_is_neither_is_no_score(answer: Completion) -> None:
    """The outcome is missing, and it is said why."""
    found = judged(answer)
    assert isinstance(found, CompletionError)
    assert found.message.startswith("said ")


def test_a_lost_answer_stays_lost() -> None:
    """With the reason that the engine gave."""
    lost = CompletionError("timeout", "no answer within 60 s")
    assert judged(lost) is lost
