"""Scores answers by their embeddings; imported once a metric of that type is opened, for it needs numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

from promptrl.llm.base import Completion, CompletionError, Message
from promptrl.llm.targets.vectors import Vector, packed, unpacked
from promptrl.tasks.dataset import accepted_answers
from promptrl.tasks.metrics.base import MetricContext, Pair, Question, Score, in_quotes
from promptrl.tasks.metrics.local_encoder import encoded
from promptrl.tasks.metrics.similarity import Similarity


@dataclass(frozen=True, slots=True)
class SimilarityScorer:
    """Open: it can ask."""

    definition: Similarity
    context: MetricContext

    def score_many(self, batch: Sequence[Pair]) -> list[Score | CompletionError]:
        """Embed all texts at once; an answer that says nothing scores 0 unless that is right."""
        answers = [self._counted(completion) for _, completion in batch]
        accepted = [accepted_answers(example.reference) for example, _ in batch]
        wanted = [
            (at, text)
            for at, (answer, texts) in enumerate(zip(answers, accepted, strict=True))
            if answer and answer not in map(str.strip, texts)
            for text in (answer, *texts)
            if text.strip()
        ]
        found = dict(zip(wanted, self._embed(wanted), strict=True))
        return [
            self._score(answer, texts, {text: found[at, text] for text in (answer, *texts) if (at, text) in found})
            for at, (answer, texts) in enumerate(zip(answers, accepted, strict=True))
        ]

    def _counted(self, completion: Completion) -> str:
        after = self.definition.after
        return (completion.text.rpartition(after)[2] if after else completion.text).strip()

    def _embed(self, wanted: Sequence[tuple[int, str]]) -> Sequence[Completion | CompletionError]:
        """The vectors of texts, each of which belongs to the answer at a position."""
        endpoint = self.definition.embeddings
        if endpoint is None:
            return [Completion(_packed_or_empty(vector)) for vector in encoded([text for _, text in wanted])]
        params = endpoint.request_params
        return self.context.ask([Question(at, (Message("user", text),), params) for at, text in wanted])

    def _score(
        self, answer: str, texts: Sequence[str], vectors: dict[str, Completion | CompletionError]
    ) -> Score | CompletionError:
        if answer in map(str.strip, texts):
            return Score(1.0)
        if not answer:
            return Score(0.0, "says nothing")
        for each in vectors.values():
            if isinstance(each, CompletionError):
                return each
            if each.fault:
                return CompletionError("score", f"there is no embedding: {each.fault}")
        try:
            known = {
                text: unpacked(each.text)
                for text, each in vectors.items()
                if isinstance(each, Completion) and each.text
            }
            cosine = max(
                (float(known[answer] @ known[text]) for text in texts if {text, answer} <= known.keys()), default=0.0
            )
        except ValueError:
            return CompletionError("score", "the endpoint gave vectors that don't fit each other")
        least = self.definition.least
        value = min(1.0, max(0.0, (cosine - least) / (1 - least)))
        return Score(value, f"cosine {cosine:.2f}: got {in_quotes(answer)}, expected {in_quotes(texts[0])}")


def _packed_or_empty(vector: Vector) -> str:
    """Empty for a text without a token that the encoder knows: it is like nothing."""
    return packed(list(vector)) if vector.any() else ""
