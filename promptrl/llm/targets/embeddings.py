"""An OpenAI-compatible endpoint that turns texts into vectors, declared and asked like a target.

Its answer is text like any other, so that it goes through engine, cache and budget: see ``vectors.py``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from promptrl.errors import Problem
from promptrl.llm.base import Target
from promptrl.llm.targets.base_url import url_problems
from promptrl.llm.targets.definition import RESERVED_PARAMS, SCORING_PARAMS
from promptrl.llm.targets.openai import OpenAITargetDefinition
from promptrl.settings import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsDefinition(OpenAITargetDefinition):
    """Any server that speaks the OpenAI embeddings protocol."""

    summary: ClassVar[str] = "Any OpenAI-compatible endpoint for embeddings."

    params: Annotated[
        dict[str, Any],
        Setting("Further parameters, such as `dimensions`, sent as they are.", expected="a mapping of parameters"),
    ] = field(default_factory=dict)

    @property
    def request_params(self) -> dict[str, Any]:
        """The parameters, with those that say what kind of question it is."""
        return {**{key: value for key, value in self.params.items() if value is not None}, **SCORING_PARAMS}

    def problems(self) -> Iterator[Problem]:
        """What promptrl sets itself, and an address that is none."""
        for key in (*RESERVED_PARAMS, "input", "encoding_format", *SCORING_PARAMS):
            if key in self.params:
                yield Problem(f"params.{key}", "is set by promptrl itself", "remove it")
        if self.base_url is not None:
            yield from url_problems(self.base_url)

    def open(self, code_folder: Path | None) -> Target:
        """Read the key and the headers from the environment."""
        from promptrl.llm.targets.embeddings_client import EmbeddingsTarget

        return self._open(EmbeddingsTarget)
