"""How probable nano finds an answer."""

import asyncio
from collections.abc import Iterator

import pytest

from promptrl.llm.base import Completion, Message, Target
from promptrl.llm.targets.likelihood import LikelihoodDefinition


@pytest.fixture(scope="module")
def nano() -> Iterator[Target]:
    """The bundled model, reading."""
    target = LikelihoodDefinition().open(None)
    yield target
    asyncio.run(target.aclose())


def read(target: Target, request: str, answer: str) -> Completion:
    """What the model makes of an answer to a request."""
    messages = (Message("user", request), Message("assistant", answer))
    return asyncio.run(target.complete(messages, LikelihoodDefinition().request_params))


def test_a_sentence_is_more_probable_than_its_words_in_disorder(nano: Target) -> None:
    """Equal answers have equal numbers; tokens are told, and cost nothing."""
    request = "Great film, I loved it."
    ordered = read(nano, request, "The sentiment of this review is positive.")
    assert float(ordered.text) + 3 < float(read(nano, request, "positive is review of sentiment The this.").text)
    assert read(nano, request, "The sentiment of this review is positive.").text == ordered.text
    assert (ordered.completion_tokens, ordered.cost_usd) == (0, 0.0)
    assert (ordered.prompt_tokens or 0) > 8


def test_what_passes_the_context_is_cut_off_and_without_room_it_is_a_fault(nano: Target) -> None:
    """An endless answer is judged by its beginning; an endless request leaves nothing to read."""
    endless = read(nano, "Great film.", "The sentiment is positive. " * 500)
    assert float(endless.text) > 0
    assert read(nano, "word " * 5000, "positive").fault == "context_overflow"


def test_it_is_another_model_than_the_one_that_writes(nano: Target) -> None:
    """So no answer of one is taken for one of the other."""
    assert nano.identity.startswith("likelihood:nano:")
