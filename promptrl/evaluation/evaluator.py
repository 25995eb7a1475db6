"""Scores prompts on examples: one concurrent batch in, one outcome per pair out, each answer asked once a run.

The evaluator is the only door from the search to the model. It remembers every outcome of the run, so that asking
again is free and a resumed run (handed its own outcomes) pays for nothing twice.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from promptrl.errors import BudgetExhaustedError, ScoresMissingError, TargetError
from promptrl.evaluation.outcome import AnswerKey, Ask, AskKey, Outcome, count_faults
from promptrl.evaluation.scoring import Graded, Scoring
from promptrl.llm.base import BLOCKED, REFUSALS, Completion, CompletionError, Purpose, Request
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.prompts.prompt import Prompt
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Metric, Score
from promptrl.tasks.metrics.base import NameRow, Pair, named_by_id
from promptrl.tasks.objective import Objective

MAX_MISSING_SHARE = 0.05
MAX_MISSING_CALLS = 2
"""So many lost calls never stop a run: one of the first nine would be more than 5 %."""
MIN_REFUSED = 10
"""With so many questions refused and none answered, the rest would be refused as well."""
JUDGED_BATCH = 64
"""Answers scored together when a metric asks models, so that its questions are under way at one time."""


class OutcomeLog(Protocol):
    """Keeps answers and outcomes on disk."""

    def keep(self, key: AnswerKey, completion: Completion) -> None:
        """Write down an answer that nothing else keeps until it is scored; called in the engine's event loop."""

    def record(self, outcomes: Sequence[tuple[Prompt, Outcome]]) -> None:
        """Write down what is not yet, before anyone acts on it; outcomes of a resumed run come here once more."""


