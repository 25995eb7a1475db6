"""Asks an endpoint that speaks the OpenAI embeddings protocol, as ``openai_client.py`` asks one for chat."""

from collections.abc import Mapping
from typing import Any

from promptrl.llm.base import Completion, Messages, is_token_count
from promptrl.llm.targets.definition import SCORING_PARAMS
from promptrl.llm.targets.openai_answers import UPSTREAM, NotAnAnswerError, read_body
from promptrl.llm.targets.openai_client import OpenAITarget, encodable
from promptrl.llm.targets.openai_faults import Failure, read_failure
from promptrl.llm.targets.vectors import packed


class EmbeddingsTarget(OpenAITarget):
    """Turns the text of a question into a vector; see ``vectors.py`` for the form of the answer."""

    @property
    def identity(self) -> str:
        """Another than that of a chat model of the same name."""
        return f"embeddings:{super().identity}"

    async def complete(self, messages: Messages, params: Mapping[str, Any]) -> Completion:
        """Ask for the vector of the messages' text; raises as ``OpenAITarget.complete`` does."""
        body = {name: value for name, value in params.items() if name not in SCORING_PARAMS and value is not None}
        text = "\n\n".join(encodable(message.content) for message in messages)
        return await self._ask("/embeddings", {"input": text, "model": self.model, **body}, body)

    def _read_answer(self, text: str, latency_s: float) -> Completion | Failure:
        answer = read_body(text)
        if isinstance(answer, dict) and answer.get("error"):
            return read_failure(UPSTREAM, text, {})
        try:
            vector = packed(answer["data"][0]["embedding"])
            tokens = (answer.get("usage") or {}).get("prompt_tokens")
        except (LookupError, TypeError, ValueError, AttributeError):
            raise NotAnAnswerError("not an embedding") from None
        return Completion(vector, tokens if is_token_count(tokens) else None, 0, latency_s, finish_reason="stop")
