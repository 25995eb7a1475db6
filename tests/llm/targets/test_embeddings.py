"""Texts become vectors through an OpenAI-compatible endpoint, asked like any target."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from promptrl.llm.base import Completion, Message, TransientError
from promptrl.llm.engine.reservations import completion_token_bound
from promptrl.llm.targets.embeddings import EmbeddingsDefinition
from promptrl.llm.targets.vectors import packed, unpacked
from tests.servers.openai_server import Fault, OpenAIServer


def definition(base_url: str, params: Mapping[str, Any] | None = None) -> EmbeddingsDefinition:
    """An endpoint that wants no key."""
    return EmbeddingsDefinition(model="e", base_url=base_url, api_key_env=None, params=dict(params or {}))


def asked(endpoint: EmbeddingsDefinition, text: str = "hello") -> Completion:
    """The answer to one question."""

    async def ask() -> Completion:
        target = endpoint.open(None)
        try:
            return await target.complete((Message("user", text),), endpoint.request_params)
        finally:
            await target.aclose()

    return asyncio.run(ask())


def test_a_text_is_sent_as_input_and_comes_back_as_a_vector_of_length_1() -> None:
    """With the parameters that were given, and without those that only cache and budget look at."""
    with OpenAIServer(embed=lambda text: [3.0, 4.0 * len(text)]) as server:
        answer = asked(definition(server.base_url, {"dimensions": 2}), "h")
    assert unpacked(answer.text) == pytest.approx([0.6, 0.8], abs=1e-3)
    assert (answer.prompt_tokens, answer.completion_tokens) == (1, 0)
    assert server.requests[0].path == "/v1/embeddings"
    assert server.requests[0].body == {"input": "h", "model": "e", "dimensions": 2}


def test_its_answers_are_kept_and_have_a_limit() -> None:
    """Equal texts have equal vectors; nothing is generated."""
    endpoint = definition("http://h/v1")
    assert endpoint.request_params["temperature"] == 0
    assert completion_token_bound(endpoint.request_params) == 0


def test_it_is_another_model_than_a_chat_model_of_its_name() -> None:
    """So no answer of one is taken for one of the other."""
    with OpenAIServer() as server:
        target = definition(server.base_url).open(None)
        assert target.identity == f"embeddings:openai:{server.base_url}:e"
        asyncio.run(target.aclose())


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], ["a"], None, [[1.0]], [float("nan")]])
def test_what_is_no_vector_is_no_answer(vector: object) -> None:
    """The engine asks again, and counts it as missing in the end."""
    with OpenAIServer(embed=lambda text: vector) as server, pytest.raises(TransientError, match="not an embedding"):
        asked(definition(server.base_url))


@pytest.mark.parametrize(
    "fault", [Fault(503), Fault(200, {"error": {"message": "no", "code": 503}}), Fault(200, "<p>")]
)
def test_faults_of_the_server_pass(fault: Fault) -> None:
    """As those of a chat endpoint do."""
    with OpenAIServer(faults=[fault]) as server, pytest.raises(TransientError):
        asked(definition(server.base_url))


@pytest.mark.parametrize("key", ["input", "model", "temperature", "encoding_format"])
def test_what_promptrl_sets_can_not_be_given(key: str) -> None:
    """Said by its key."""
    (problem,) = definition("http://h/v1", {key: 1}).problems()
    assert problem.key == f"params.{key}"


def test_packing_keeps_directions() -> None:
    """Half precision is enough for a cosine."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 1536))
    cosine = float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
    assert float(unpacked(packed(list(first))) @ unpacked(packed(list(second)))) == pytest.approx(cosine, abs=1e-3)
