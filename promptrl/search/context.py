"""What every search is given, and what it gives back: the one signature of all searches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from promptrl.errors import BudgetExhaustedError, ConfigError, Problem
from promptrl.evaluation.interface import Evaluate
from promptrl.evaluation.outcome import Ask, Outcome
from promptrl.llm.base import Purpose
from promptrl.prompts.space import EditSpace
from promptrl.search.events import SearchEvent
from promptrl.search.growth import Grow
from promptrl.search.result import SearchResult
from promptrl.tasks.dataset import Example

SettingsT = TypeVar("SettingsT", contravariant=True)

CAN_NOT_GROW = Problem(
    "algorithm.name",
    "this search can't take in options that are added while it works",
    "use thompson, or an agent with algorithm.planning surrogate",
)


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What a search works with, whichever algorithm it uses.

    Attributes:
        space: The edits.
        rows: Train rows that prompts are asked on.
        evaluator: Answers; its "search" share is spent.
        seed: Of everything random in the search.
        observers: Called with every event, in this order; none of them steers.
        should_stop: Asked before every batch of calls; True ends the search with what it has.
        grow: Asked before every batch but the first what the space gains; None = it stays as it is.
    """

    space: EditSpace
    rows: Sequence[Example]
    evaluator: Evaluate
    seed: int = 0
    observers: Sequence[Callable[[SearchEvent], None]] = ()
    should_stop: Callable[[], bool] = lambda: False
    grow: Grow | None = None

    def emit(self, event: SearchEvent) -> None:
        """Tell every observer of the event, in their order."""
        for observe in self.observers:
            observe(event)

    def require_fixed_space(self) -> None:
        """Make sure that the space stays as it is, for searches that number its edits once.

        Raises:
            ConfigError: It is to grow.
        """
        if self.grow is not None:
            raise ConfigError([CAN_NOT_GROW])


class Search(Protocol[SettingsT]):
    """Looks for a better prompt until the calls are spent, nothing is left to ask, or someone says stop."""

    def __call__(self, context: SearchContext, settings: SettingsT, /) -> SearchResult:
        """Search.

        Raises:
            TargetError: The model can't be asked any more.
        """


@dataclass(frozen=True, slots=True)
class BatchAnswers:
    """What came of asking some pairs at once.

    Attributes:
        outcomes: By position among the pairs, None where the answer is missing; what was not asked is left out.
        cut_short: Why not all were asked; None when they were.
    """

    outcomes: Mapping[int, Outcome | None]
    cut_short: BudgetExhaustedError | None = None


def evaluate_batch(
    evaluator: Evaluate, asks: Sequence[Ask], uniform: Sequence[bool] = (), purpose: Purpose = "search"
) -> BatchAnswers:
    """Spend a share on a batch; where the budget ends in the middle, what was answered before counts.

    Args:
        evaluator: Answers.
        asks: Pairs of prompt and example.
        uniform: Which pairs' prompts were drawn uniformly from the space; none of them unless given.
        purpose: Whose share it is.
    """
    try:
        return BatchAnswers(dict(enumerate(evaluator.evaluate(asks, purpose, uniform=uniform))))
    except BudgetExhaustedError as error:
        answered = [at for at, ask in enumerate(asks) if not evaluator.would_cost([ask])]
        outcomes = evaluator.evaluate([asks[at] for at in answered], purpose)
        return BatchAnswers(dict(zip(answered, outcomes, strict=True)), error)
