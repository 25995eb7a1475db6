"""What one prompt did on one example."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from promptrl.llm.base import Completion, Purpose
from promptrl.prompts.prompt import Prompt
from promptrl.tasks.dataset import Example

Ask = tuple[Prompt, Example]

AskKey = tuple[str, str, int]
"""Prompt, row and repeat."""

AnswerKey = tuple[AskKey, str]
"""For what an answer was given, and the question: empty for the target's own, else what a metric asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one prompt did on one example.

    Attributes:
        prompt_id: ``Prompt.prompt_id``.
        row_id: ``Example.id``.
        repeat: Which of several answers to the same question.
        purpose: Which share of the budget it was asked for.
        completion: The model's answer.
        scores: Value in [0, 1] by metric name.
        objective: What the search maximises: the combination of the metrics and the cost terms.
        score: The gate metric's value in [0, 1]: what verdicts speak of.
        reason: Why the gate metric gave less than 1, when it can say so.
        uniform: Whether the prompt was drawn uniformly from the edit space, not chosen.
        reasons: Why a metric gave less than 1, by name, for each that can say so.
        judged: What models answered to the questions of metrics; paid for like the completion.
    """

    prompt_id: str
    row_id: str
    repeat: int
    purpose: Purpose
    completion: Completion
    scores: Mapping[str, float]
    objective: float
    score: float
    reason: str = ""
    uniform: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    judged: tuple[Completion, ...] = ()


def fault_of(outcome: Outcome) -> str | None:
    """Why an answer is none although the call worked; no text at all is a fault unless it is the right answer."""
    completion = outcome.completion
    return completion.fault or (None if completion.text.strip() or outcome.score else "empty")


def count_faults(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Answers that were bad although the call worked, by the name of the fault, the commonest first."""
    return dict(Counter(filter(None, map(fault_of, outcomes))).most_common())
