"""The metric fluency: how readily a language model in this process reads an answer."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from promptrl.errors import Problem
from promptrl.llm.base import Completion, CompletionError, Message
from promptrl.llm.targets.likelihood import LikelihoodDefinition
from promptrl.llm.targets.local_checkpoint import NANO
from promptrl.settings import Setting
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricContext, MetricDefinition, Pair, Question, Score, in_quotes

_OF_NANO, _OF_OTHERS = (1e3, 1e8), (10.0, 1e3)
"""Perplexities of good and of bad answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluency(MetricDefinition):
    """Perplexity of the answer to the row under a language model, on a logarithmic scale.

    It says whether a text is like those that the model would write itself, not whether it is true; a set phrase said
    again and again reads readily too, so take another metric beside it.
    """

    summary: ClassVar[str] = "Low perplexity of the answer under a local language model."

    by: Annotated[
        LikelihoodDefinition,
        Setting("The model that reads, declared as a target of type local is; nano unless told, which knows little."),
    ] = field(default_factory=LikelihoodDefinition)
    best: Annotated[
        Annotated[float, Setting(ge=1)] | None,
        Setting("The perplexity that scores 1, as lower ones do; null: 10, for nano 1,000."),
    ] = None
    worst: Annotated[
        Annotated[float, Setting(gt=1)] | None,
        Setting("The perplexity that scores 0, as higher ones do; null: 1,000, for nano 100 million."),
    ] = None

    @property
    def scale(self) -> tuple[float, float]:
        """The perplexities that score 1 and 0."""
        best, worst = _OF_NANO if self.by.model == NANO else _OF_OTHERS
        return self.best or best, self.worst or worst

    def problems(self) -> Iterator[Problem]:
        """The scale must have a length."""
        best, worst = self.scale
        if worst <= best:
            yield Problem("worst", f"got {worst:g}, expected more than best, which is {best:g}")

    def metric(self, name: str) -> "FluencyMetric":
        """The metric under its name."""
        return FluencyMetric(name, self)


@dataclass(frozen=True, slots=True)
class FluencyMetric:
    """Under its name in the config; one question an answer."""

    name: str
    definition: Fluency
    calls_per_answer: int = 1

    def open(self, context: MetricContext) -> "FluencyScorer":
        """Ready to ask."""
        return FluencyScorer(self.definition, context)


@dataclass(frozen=True, slots=True)
class FluencyScorer:
    """Open: it can ask."""

    definition: Fluency
    context: MetricContext

    def score_many(self, batch: Sequence[Pair]) -> list[Score | CompletionError]:
        """Let the model read all answers at once; one that says nothing scores 0."""
        texts = {at: completion.text.strip() for at, (_, completion) in enumerate(batch)}
        params = self.definition.by.request_params
        asked = [
            Question(at, (_request(batch[at][0]), Message("assistant", text)), params)
            for at, text in texts.items()
            if text
        ]
        found = dict(zip((question.position for question in asked), self.context.ask(asked), strict=True))
        return [
            self._score(text, found[at]) if at in found else Score(0.0, "says nothing") for at, text in texts.items()
        ]

    def _score(self, text: str, answer: Completion | CompletionError) -> Score | CompletionError:
        if isinstance(answer, CompletionError):
            return answer
        if answer.fault:
            return CompletionError("score", f"the model could not read {in_quotes(text)}: {answer.fault}")
        best, worst = map(math.log, self.definition.scale)
        log_perplexity = float(answer.text)
        value = min(1.0, max(0.0, (worst - log_perplexity) / (worst - best)))
        perplexity = math.exp(min(log_perplexity, 50.0))
        return Score(value, "" if value == 1 else f"perplexity {perplexity:,.0f}: {in_quotes(text)}")


def _request(example: Example) -> Message:
    """What the row asks, without the prompt; a column that is there under two names counts once."""
    return Message("user", "\n\n".join(dict.fromkeys(example.fields.values())))
