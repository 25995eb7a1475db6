"""What a search, the finals and the test are given to ask prompts with."""

from collections.abc import Sequence
from typing import Protocol

from promptrl.evaluation.outcome import Ask, Outcome
from promptrl.llm.base import Purpose


class Evaluate(Protocol):
    """Answers pairs of prompt and example within a budget of calls; each pair is paid for once.

    A run makes its own (``promptrl.experiment.engines.make_evaluator``): an ``Evaluator``, which asks the model of the
    config; nobody hands one in. Searches, finals and tests only see this side of it, so that benchmarks can put
    ``benchmarks.table_evaluator.TableEvaluator`` there, which looks the answers up.
    """

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Every outcome so far, in the order in which they were first asked."""

    def calls_left(self, purpose: Purpose) -> int:
        """Calls that may still be spent on a purpose; may rise and fall where tokens or dollars are limited."""

    def calls_used(self, purpose: Purpose) -> int:
        """Calls that were spent on a purpose."""

    def would_cost(self, asks: Sequence[Ask], repeat: int = 0) -> int:
        """Calls that ``evaluate`` would spend on these pairs: the distinct ones not yet answered."""

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """Score pairs in one batch; those answered before are free.

        Args:
            asks: (prompt, example) pairs; equal pairs are asked once.
            purpose: The share of the budget that pays.
            repeat: Which of several answers to the same question.
            uniform: Which pairs' prompts were drawn uniformly from the edit space; none of them unless given.

        Returns:
            One outcome per pair, in order; None where the answer is missing for reasons of transport.

        Raises:
            BudgetExhaustedError: The share can't pay for all new pairs; none was asked (calls), or what was
                answered is kept (tokens, dollars, minutes).
            TargetError: The model can't be asked any more.
        """
