"""The evaluator: one batch, each answer asked once, missing answers are not zeros."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from promptrl.errors import BudgetExhaustedError, TargetError
from promptrl.evaluation.evaluator import Evaluator
from promptrl.evaluation.outcome import AnswerKey, Outcome, count_faults
from promptrl.llm.base import REFUSALS, Completion, QuestionBlockedError, TransientError, refused
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import build_metric
from promptrl.tasks.metrics.text import ExactMatch
from promptrl.tasks.objective import Objective
from tests.servers.stub_target import StubTarget

ROWS = [Example(f"row{i}", {"q": f"q{i}"}, "yes", {}) for i in range(40)]
PROMPTS = [Prompt((("task", f"task {i}"),), (), UserTemplate("{q}")) for i in range(3)]


class Notes:
    """Remembers what was recorded, beside what an earlier process had."""

    def __init__(self, known: Iterable[Outcome] = ()) -> None:
        self._known = list(known)
        self.outcomes: list[Outcome] = []
        self.answers: dict[AnswerKey, Completion] = {}

    def keep(self, key: AnswerKey, completion: Completion) -> None:
        """Keep it."""
        self.answers[key] = completion

    def record(self, outcomes: Sequence[tuple[Prompt, Outcome]]) -> None:
        """Keep what is new."""
        self.outcomes += [outcome for _, outcome in outcomes if outcome not in self._known]


@contextmanager
def evaluating(target: StubTarget, max_calls: int = 1000, **earlier: Any) -> Iterator[tuple[Evaluator, Notes, Budget]]:
    """An evaluator over a target, what it logs, and its budget."""
    budget = Budget(max_calls=max_calls)
    notes = Notes(earlier.get("known", ()))
    with Engine(target, budget=budget, cache=None, max_retries=0) as engine:
        metric = build_metric(ExactMatch(), name="exact_match", examples=ROWS)
        objective = Objective("weighted", {"exact_match": 1.0}, (), "exact_match")
        parts: dict[str, Any] = {"metrics": [metric], "objective": objective, "params": {}, "log": notes}
        yield Evaluator(engine, budget=budget, **{**parts, **earlier}), notes, budget


def yes_to_even(text: str, attempt: int) -> Completion:
    """Right on even rows."""
    return Completion("yes" if int(text[1:]) % 2 == 0 else "no", 3, 1)


def test_outcomes_come_in_order_and_each_pair_is_asked_once() -> None:
    """Equal pairs in one batch and in later batches cost one call."""
    target = StubTarget(yes_to_even)
    with evaluating(target) as (evaluator, notes, budget):
        asks = [(PROMPTS[0], ROWS[1]), (PROMPTS[0], ROWS[2]), (PROMPTS[0], ROWS[1])]
        assert evaluator.would_cost(asks) == 2
        first = evaluator.evaluate(asks)
        assert [o.score for o in first if o] == [0.0, 1.0, 0.0]
        assert evaluator.would_cost(asks) == 0
        assert evaluator.evaluate(asks) == first
        assert budget.spent.total == len(notes.outcomes) == 2


def test_a_batch_that_the_budget_cant_pay_asks_nothing() -> None:
    """Running out of calls is known before the first call of a batch."""
    target = StubTarget(yes_to_even)
    with evaluating(target, max_calls=5) as (evaluator, _, budget):
        with pytest.raises(BudgetExhaustedError):
            evaluator.evaluate([(PROMPTS[0], row) for row in ROWS[:6]])
        assert budget.spent.total == 0
        assert not target.asked


def test_a_failed_call_is_missing_and_not_a_zero() -> None:
    """One lost answer of forty gives None in its place, and its call back."""
    target = StubTarget(lambda text, n: TransientError("server", "500") if text == "q7" else yes_to_even(text, n))
    with evaluating(target) as (evaluator, notes, budget):
        outcomes = evaluator.evaluate([(PROMPTS[0], row) for row in ROWS])
        assert [i for i, o in enumerate(outcomes) if o is None] == [7]
        assert len(notes.outcomes) == budget.spent.total == 39


def test_one_lost_call_of_a_small_batch_does_not_stop_a_run() -> None:
    """A share says nothing about nine calls; a target that answers nothing stops all the same."""
    target = StubTarget(lambda text, n: TransientError("server", "500") if text == "q7" else yes_to_even(text, n))
    with evaluating(target) as (evaluator, _, _):
        assert evaluator.evaluate([(PROMPTS[0], row) for row in ROWS[:9]])[7] is None
    dead = StubTarget(lambda text, n: TransientError("connection", "refused"))
    with evaluating(dead) as (evaluator, _, _), pytest.raises(TargetError, match="refused"):
        evaluator.evaluate([(PROMPTS[0], row) for row in ROWS[:9]])


def test_too_many_failed_calls_stop_the_run_but_keep_the_answers() -> None:
    """Beyond 5 % missing the target counts as unavailable; what was answered is recorded."""
    target = StubTarget(lambda text, n: TransientError("server", "500") if text < "q13" else yes_to_even(text, n))
    with evaluating(target) as (evaluator, notes, _):
        with pytest.raises(TargetError, match=r"server on row row\d+: 500"):
            evaluator.evaluate([(PROMPTS[0], row) for row in ROWS])
        assert len(notes.outcomes) > 20
        assert set(map(id, evaluator.outcomes)) == set(map(id, notes.outcomes))


def test_a_bad_completion_is_data_with_a_reason() -> None:
    """A filtered answer scores 0 and says why."""
    target = StubTarget(lambda text, n: Completion("yes", 1, 1, fault="content_filter"))
    with evaluating(target) as (evaluator, _, _):
        outcome = evaluator.evaluate([(PROMPTS[0], ROWS[0])])[0]
        assert outcome is not None
        assert (outcome.score, outcome.reason) == (0.0, "content_filter")


def test_a_question_that_a_firewall_stops_is_missing_and_a_revoked_key_stops_the_run_soon() -> None:
    """One row is; when nothing comes any more it ends after a few, with the row and what the server said."""
    asks = [(prompt, row) for prompt in PROMPTS[:2] for row in ROWS]

    def one(text: str, n: int) -> Completion | Exception:
        return QuestionBlockedError("403") if text == "q7" else yes_to_even(text, n)

    with evaluating(StubTarget(one)) as (evaluator, _, _):
        assert [at for at, outcome in enumerate(evaluator.evaluate(asks)) if outcome is None] == [7, 47]
    revoked = StubTarget(
        lambda text, n: yes_to_even(text, n) if revoked.asked.total() <= 10 else QuestionBlockedError("403: no")
    )
    with evaluating(revoked) as (evaluator, _, _):
        evaluator.evaluate(asks[:10])
        with pytest.raises(
            TargetError, match=r"3 of 50 calls brought no score; the last one: blocked on row row\d+: 403: no"
        ):
            evaluator.evaluate(asks[10:50])


@pytest.mark.parametrize("fault", sorted(REFUSALS))
def test_a_refused_question_is_data_but_nothing_but_refusals_end_the_run(fault: str) -> None:
    """One row of forty is a score of 0 and counted; where all are refused there is nothing to measure."""
    asks = [(PROMPTS[0], row) for row in ROWS]
    one = StubTarget(lambda text, n: refused(fault) if text == "q0" else yes_to_even(text, n))
    with evaluating(one) as (evaluator, _, _):
        (first, *others) = evaluator.evaluate(asks)
        assert first is not None
        assert (first.score, first.reason) == (0.0, fault)
        assert all(outcome and not outcome.completion.fault for outcome in others)
        assert count_faults(evaluator.outcomes) == {fault: 1}
    with (
        evaluating(StubTarget(lambda text, n: refused(fault))) as (evaluator, _, _),
        pytest.raises(TargetError, match=f"all 40 questions so far were refused: 40 {fault}"),
    ):
        evaluator.evaluate(asks)


@pytest.mark.parametrize(("unreported", "stops"), [(1, False), (40, True)])
def test_an_answer_whose_cost_is_unknown_is_missing(unreported: int, stops: bool) -> None:
    """Of one the run goes on; a server that never reports is told of, with the way out."""
    target = StubTarget(lambda text, n: Completion("yes", None if int(text[1:]) < unreported else 3, 1))
    objective = Objective("weighted", {"exact_match": 1.0}, (("prompt_tokens", -0.1, 100.0),), "exact_match")
    with evaluating(target, objective=objective) as (evaluator, notes, budget):
        asks = [(PROMPTS[0], row) for row in ROWS]
        if stops:
            with pytest.raises(TargetError, match=r"does not report prompt_tokens.*take the cost out"):
                evaluator.evaluate(asks)
        else:
            assert [outcome is None for outcome in evaluator.evaluate(asks)] == [True] + [False] * 39
        assert len(notes.outcomes) == budget.spent.total == 40 - unreported


def test_outcomes_from_before_an_interruption_are_used_not_asked() -> None:
    """A resumed run counts its old answers as calls, so it takes the same course, and pays for none of them."""
    asks = [(prompt, row) for prompt in PROMPTS for row in ROWS[:4]]
    with evaluating(StubTarget(yes_to_even)) as (evaluator, notes, budget):
        before = evaluator.evaluate(asks)
        total = budget.spent.total
    target = StubTarget(yes_to_even)
    with evaluating(target, known=notes.outcomes[:9]) as (evaluator, newer, budget):
        assert evaluator.evaluate(asks) == before
        assert budget.spent.total == total
        assert len(newer.outcomes) == target.asked.total() == 3
        assert budget.spent.paid == 12


def test_answers_kept_before_an_interruption_are_scored_not_asked() -> None:
    """Those without an outcome; they are paid for, and recorded like any other."""
    asks = [(prompt, row) for prompt in PROMPTS for row in ROWS[:4]]
    with evaluating(StubTarget(yes_to_even)) as (evaluator, notes, _):
        before = evaluator.evaluate(asks, uniform=[True] * 5)
        assert len(notes.answers) == 12
    target = StubTarget(yes_to_even)
    rest = {"known": notes.outcomes[:4], "unscored": dict([*notes.answers.items()][:9])}
    with evaluating(target, **rest) as (evaluator, newer, budget):
        assert budget.spent.paid == 9
        assert evaluator.evaluate(asks, uniform=[True] * 5) == before
        assert target.asked.total() == len(newer.answers) == 3
        assert newer.outcomes == notes.outcomes[4:]
        assert (budget.spent.total, budget.spent.paid, budget.spent.prompt_tokens) == (12, 12, 36)


def test_what_was_paid_before_an_interruption_still_counts_against_the_limits() -> None:
    """Resuming does not start with a full purse."""
    asks = [(PROMPTS[0], row) for row in ROWS[:10]]
    with evaluating(StubTarget(yes_to_even)) as (evaluator, notes, _):
        evaluator.evaluate(asks)
    with evaluating(StubTarget(yes_to_even), known=notes.outcomes) as (_, _, budget):
        assert (budget.spent.paid, budget.spent.prompt_tokens, budget.spent.completion_tokens) == (10, 30, 10)
        assert budget.spent.total == 0
