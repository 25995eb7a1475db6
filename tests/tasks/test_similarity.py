"""The metric similarity: cosines of embeddings of an endpoint, or of the encoder that an extra brings."""

from collections.abc import Callable, Sequence

import pytest

from promptrl.llm.base import Completion, CompletionError
from promptrl.llm.targets.embeddings import EmbeddingsDefinition
from promptrl.llm.targets.vectors import packed
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Score, build_metric
from promptrl.tasks.metrics.base import MetricContext, Question
from promptrl.tasks.metrics.similarity import Similarity

ENDPOINT = EmbeddingsDefinition(model="e")
VECTORS = {"yes": [1.0, 0.0], "sure": [0.8, 0.6], "no": [0.0, 1.0], "never": [-1.0, 0.0]}


def scores(
    answers: Sequence[str],
    reference: object = "yes",
    embed: Callable[[str], Completion | CompletionError] = lambda text: Completion(packed(VECTORS[text])),
    **settings: object,
) -> tuple[list[Score | CompletionError], list[Question]]:
    """Of answers, and what was asked."""
    asked: list[Question] = []

    def ask(questions: Sequence[Question]) -> list[Completion | CompletionError]:
        asked.extend(questions)
        return [embed(question.messages[0].content) for question in questions]

    row = Example("r", {}, reference, {})
    metric = build_metric(Similarity(**{"embeddings": ENDPOINT, **settings}), name="s", examples=[row])  # type: ignore[arg-type]
    assert metric.calls_per_answer * len(answers) >= 0
    found = metric.open(MetricContext(None, ask)).score_many([(row, Completion(answer)) for answer in answers])
    return list(found), asked


def test_the_score_is_the_cosine_and_never_below_0() -> None:
    """With a reason that says what came and what was expected."""
    found, _ = scores(["sure", "no", "never"])
    assert [score.value for score in found if isinstance(score, Score)] == pytest.approx([0.8, 0.0, 0.0], abs=1e-3)
    assert found[0].reason == "cosine 0.80: got 'sure', expected 'yes'"  # type: ignore[union-attr]


def test_the_cosine_of_unlike_texts_can_be_0() -> None:
    """What lies above is stretched to 1."""
    (score,), _ = scores(["sure"], least=0.6)
    assert isinstance(score, Score)
    assert score.value == pytest.approx(0.5, abs=2e-3)


def test_an_answer_that_is_the_reference_or_says_nothing_needs_no_call() -> None:
    """1 and 0."""
    found, asked = scores([" yes\n", " ", ""])
    assert found == [Score(1.0), Score(0.0, "says nothing"), Score(0.0, "says nothing")]
    assert asked == []


def test_the_closest_of_several_references_counts() -> None:
    """All of them are planned and asked for."""
    (score,), asked = scores(["sure"], ["no", "yes"])
    assert isinstance(score, Score)
    assert score.value == pytest.approx(0.8, abs=1e-3)
    assert [question.messages[0].content for question in asked] == ["sure", "no", "yes"]
    row = Example("r", {}, ["no", "yes"], {})
    assert build_metric(Similarity(embeddings=ENDPOINT), name="s", examples=[row]).calls_per_answer == 3


def test_only_the_text_after_a_marker_counts() -> None:
    """As for every metric that compares with a reference."""
    assert scores(["never mind. Answer: yes"], after="Answer:")[0] == [Score(1.0)]


def test_a_text_without_an_embedding_has_no_score() -> None:
    """Lost, refused, or of another length: missing, never 0."""
    lost = CompletionError("timeout", "no answer within 60 s")
    assert scores(["sure"], embed=lambda text: lost)[0] == [lost]
    found, _ = scores(["sure"], embed=lambda text: Completion("", fault="context_overflow"))
    assert found == [CompletionError("score", "there is no embedding: context_overflow")]
    found, _ = scores(["sure"], embed=lambda text: Completion(packed([1.0] * len(text))))
    assert found == [CompletionError("score", "the endpoint gave vectors that don't fit each other")]


def test_the_encoder_of_the_extra_knows_meaning_without_a_call() -> None:
    """A paraphrase is nearer than another matter, and what has no word in it is like nothing."""
    pytest.importorskip("wordllama")
    reference = "The parcel will arrive on Friday."
    found, asked = scores(
        ["Your package comes Friday.", "Bananas are yellow fruit.", "\u2603"], reference, embeddings=None
    )
    near, far, nothing = (score.value for score in found if isinstance(score, Score))
    assert near > far + 0.2
    assert 0 <= nothing < near
    assert asked == []
