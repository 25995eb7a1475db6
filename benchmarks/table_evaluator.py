"""An evaluator that looks answers up instead of asking a model: for benchmarks, and for the tests of the search."""

from collections.abc import Callable, Iterable, Sequence
from time import process_time

from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.outcome import Ask, AskKey, Outcome
from promptrl.llm.base import Completion, Purpose
from promptrl.llm.engine.budget import Budget

LookUp = Callable[[Sequence[Ask]], Iterable[float | None]]
"""The objective of each pair of prompt and row; None = the answer is missing."""

_NO_COMPLETION = Completion(text="")


class TableEvaluator:
    """Counts calls as the evaluator of a run does; a pair is looked up once.

    Attributes:
        batches: How many pairs each batch had.
        refused: Calls that were asked for beyond the budget.
        seconds: Processor time spent on answering, which is not the search's own.

    Args:
        look_up: The answers.
        max_calls: Of all purposes together; None = no limit.
        validation: Those of them that are kept for the finals; None = what the search leaves.
    """

    def __init__(self, look_up: LookUp, max_calls: int | None = None, validation: int | None = None) -> None:
        self.batches: list[int] = []
        self.refused = 0
        self.seconds = 0.0
        self._look_up = look_up
        self._budget = Budget(max_calls=max_calls)
        if validation is not None:
            self._budget.reserve_share("validation", validation)
        self._outcomes: dict[AskKey, Outcome | None] = {}

    @property
    def calls(self) -> int:
        """Calls spent, for all purposes."""
        return self._budget.spent.total

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome so far, in the order in which they were first asked."""
        return tuple(outcome for outcome in self._outcomes.values() if outcome is not None)

    def calls_left(self, purpose: Purpose) -> int:
        """Calls that may still be spent on a purpose."""
        return self._budget.calls_left(purpose)

    def calls_used(self, purpose: Purpose) -> int:
        """Calls that were spent on a purpose."""
        return self._budget.calls_used(purpose)

    def would_cost(self, asks: Sequence[Ask], repeat: int = 0) -> int:
        """Calls that ``evaluate`` would spend on these pairs."""
        return len({key for key in _keys(asks, repeat) if key not in self._outcomes})

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """One outcome per pair; pairs answered before are free.

        Raises:
            BudgetExhaustedError: The share can't pay for all new pairs; none was asked.
        """
        began = process_time()
        self.batches.append(len(asks))
        keys = _keys(asks, repeat)
        new = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in self._outcomes}
        left = self.calls_left(purpose)
        if len(new) > left:
            self.refused += len(new) - left
            self._budget.exhaust("calls", f"{len(new)} calls needed for {purpose}, {left} left")
        if new:
            self._budget.take_calls(purpose, len(new))
            for key, objective in zip(new, self._look_up(list(new.values())), strict=True):
                self._outcomes[key] = None if objective is None else _outcome(key, purpose, float(objective))
        self.seconds += process_time() - began
        return [self._outcomes[key] for key in keys]

    def score(self, asks: Sequence[Ask]) -> list[float]:
        """The objectives of the first pairs that the calls left pay for, then none: for optimisers of others.

        Raises:
            BudgetExhaustedError: Not all of them; those that could be paid were asked.
        """
        paid: list[Ask] = []
        for ask in asks:
            if self.would_cost([*paid, ask]) > self.calls_left("search"):
                break
            paid.append(ask)
        outcomes = self.evaluate(paid)
        if len(paid) < len(asks):
            self.refused += len(asks) - len(paid)
            raise BudgetExhaustedError(f"{len(asks)} calls asked for, {len(paid)} left")
        return [outcome.objective for outcome in outcomes if outcome is not None]


def _keys(asks: Sequence[Ask], repeat: int) -> list[AskKey]:
    ids: dict[int, str] = {}
    for prompt, _ in asks:
        if id(prompt) not in ids:
            ids[id(prompt)] = prompt.prompt_id
    return [(ids[id(prompt)], row.id, repeat) for prompt, row in asks]


def _outcome(key: AskKey, purpose: Purpose, objective: float) -> Outcome:
    prompt_id, row_id, repeat = key
    scores = {"objective": objective}
    return Outcome(prompt_id, row_id, repeat, purpose, _NO_COMPLETION, scores, objective, objective)
