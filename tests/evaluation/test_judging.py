"""Metrics that ask models: through the engine, counted for themselves, never 0 for want of an answer, resumable."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptrl.errors import BudgetExhaustedError, TargetError
from promptrl.evaluation.evaluator import Evaluator
from promptrl.evaluation.outcome import Outcome
from promptrl.llm.base import Completion, CompletionError, Message, TransientError
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.runs.outcome_file import OutcomeFile, outcome_from_json
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Metric, Score, build_metric
from promptrl.tasks.metrics.base import MetricContext, Pair, Question
from promptrl.tasks.metrics.text import ExactMatch
from promptrl.tasks.objective import Objective
from tests.servers.stub_target import StubTarget

ROWS = [Example(f"row{i}", {"q": f"q{i}"}, "yes", {}) for i in range(40)]
PROMPT = Prompt((("task", "Answer."),), (), UserTemplate("{q}"))
ASKS = [(PROMPT, row) for row in ROWS]


@dataclass(frozen=True)
class Politeness:
    """A judge: asks whether an answer is polite."""

    name: str = "polite"
    calls_per_answer: int = 1

    def open(self, context: MetricContext) -> "OpenPoliteness":
        """With the questions' door."""
        return OpenPoliteness(context)


@dataclass(frozen=True)
class OpenPoliteness:
    """The judge at work."""

    context: MetricContext

    def score_many(self, batch: Sequence[Pair]) -> list[Score | CompletionError]:
        """Ask about the whole batch at once."""
        questions = [
            Question(position, (Message("user", f"polite? {example.id}: {completion.text}"),), {"max_tokens": 3})
            for position, (example, completion) in enumerate(batch)
        ]
        return [
            answer if isinstance(answer, CompletionError) else Score(float(answer.text == "9") or 0.5, answer.text)
            for answer in self.context.ask(questions)
        ]


def answering(text: str, attempt: int) -> Completion | Exception:
    """The target says no to odd rows; the judge finds a yes polite."""
    if text.startswith("polite?"):
        return Completion("9" if text.endswith("yes") else "rude", 20, 1)
    return Completion("yes" if int(text[1:]) % 2 == 0 else "no", 3, 1)


class Judged:
    """An evaluator with two metrics, one of which asks, and a log on disk."""

    def __init__(
        self,
        folder: Path,
        answer: Callable[[str, int], Completion | Exception] = answering,
        max_calls: int = 1000,
        known: Sequence[Outcome] = (),
        concurrency: int = 4,
        judge: Metric | None = None,
    ) -> None:
        self.target = StubTarget(answer)
        self.budget = Budget(max_calls=max_calls)
        metrics: list[Metric] = [judge or Politeness(), build_metric(ExactMatch(), name="right", examples=ROWS)]
        self.log = OutcomeFile(folder, lambda prompt: [])
        self.engine = Engine(self.target, budget=self.budget, cache=None, max_retries=0, concurrency=concurrency)
        parts: dict[str, Any] = {"params": {}, "log": self.log, "known": known, "unscored": self.log.unscored}
        self.evaluator = Evaluator(
            self.engine,
            budget=self.budget,
            metrics=metrics,
            objective=Objective("weighted", {"polite": 1.0, "right": 1.0}),
            **parts,
        )

    def questions(self) -> int:
        """How often the judge was asked."""
        return sum(count for text, count in self.target.asked.items() if text.startswith("polite?"))

    def close(self) -> None:
        """Close engine and log, as the end of a process would."""
        self.engine.close()
        self.log.close()


def test_a_metric_that_asks_gives_scores_with_reasons(tmp_path: Path) -> None:
    """Every metric's reason is kept; what the judge said belongs to the outcome; its calls are counted apart."""
    with closing(Judged(tmp_path)) as run:
        outcomes = run.evaluator.evaluate(ASKS)
        right, wrong = outcomes[:2]
        assert right is not None
        assert wrong is not None
        assert (right.scores, right.objective) == ({"polite": 1.0, "right": 1.0}, 1.0)
        assert (wrong.scores, wrong.objective) == ({"polite": 0.5, "right": 0.0}, 0.25)
        assert wrong.reasons == {"polite": "rude", "right": "got 'no', expected 'yes'"}
        assert (wrong.score, wrong.reason) == (0.5, "rude")
        assert [answer.text for answer in wrong.judged] == ["rude"]
        assert run.budget.spent.calls == {"search": 40, "judge": 40}
        assert (run.budget.spent.paid, run.budget.spent.prompt_tokens) == (80, 40 * 23)


def test_an_answer_with_a_fault_scores_0_and_nobody_is_asked(tmp_path: Path) -> None:
    """Whatever a judge would say of an empty text: the fault is the reason, and no call is spent on it."""

    def filtered(text: str, attempt: int) -> Completion | Exception:
        if text == "q1":
            return Completion("", 3, 0, fault="content_filter")
        return answering(text, attempt)

    with closing(Judged(tmp_path, filtered)) as run:
        first, second = run.evaluator.evaluate(ASKS[:2])
        assert first is not None
        assert second is not None
        assert (first.scores, second.scores) == ({"polite": 1.0, "right": 1.0}, {"polite": 0.0, "right": 0.0})
        assert (second.reason, second.judged) == ("content_filter", ())
        assert run.questions() == run.budget.spent.calls["judge"] == 1


