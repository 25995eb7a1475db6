"""Scores batches of answers with every metric, and puts the questions of those that ask models to the engine.

What a model says of an answer belongs to that answer: it is counted under the purpose "judge", kept on disk until the
outcome is, and handed on with it, so that a resumed run asks nothing twice and knows what it has paid for.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from promptrl.errors import GradingError, Problem
from promptrl.evaluation.outcome import AnswerKey, AskKey
from promptrl.llm.base import Completion, CompletionError, Messages, Purpose, Request, excerpt
from promptrl.llm.engine.budget import Budget
from promptrl.llm.engine.engine import Engine
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics import Metric, Score
from promptrl.tasks.metrics.base import MetricContext, NameRow, Pair, Question, RepeatableScorer, as_score, named_by_id

Baseline = Callable[[Example], tuple[Messages, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Graded:
    """The scores of one answer by name of metric, and what models said when they were asked about it."""

    scores: Mapping[str, Score]
    judged: tuple[Completion, ...]


class Scoring:
    """All metrics of a run, open.

    Args:
        metrics: To be opened.
        engine: Answers their questions.
        budget: The engine's budget.
        keep: Puts an answer that the cache does not take on disk.
        code_folder: Where the modules of the user's metrics are looked for first.
        known: Answers to questions about answers that have no outcome yet.
        name_row: Names a row in messages.
        asked_of: By the name of a metric, who answers its questions where that is not ``engine``.
        baseline: What the prompt that the run began with asks on a row, and with which parameters.

    Attributes:
        asks_models: Whether any metric does, so that answers are better scored many at a time.

    Raises:
        ConfigError: A metric can't be opened.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        *,
        engine: Engine,
        budget: Budget,
        keep: Callable[[AnswerKey, Completion], object],
        code_folder: Path | None,
        known: Mapping[AnswerKey, Completion],
        name_row: NameRow = named_by_id,
        asked_of: Mapping[str, Engine] = MappingProxyType({}),
        baseline: Baseline | None = None,
    ) -> None:
        self._engine = engine
        self._asked_of = asked_of
        self._budget = budget
        self._keep = keep
        self._known = dict(known)
        self._said: dict[AskKey, dict[str, Completion]] = {}
        self._purpose: Purpose = "search"
        self.asks_models = any(metric.calls_per_answer for metric in metrics)
        self._name_row = name_row
        self._scorers = {
            metric.name: metric.open(
                MetricContext(code_folder, partial(self._ask, metric.name), self._seconds_left, name_row, baseline)
            )
            for metric in metrics
        }

    def score(self, batch: Mapping[AskKey, Pair], purpose: Purpose) -> dict[AskKey, Graded | CompletionError]:
        """Score answers that were asked for a purpose; an error where a score is missing: its calls are given back.

        An answer with a fault scores 0 in every metric, and no metric is asked about it.

        Raises:
            GradingError: A metric gives something else than a score for each answer.
            TargetError: As for ``Engine.stream``; what was said is kept, and its calls are given back.
            BudgetExhaustedError: Likewise, and where a score is missing because the minutes are over.
        """
        self._purpose = purpose
        faults = {key: completion.fault for key, (_, completion) in batch.items() if completion.fault}
        graded: dict[AskKey, Graded | CompletionError] = {
            key: Graded(dict.fromkeys(self._scorers, Score(0.0, fault)), ()) for key, fault in faults.items()
        }
        sound = {key: pair for key, pair in batch.items() if key not in faults}
        self._said = {key: {} for key in sound}
        try:
            scorers = self._scorers if sound else {}
            pairs = list(sound.values())
            scores = {name: self._checked(name, scorer.score_many(pairs), pairs) for name, scorer in scorers.items()}
            if any(isinstance(score, CompletionError) for given in scores.values() for score in given):
                self._budget.check_time(purpose)
            for position, key in enumerate(sound):
                graded[key] = self._graded(key, {name: given[position] for name, given in scores.items()})
        finally:
            for key in sound:
                if not isinstance(graded.get(key), Graded):
                    self._give_back(key)
        return graded

    def score_again(
        self, metric: str, batch: Sequence[Pair], times: int
    ) -> Sequence[Sequence[Score | CompletionError]]:
        """Let a metric that asks models score answers that no prompt has brought, so many times each anew.

        Nothing comes of these but their calls, which are those of judging.

        Raises:
            TargetError: As for ``Engine.stream``.
            BudgetExhaustedError: Likewise.
        """
        scorer = self._scorers[metric]
        if not isinstance(scorer, RepeatableScorer):
            raise TypeError(f"{metric} scores the same answer once")
        self._purpose = "judge"
        self._said = {(f"{metric} check", row.id, at): {} for at, (row, _) in enumerate(batch)}
        return scorer.score_again(batch, times)

    def _checked(self, metric: str, scores: Sequence[object], pairs: Sequence[Pair]) -> list[Score | CompletionError]:
        """What a metric gave for each answer; a score that it could not tell is missing.

        Raises:
            GradingError: It is something else than scores; names the metric and the row.
        """
        given = zip(scores, pairs, strict=True)
        return [_checked_one(metric, score, self._name_row(example)) for score, (example, _) in given]

    def _seconds_left(self) -> float:
        return self._budget.seconds_left(self._purpose)

    def _graded(self, key: AskKey, scores: Mapping[str, Score | CompletionError]) -> Graded | CompletionError:
        good = {name: score for name, score in scores.items() if isinstance(score, Score)}
        lost = next((score for score in scores.values() if isinstance(score, CompletionError)), None)
        return lost or Graded(good, tuple(self._said[key].values()))

    def _give_back(self, key: AskKey) -> None:
        """Keep what was said for another try, which counts its calls anew."""
        said = self._said[key]
        self._budget.return_calls("judge", len(said))
        self._known.update({(key, question): answer for question, answer in said.items()})

    def _keep_one(self, keys: Sequence[AnswerKey], at: int, answer: Completion) -> None:
        self._keep(keys[at], answer)

    def _ask(self, metric: str, questions: Sequence[Question]) -> list[Completion | CompletionError]:
        """Answer the questions of a metric about the batch that is being scored."""
        places = list(self._said)
        asked = [(places[question.position], _question_id(metric, question)) for question in questions]
        wanted = dict(zip(asked, questions, strict=True))  # an equal question about the same answer is one question
        answers: dict[AnswerKey, Completion | CompletionError] = {
            (of, question): self._said[of][question] for of, question in wanted if question in self._said[of]
        }
        for key in wanted.keys() & self._known.keys():
            answers[key] = known = self._known.pop(key)
            self._budget.take_calls("judge", 1)
            self._budget.count_cached(known.is_cached)
        new = [key for key in wanted if key not in answers]
        try:
            for of_target, keys in _by_model(new, wanted).items():
                requests = [
                    Request(wanted[key].messages, wanted[key].params, wanted[key].repeat, "judge") for key in keys
                ]
                engine = self._engine if of_target else self._asked_of.get(metric, self._engine)
                with closing(engine.stream(requests, partial(self._keep_one, keys))) as found:
                    for at, answer in found:
                        answers[keys[at]] = answer
        finally:
            for (of, question), answer in answers.items():
                if isinstance(answer, Completion):
                    self._said[of][question] = answer
        return [answers[key] for key in asked]


def _by_model(keys: Sequence[AnswerKey], questions: Mapping[AnswerKey, Question]) -> dict[bool, list[AnswerKey]]:
    """Questions to the target itself apart from those to whoever answers for the metric."""
    apart: dict[bool, list[AnswerKey]] = {}
    for key in keys:
        apart.setdefault(questions[key].of_target, []).append(key)
    return apart


def _checked_one(metric: str, given: object, row: str) -> Score | CompletionError:
    """What a metric gave for an answer to a row with this name."""
    if isinstance(given, CompletionError):
        return given
    try:
        score = as_score(given)
    except ValueError as error:
        raise GradingError([Problem("reward.metrics", f"{metric} {excerpt(str(error))} on {row}")]) from error
    if math.isnan(score.value):
        why = f": {excerpt(score.reason)}" if score.reason else ""
        return CompletionError("score", f"{metric} could not tell one on {row}{why}")
    return score


def _question_id(metric: str, question: Question) -> str:
    """The same for the same question of the same metric, in every process."""
    content = [metric, [asdict(message) for message in question.messages], dict(question.params), question.repeat]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
