"""Scores prompts on examples: one concurrent batch in, one outcome per pair out, each answer asked once a run.

The evaluator is the only door from the search to the model. It remembers every outcome of the run, so that asking
again is free and a resumed run (handed its own outcomes) pays for nothing twice.
"""

import time
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import closing
from types import MappingProxyType
from typing import Any, Protocol

from promptrl.errors import BudgetExhaustedError, TargetError
from promptrl.evaluation.outcome import Ask, AskKey, Outcome
from promptrl.llm.base import Completion, CompletionError, Purpose, Request
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.prompts.prompt import Prompt
from promptrl.tasks.metrics import Metric
from promptrl.tasks.objective import Objective

MAX_MISSING_SHARE = 0.05
MAX_MISSING_CALLS = 2
"""So many lost calls never stop a run: one of the first nine would be more than 5 %."""


class OutcomeLog(Protocol):
    """Keeps answers and outcomes on disk."""

    def keep(self, key: AskKey, completion: Completion) -> None:
        """Write down an answer that nothing else keeps until it is scored; called in the engine's event loop."""

    def record(self, outcomes: Sequence[tuple[Prompt, Outcome]]) -> None:
        """Write them down before anyone acts on them."""


class Evaluator:
    """Turns (prompt, example) pairs into outcomes through the engine.

    Args:
        engine: Where answers come from.
        budget: The engine's budget.
        metrics: One per name in the objective.
        objective: How metrics and costs become one number.
        params: Sampling parameters sent with every request.
        log: Where new outcomes are written before they are returned.
        known: Outcomes of this very run from before an interruption.
        unscored: Answers of this very run from before an interruption that have not become outcomes.

    Attributes:
        asking_s: Seconds spent so far on getting and scoring answers.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        budget: Budget,
        metrics: Sequence[Metric],
        objective: Objective,
        params: Mapping[str, Any],
        log: OutcomeLog,
        known: Iterable[Outcome] = (),
        unscored: Mapping[AskKey, Completion] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._budget = budget
        self._metrics = tuple(metrics)
        self._objective = objective
        self._params = dict(params)
        self._log = log
        self._resumable = {(o.prompt_id, o.row_id, o.repeat): o for o in known}
        self._unscored = {key: completion for key, completion in unscored.items() if key not in self._resumable}
        answers = [*(outcome.completion for outcome in self._resumable.values()), *self._unscored.values()]
        budget.carry_over(answer for answer in answers if not answer.is_cached)
        self._outcomes: dict[AskKey, Outcome] = {}
        self._missing = 0
        self.asking_s = 0.0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome this run used so far, in the order in which they were first asked."""
        return tuple(self._outcomes.values())

    def calls_left(self, purpose: Purpose) -> int:
        """Calls that may still be spent on a purpose."""
        return self._budget.calls_left(purpose)

    def would_cost(self, asks: Sequence[Ask], repeat: int = 0) -> int:
        """Calls that ``evaluate`` would spend on these pairs: the distinct ones not yet answered in this run."""
        return len({key for key in self._keys(asks, repeat) if key not in self._outcomes})

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """Score pairs, asking the model only for those not yet answered in this run.

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
            TargetError: More than two calls and more than 5 % of the run's calls so far are missing, or the target
                refuses for good.
        """
        keys = self._keys(asks, repeat)
        new = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in self._outcomes}
        left = self.calls_left(purpose)
        if len(new) > left:
            raise BudgetExhaustedError(f"{len(new)} calls needed for {purpose}, {left} left")
        if new:
            began_s = time.monotonic()
            try:
                self._ask(new, purpose, {key for key, is_uniform in zip(keys, uniform, strict=False) if is_uniform})
            finally:
                self.asking_s += time.monotonic() - began_s
        return [self._outcomes.get(key) for key in keys]

    def _ask(self, new: Mapping[AskKey, Ask], purpose: Purpose, uniform: Set[AskKey]) -> None:
        """Ask what no earlier part of this run has answered; log each answer before it is used."""
        for key in [key for key in new if key in self._unscored]:
            self._resumable[key] = self._score(key, new[key], purpose, self._unscored.pop(key), uniform)
        answered = {key: self._resumable[key] for key in new if key in self._resumable}
        self._budget.take_calls(purpose, len(answered))
        self._budget.count_cached(sum(outcome.completion.is_cached for outcome in answered.values()))
        jobs = [(key, ask) for key, ask in new.items() if key not in answered]
        requests = [
            Request(prompt.render(example.fields), self._params, key[2], purpose) for key, (prompt, example) in jobs
        ]
        lost: CompletionError | None = None
        try:
            stream = self._engine.stream(requests, lambda index, answer: self._log.keep(jobs[index][0], answer))
            with closing(stream) as answers:
                for index, answer in answers:
                    key, ask = jobs[index]
                    if isinstance(answer, CompletionError):
                        lost = answer
                        self._missing += 1
                        continue
                    answered[key] = self._score(key, ask, purpose, answer, uniform)
        finally:
            self._outcomes.update((key, answered[key]) for key in new if key in answered)
        asked = len(self._outcomes) + self._missing
        if lost is not None and self._missing > max(MAX_MISSING_CALLS, MAX_MISSING_SHARE * asked):
            failed = f"{self._missing} of {asked} calls failed after their retries"
            raise TargetError(f"{failed}; the last one: {lost.kind}: {lost.message}")

    def _score(self, key: AskKey, ask: Ask, purpose: Purpose, completion: Completion, uniform: Set[AskKey]) -> Outcome:
        """The outcome, recorded."""
        prompt, example = ask
        graded = {metric.name: metric.score(example, completion) for metric in self._metrics}
        scores = {name: grade.value for name, grade in graded.items()}
        gate = graded[self._objective.gate_metric]
        outcome = Outcome(
            prompt_id=prompt.prompt_id,
            row_id=example.id,
            repeat=key[2],
            purpose=purpose,
            completion=completion,
            scores=scores,
            objective=self._objective.value(scores, completion),
            score=gate.value,
            reason=completion.fault or gate.reason,
            uniform=key in uniform,
        )
        self._log.record([(prompt, outcome)])
        return outcome

    @staticmethod
    def _keys(asks: Sequence[Ask], repeat: int) -> list[AskKey]:
        return [(prompt.prompt_id, example.id, repeat) for prompt, example in asks]
