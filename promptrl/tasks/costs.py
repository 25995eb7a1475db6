"""What an answer can cost beside its score: the types of costs by their name in YAML."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from promptrl.llm.base import Completion


@dataclass(frozen=True, slots=True)
class CostDefinition:
    """One type of cost.

    Attributes:
        about: What costs.
        summary: The same as a sentence.
        per: How much of it makes one unit of cost unless told otherwise.
        unit: What ``per`` counts.
        amount: How much of it a completion took; None when the target does not say.
        remedy: What to do when it does not say.
    """

    about: str
    summary: str
    per: float
    unit: str
    amount: Callable[[Completion], float | None]
    remedy: str = "take the cost out of reward.metrics"


COSTS: Mapping[str, CostDefinition] = {
    "prompt_tokens": CostDefinition(
        about="Length of the prompt.",
        summary="Cost of the prompt's length.",
        per=100.0,
        unit="Prompt tokens",
        amount=lambda completion: completion.prompt_tokens,
    ),
    "completion_tokens": CostDefinition(
        about="Length of the completion.",
        summary="Cost of the completion's length.",
        per=100.0,
        unit="Completion tokens",
        amount=lambda completion: completion.completion_tokens,
    ),
    "latency": CostDefinition(
        about="Time that an answer takes.",
        summary="Cost of the time an answer takes.",
        per=1.0,
        unit="Seconds",
        amount=lambda completion: completion.latency_s,
    ),
    "usd": CostDefinition(
        about="Price of an answer.",
        summary="Cost of an answer in money.",
        per=0.001,
        unit="US dollars",
        amount=lambda completion: completion.cost_usd,
        remedy="say target.price",
    ),
}
