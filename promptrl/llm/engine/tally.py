"""Counts what was sent and answered: the budget does so for a run, the engine for one sitting of it."""

from dataclasses import dataclass

from promptrl.llm.base import Completion


@dataclass(slots=True)
class Tally:
    """Attempts and answers so far; whoever shares it between threads holds a lock.

    Attributes:
        paid: Attempts sent to the target, failed ones included.
        retried: Those of them that repeated a failed one.
        cached: Answers used that needed no attempt of their own.
        answered: Paid attempts that brought an answer.
        sound: Those of them without a fault.
        prompt_tokens: As the servers reported them; an answer without a usage report adds nothing here.
        completion_tokens: Likewise.
        cost_usd: None when the cost of any paid answer is unknown.
    """

    paid: int = 0
    retried: int = 0
    cached: int = 0
    answered: int = 0
    sound: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0

    def count_attempt(self, *, is_retry: bool = False) -> None:
        """Count an attempt that is sent."""
        self.paid += 1
        self.retried += is_retry

    def count_answer(self, completion: Completion) -> None:
        """Count what an attempt brought, and what it cost."""
        self.answered += 1
        self.sound += completion.fault is None
        self.prompt_tokens += completion.prompt_tokens or 0
        self.completion_tokens += completion.completion_tokens or 0
        cost_usd = completion.cost_usd
        self.cost_usd = None if self.cost_usd is None or cost_usd is None else self.cost_usd + cost_usd
