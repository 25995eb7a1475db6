"""The metric similarity: how near an answer is to the reference in meaning, by their embeddings."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

from promptrl.llm.targets.embeddings import EmbeddingsDefinition
from promptrl.settings import Setting
from promptrl.tasks.dataset import accepted_answers
from promptrl.tasks.metrics.base import MetricContext, MetricDefinition, Scorer

PACKAGE = "wordllama"
"""Carries a small static encoder (16 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity(MetricDefinition):
    """Cosine of the embeddings of the answer and the closest accepted one."""

    summary: ClassVar[str] = "Likeness in meaning to the reference, by embeddings."

    embeddings: Annotated[
        EmbeddingsDefinition | None,
        Setting(
            "The endpoint that embeds, declared as a target of type openai is; null: a small encoder in this process, "
            "which the extra `similarity` brings."
        ),
    ] = None
    least: Annotated[
        float, Setting("The cosine of texts that have nothing in common: it scores 0, and less does too.", ge=0, lt=1)
    ] = 0.0
    after: Annotated[
        Annotated[str, Setting(min_length=1)] | None,
        Setting("Only the text after its last occurrence counts; null: all of it."),
    ] = None
    most_references: int = 1

    @property
    def needs_reference(self) -> bool:
        """Always."""
        return True

    @property
    def package(self) -> str:
        """The encoder's, where no endpoint is named."""
        return PACKAGE if self.embeddings is None else ""

    def fitted(self, references: tuple[Any, ...]) -> Self:
        """Knows how many accepted answers a row has at most."""
        return replace(self, most_references=max((len(accepted_answers(each)) for each in references), default=1))

    def metric(self, name: str) -> "SimilarityMetric":
        """The metric under its name."""
        return SimilarityMetric(name, self)


@dataclass(frozen=True, slots=True)
class SimilarityMetric:
    """Under its name in the config.

    Attributes:
        name: As the config calls it.
        definition: Its settings.
    """

    name: str
    definition: Similarity

    @property
    def calls_per_answer(self) -> int:
        """A question for the answer and one for each accepted one; the encoder in this process is no call."""
        return 0 if self.definition.embeddings is None else 1 + self.definition.most_references

    def open(self, context: MetricContext) -> Scorer:
        """Ready to embed.

        Raises:
            ConfigError: The encoder in this process can't be loaded.
        """
        from promptrl.tasks.metrics.local_encoder import encoded
        from promptrl.tasks.metrics.similarity_scorer import SimilarityScorer

        if self.definition.embeddings is None:
            encoded([])
        return SimilarityScorer(self.definition, context)