class Evaluator:
    """Turns (prompt, example) pairs into outcomes through the engine.

    Args:
        engine: Where answers come from.
        budget: The engine's budget.
        metrics: One per name in the objective.
        objective: How metrics and costs become one number.
        params: Sampling parameters sent with every request.
        log: Where new outcomes are written before they are returned.
        code_folder: Where the modules of the user's metrics are looked for first.
        known: Outcomes of this very run from before an interruption.
        unscored: Answers of this very run from before an interruption, of the target and to metrics' questions, that
            have not become outcomes.
        name_row: Names a row in messages.
        asked_of: By the name of a metric, who answers its questions where that is not the target.
        baseline: The prompt that the run began with, for metrics that compare with its answers.

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
        code_folder: Path | None = None,
        known: Iterable[Outcome] = (),
        unscored: Mapping[AnswerKey, Completion] = MappingProxyType({}),
        name_row: NameRow = named_by_id,
        asked_of: Mapping[str, Engine] = MappingProxyType({}),
        baseline: Prompt | None = None,
    ) -> None:
        self._engine = engine
        self._budget = budget
        self._objective = objective
        self._params = dict(params)
        self._log = log
        self._resumable = {(o.prompt_id, o.row_id, o.repeat): o for o in known}
        waiting = {key: answer for key, answer in unscored.items() if key[0] not in self._resumable}
        self._unscored = {key: answer for (key, question), answer in waiting.items() if not question}
        self._scoring = Scoring(
            metrics,
            engine=engine,
            budget=budget,
            keep=log.keep,
            code_folder=code_folder,
            known=waiting,
            name_row=name_row,
            asked_of=asked_of,
            baseline=None if baseline is None else lambda row: (baseline.render(row.fields), self._params),
        )
        self._batch_size = JUDGED_BATCH if self._scoring.asks_models else 1
        outcomes = self._resumable.values()
        paid = [*(answer for o in outcomes for answer in (o.completion, *o.judged)), *waiting.values()]
        budget.carry_over(answer for answer in paid if not answer.is_cached)
        self._outcomes: dict[AskKey, Outcome] = {}
        self._missing: Counter[AskKey] = Counter()
        self._lost: tuple[Example, CompletionError] | None = None
        self._name_row = name_row
        self._open = 0
        self.asking_s = 0.0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every outcome this run used so far, in the order in which they were first asked."""
        return tuple(self._outcomes.values())

    def kept_answers(self) -> list[Completion]:
        """What an earlier process of the run has paid for and this one has not used so far."""
        waiting = [o for key, o in self._resumable.items() if key not in self._outcomes]
        return [answer for o in waiting for answer in (o.completion, *o.judged)]

    def calls_left(self, purpose: Purpose) -> int:
        """Calls that may still be spent on a purpose."""
        return self._budget.calls_left(purpose)

    def calls_used(self, purpose: Purpose) -> int:
        """Calls that were spent on a purpose."""
        return self._budget.calls_used(purpose)

    def would_cost(self, asks: Sequence[Ask], repeat: int = 0) -> int:
        """Calls that ``evaluate`` would spend on these pairs: the distinct ones not yet answered in this run."""
        return len({key for key in self._keys(asks, repeat) if key not in self._outcomes})

    def evaluate(
        self, asks: Sequence[Ask], purpose: Purpose = "search", repeat: int = 0, uniform: Sequence[bool] = ()
    ) -> list[Outcome | None]:
        """As ``Evaluate`` says; the model is asked only for pairs not yet answered in this run.

        Raises:
            BudgetExhaustedError: As there.
            TargetError: More than two calls and more than 5 % of the run's calls so far brought no score, or the target
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

    def score_again(
        self, metric: str, batch: Sequence[Pair], times: int
    ) -> Sequence[Sequence[Score | CompletionError]]:
        """Let a metric score answers that no prompt has brought, so many times each anew; raises as ``evaluate``."""
        return self._scoring.score_again(metric, batch, times)

    def _ask(self, new: Mapping[AskKey, Ask], purpose: Purpose, uniform: Set[AskKey]) -> None:
        """Ask what no earlier part of this run has answered; log each answer before it is used."""
        self._lost = None
        self._open = len(new)
        answered = {key: self._resumable[key] for key in new if key in self._resumable}
        self._take_again(answered.values(), purpose)
        self._count_used(answered, new)
        self._log.record([(new[key][0], outcome) for key, outcome in answered.items()])
        unscored = {key: self._unscored.pop(key) for key in new if key in self._unscored}
        self._budget.take_calls(purpose, len(unscored))
        self._budget.count_cached(sum(completion.is_cached for completion in unscored.values()))
        score = partial(self._score, asks=new, purpose=purpose, uniform=uniform, into=answered)
        keys = [key for key in new if key not in answered and key not in unscored]
        try:
            score(unscored)
            self._ask_target(keys, new, purpose, score)
        finally:
            self._outcomes.update((key, answered[key]) for key in new if key in answered)
            self._open = 0
        self._check_missing()
        self._check_refused()

    def _check_refused(self) -> None:
        """One refused question is data of its row; where nothing else comes back there is nothing to measure."""
        outcomes = self._outcomes.values()
        if len(outcomes) >= MIN_REFUSED and all(o.completion.fault in REFUSALS for o in outcomes):
            counts = ", ".join(f"{count} {fault}" for fault, count in count_faults(outcomes).items())
            raise TargetError(f"all {len(outcomes)} questions so far were refused: {counts}")

    def _check_missing(self) -> None:
        """Stop where too many answers are missing, even if all that are still open were to come."""
        missing = self._missing.total()
        asked = len(self._outcomes) + missing + self._open
        if self._lost is not None and missing > max(MAX_MISSING_CALLS, MAX_MISSING_SHARE * asked):
            row, error = self._lost
            failed = f"{missing} of {asked} calls brought no score"
            place = "" if error.kind == "score" else f" on {self._name_row(row)}"
            told = f"{failed}; the last one: {error.kind}{place}: {error.message}"
            raise ScoresMissingError(told) if error.kind == "score" else TargetError(told)

    def _take_again(self, outcomes: Collection[Outcome], purpose: Purpose) -> None:
        """Count the calls of outcomes from before an interruption as if they were made now."""
        self._budget.take_calls(purpose, len(outcomes))
        self._budget.take_calls("judge", sum(len(outcome.judged) for outcome in outcomes))
        answers = [answer for outcome in outcomes for answer in (outcome.completion, *outcome.judged)]
        self._budget.count_cached(sum(answer.is_cached for answer in answers))

    def _count_used(self, outcomes: Mapping[AskKey, Outcome], asks: Mapping[AskKey, Ask]) -> None:
        """Tell the budget what the answers cost that the run goes on with, where it wants to know."""
        for key, outcome in outcomes.items() if self._budget.limits_cost else ():
            bound = self._engine.most_cost(self._request(key, asks[key], outcome.purpose))
            self._budget.count_used(outcome.purpose, outcome.completion, bound)
            for said in outcome.judged:
                self._budget.count_used("judge", said)

    def _request(self, key: AskKey, ask: Ask, purpose: Purpose) -> Request:
        prompt, example = ask
        return Request(prompt.render(example.fields), self._params, key[2], purpose)

    def _ask_target(
        self,
        keys: Sequence[AskKey],
        asks: Mapping[AskKey, Ask],
        purpose: Purpose,
        score: Callable[[Mapping[AskKey, Completion]], None],
    ) -> None:
        """Ask the target and score what arrives: at once, or many answers together where that takes questions."""
        requests = [self._request(key, asks[key], purpose) for key in keys]
        arrived: dict[AskKey, Completion] = {}
        stream = self._engine.stream(requests, lambda index, answer: self._log.keep((keys[index], ""), answer))
        try:
            with closing(stream) as answers:
                for index, answer in answers:
                    if isinstance(answer, CompletionError):
                        self._lose(keys[index], asks[keys[index]], answer, purpose)
                        if answer.kind == BLOCKED:
                            self._check_missing()  # at once: with a key that was revoked no other will come
                        continue
                    arrived[keys[index]] = answer
                    if len(arrived) >= self._batch_size:
                        batch, arrived = arrived, {}
                        score(batch)
        except BudgetExhaustedError:
            score(arrived)
            raise
        score(arrived)

    def _score(
        self,
        completions: Mapping[AskKey, Completion],
        *,
        asks: Mapping[AskKey, Ask],
        purpose: Purpose,
        uniform: Set[AskKey],
        into: dict[AskKey, Outcome],
    ) -> None:
        """Turn answers into outcomes and record them.

        One whose score is missing gives its calls back and is kept, with what models said of it, for another try.
        """
        if not completions:
            return
        scored: dict[AskKey, Outcome] = {}
        try:
            graded = self._scoring.score(
                {key: (asks[key][1], completions[key]) for key in self._priced(completions, asks, purpose)}, purpose
            )
            for key, grades in graded.items():
                if isinstance(grades, CompletionError):
                    self._lose(key, asks[key], grades, purpose)
                else:
                    scored[key] = self._outcome(key, completions[key], grades, purpose, uniform)
            self._log.record([(asks[key][0], outcome) for key, outcome in scored.items()])
            into.update(scored)
            self._count_used(scored, asks)
            if len(scored) < len(completions):
                self._check_missing()  # at once: a metric that takes too long does so for every answer
        finally:
            left = {key: completion for key, completion in completions.items() if key not in scored}
            self._unscored.update(left)
            self._budget.return_calls(purpose, len(left))

    def _priced(
        self, completions: Mapping[AskKey, Completion], asks: Mapping[AskKey, Ask], purpose: Purpose
    ) -> list[AskKey]:
        """The answers whose costs are known, as far as the objective has any; the others are missing."""
        unknown = {key: self._objective.unknown_cost(completion) for key, completion in completions.items()}
        for key, why in unknown.items():
            if why is not None:
                self._lose(key, asks[key], CompletionError("usage", why), purpose)
        return [key for key, why in unknown.items() if why is None]

    def _lose(self, key: AskKey, ask: Ask, error: CompletionError, purpose: Purpose) -> None:
        """Count an answer that brought no score; a test asks for it once more, and that makes it no second one."""
        self._missing[key] = 1 if purpose == "test" else self._missing[key] + 1
        self._lost = ask[1], error
        self._open -= 1

    def _outcome(
        self,
        key: AskKey,
        completion: Completion,
        graded: Graded,
        purpose: Purpose,
        uniform: Set[AskKey],
    ) -> Outcome:
        """What came of an answer."""
        scores = {name: score.value for name, score in graded.scores.items()}
        gate = graded.scores[self._objective.gate_metric]
        return Outcome(
            prompt_id=key[0],
            row_id=key[1],
            repeat=key[2],
            purpose=purpose,
            completion=completion,
            scores=scores,
            objective=self._objective.value(scores, completion),
            score=gate.value,
            reason=completion.fault or gate.reason,
            uniform=key in uniform,
            reasons={name: score.reason for name, score in graded.scores.items() if score.reason},
            judged=graded.judged,
        )

    @staticmethod
    def _keys(asks: Sequence[Ask], repeat: int) -> list[AskKey]:
        return [(prompt.prompt_id, example.id, repeat) for prompt, example in asks]
