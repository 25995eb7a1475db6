"""How probable a causal language model in this process finds an answer, asked like a target.

Its answer is text like any other, so that it goes through engine, cache and budget: the mean negative log likelihood of
a token, in nats, as a decimal number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from promptrl.errors import Problem
from promptrl.llm.base import Target
from promptrl.llm.engine.prices import Price
from promptrl.llm.targets.definition import SCORING_PARAMS
from promptrl.llm.targets.local import LocalTargetDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodDefinition(LocalTargetDefinition):
    """A Hugging Face causal language model in this process that reads instead of writing."""

    summary: ClassVar[str] = "A Hugging Face causal language model in this process, as a reader."
    billing: ClassVar[Literal["free", "billed", "unknown"]] = "free"

    params: dict[str, Any] = field(default_factory=lambda: dict(SCORING_PARAMS))

    def problems(self) -> Iterator[Problem]:
        """There are no parameters to be wrong."""
        yield from ()

    def public_price(self) -> Price:
        """It costs nothing."""
        return Price(0.0, 0.0)

    def open(self, code_folder: Path | None) -> Target:
        """Load weights and tokenizer; torch and transformers are imported here."""
        from promptrl.llm.targets.likelihood_reader import LikelihoodTarget

        return LikelihoodTarget(self.model)
