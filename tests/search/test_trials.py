"""What is kept when the budget ends in the middle of a batch."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.table_evaluator import TableEvaluator
from promptrl.errors import BudgetExhaustedError
from promptrl.evaluation.outcome import Ask, Outcome
from promptrl.llm.base import Purpose
from promptrl.search.live.episodes import Episodes
from promptrl.search.trials import Trials
from tests.search.landscape import factorial_value, make_context, make_rows, make_space


class CutShort(TableEvaluator):
    """Answers some pairs, then no more: as when the dollars or the minutes end."""

    def __init__(self, answers: int) -> None:
        super().__init__(lambda asks: [factorial_value(*ask) for ask in asks])
        self._answers = answers

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """The pairs answered so far, or as many new ones as there are answers left."""
        if self.would_cost(asks) > self._answers:
            super().evaluate(asks[: self._answers], purpose)
            self._answers = 0
            raise BudgetExhaustedError("the minutes are over")
        return super().evaluate(asks, purpose)


def test_answers_of_a_batch_that_was_cut_short_count() -> None:
    """They are paid for; the search is over."""
    space = make_space()
    trials = Trials(make_context(CutShort(3), space=space, rows=10))
    answers = trials.ask([(space.baseline, r) for r in range(10)])
    assert np.isnan(answers).tolist() == [False] * 3 + [True] * 7
    assert len(trials.records[space.baseline.prompt_id].objectives) == 3
    assert (trials.is_over, trials.stop_reason) == (True, "budget")


def test_live_episodes_learn_from_them_too() -> None:
    """Before the end of the budget is passed on."""
    space, rows = make_space(), make_rows(10)
    episodes = Episodes(space, CutShort(3), rows)
    with pytest.raises(BudgetExhaustedError):
        episodes.learn_answers([(space.baseline, row) for row in rows])
    assert episodes.estimates.ranking()[0].answers == 3