def test_an_equal_question_about_an_answer_is_asked_once(tmp_path: Path) -> None:
    """In one go or later: it is counted once, so that a resumed run counts as many."""

    @dataclass(frozen=True)
    class Twice(Politeness):
        def open(self, context: MetricContext) -> OpenPoliteness:
            return OpenPoliteness(replace(context, ask=lambda questions: self._twice(context, questions)))

        @staticmethod
        def _twice(context: MetricContext, questions: Sequence[Question]) -> list[Completion | CompletionError]:
            answers = context.ask([*questions, *questions])
            assert answers[: len(questions)] == answers[len(questions) :] == context.ask(questions)
            return answers[: len(questions)]

    with closing(Judged(tmp_path, judge=Twice())) as run:
        outcomes = run.evaluator.evaluate(ASKS)
        assert run.questions() == 40
        assert run.budget.spent.calls == {"search": 40, "judge": 40}
        assert all(outcome is not None and len(outcome.judged) == 1 for outcome in outcomes)


def test_what_is_set_aside_for_judging_is_all_that_a_metric_gets(tmp_path: Path) -> None:
    """Beyond it the budget ends; what has an answer keeps it and needs only the judge."""
    with closing(Judged(tmp_path, max_calls=100)) as run:
        run.budget.reserve_share("judge", 10)
        with pytest.raises(BudgetExhaustedError, match="none left for judge"):
            run.evaluator.evaluate(ASKS[:12])
        assert run.questions() == 10
        assert run.budget.spent.calls["search"] == run.budget.spent.calls["judge"] == 0
        run.budget.release_share("judge")
        assert None not in run.evaluator.evaluate(ASKS[:12])
        assert run.target.asked.total() == 24
        assert run.budget.spent.calls == {"search": 12, "judge": 12}


def test_an_answer_without_a_judgement_is_missing_and_not_0(tmp_path: Path) -> None:
    """Its calls are given back; another try asks the judge alone."""

    def answer(text: str, attempt: int) -> Completion | Exception:
        is_lost = text.startswith("polite? row7:") and attempt == 1
        return TransientError("server", "500") if is_lost else answering(text, attempt)

    with closing(Judged(tmp_path, answer)) as run:
        outcomes = run.evaluator.evaluate(ASKS)
        assert [position for position, outcome in enumerate(outcomes) if outcome is None] == [7]
        assert run.budget.spent.calls == {"search": 39, "judge": 39}
        again = run.evaluator.evaluate(ASKS)[7]
        assert again is not None
        assert again.scores == {"polite": 0.5, "right": 0.0}
        assert (run.target.asked["q7"], run.questions()) == (1, 41)
        assert run.budget.spent.calls == {"search": 40, "judge": 40}


def test_a_judge_that_fails_too_often_stops_the_run(tmp_path: Path) -> None:
    """As a target would, at more than 5 % of the calls; the others' outcomes are kept."""

    def answer(text: str, attempt: int) -> Completion | Exception:
        is_lost = text.startswith(("polite? row3:", "polite? row5:", "polite? row6:"))
        return TransientError("server", "500") if is_lost else answering(text, attempt)

    with closing(Judged(tmp_path, answer)) as run:
        with pytest.raises(TargetError, match="3 of 40 calls brought no score; the last one: server on row row6: 500"):
            run.evaluator.evaluate(ASKS)
        assert len(run.evaluator.outcomes) == 37


@pytest.mark.parametrize("n_before", [0, 4])
def test_a_killed_run_pays_for_no_judgement_twice(n_before: int, tmp_path: Path) -> None:
    """Judges' answers are on disk before they are scored: the resumed run asks the rest and counts all of them."""
    (tmp_path / "whole").mkdir()
    with closing(Judged(tmp_path / "whole")) as run:
        expected = run.evaluator.evaluate(ASKS[:20])
        spent = run.budget.spent

    def killed(text: str, attempt: int) -> Completion | Exception:
        is_last = text.startswith("polite? row13:")
        return RuntimeError("killed") if is_last else answering(text, attempt)

    (tmp_path / "killed").mkdir()
    with closing(Judged(tmp_path / "killed", killed, concurrency=1)) as run:
        run.evaluator.evaluate(ASKS[:n_before])
        with pytest.raises(RuntimeError, match="killed"):
            run.evaluator.evaluate(ASKS[:20])
    lines = (tmp_path / "killed" / "outcomes.jsonl").read_text(encoding="utf-8").splitlines()
    known = [outcome_from_json(json.loads(line)) for line in lines]
    assert len(known) == n_before
    with closing(Judged(tmp_path / "killed", known=known)) as run:
        kept = [key for key, question in run.log.unscored if question]
        assert 13 - n_before <= len(kept) < 20 - n_before
        assert run.evaluator.evaluate(ASKS[:20]) == expected
        assert run.questions() == run.target.asked.total() == 20 - n_before - len(kept)
        assert run.budget.spent == spent
    assert not (tmp_path / "killed" / ".answers.jsonl").exists()
