"""Metrics that are code of the user's: what they raise is told by name, and they have only so much time."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from promptrl.errors import GradingError, Problem, PromptrlError
from promptrl.llm.base import excerpt
from promptrl.tasks.metrics.base import Metric, MetricContext, Pair, Score, Scorer
from promptrl.tasks.metrics.time_limit import OutOfTimeError, in_time

GRADING_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class TrustedMetric:
    """A metric of the user's under its name in the config.

    Attributes:
        name: As the config calls it.
        metric: The code.
        calls_per_answer: As the metric says.
        timeout_s: Seconds that it may take for an answer, unless it asks a model.
    """

    name: str
    metric: Metric
    calls_per_answer: int = 0
    timeout_s: float = GRADING_TIMEOUT_S

    def open(self, context: MetricContext) -> "TrustedScorer":
        """The metric, open.

        Raises:
            GradingError: It can't be opened, or raised an error.
        """
        with _faults_told(self.name):
            return TrustedScorer(self, self.metric.open(context), context)


@dataclass(frozen=True, slots=True)
class TrustedScorer:
    """Such a metric that is open."""

    metric: TrustedMetric
    scorer: Scorer
    context: MetricContext

    def score_many(self, batch: Sequence[Pair]) -> list[Any]:
        """Whatever it gives for each answer; who asks looks at that.

        One that asks no model is given one answer at a time. Where that takes too long the score is missing.

        Raises:
            GradingError: It raised an error, or did not give one score for each answer.
        """
        if self.metric.calls_per_answer:
            with _faults_told(self.metric.name):
                return self._asked(batch)
        return [self._score(pair) for pair in batch]

    def _score(self, pair: Pair) -> Any:
        limit_s = min(self.metric.timeout_s, self.context.seconds_left())
        try:
            with _faults_told(self.metric.name, f" on {self.context.name_row(pair[0])}"):
                return in_time(limit_s, lambda: self._asked([pair]))[0]
        except OutOfTimeError:
            return Score(math.nan, f"it took more than {max(0.0, limit_s):.3g} s (timeout_s)")

    def _asked(self, batch: Sequence[Pair]) -> list[Any]:
        scores: object = self.scorer.score_many(batch)
        listed = list(scores) if isinstance(scores, Iterable) else None
        if listed is None or len(listed) != len(batch):
            found = type(scores).__name__ if listed is None else f"{len(listed)} scores"
            message = f"{self.metric.name} gave {found} for {len(batch)} answers, expected one for each"
            raise GradingError([Problem("reward.metrics", message)])
        return listed


@contextmanager
def _faults_told(name: str, where: str = "") -> Iterator[None]:
    try:
        yield
    except PromptrlError:
        raise
    except (Exception, SystemExit) as error:
        message = f"{name} raised {type(error).__name__}: {excerpt(str(error))}{where}"
        raise GradingError([Problem("reward.metrics", message)]) from error
