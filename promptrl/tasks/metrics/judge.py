"""The metric judge: a model grades each answer by a rubric."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Annotated, ClassVar

from promptrl.errors import Problem, nearest, show
from promptrl.llm.base import Completion, CompletionError, Messages, excerpt
from promptrl.llm.targets.definition import TargetDefinition
from promptrl.settings import Setting, Text
from promptrl.tasks.dataset import Example
from promptrl.tasks.metrics.base import MetricContext, MetricDefinition, Pair, Question, Score, in_quotes
from promptrl.tasks.metrics.judge_questions import COMPARES_WITH_REFERENCE, RUBRICS, points_question
from promptrl.tasks.metrics.judge_replies import Reply, read_points

_OWN_PARAMS = {"temperature": 0, "max_tokens": 256}
"""Of questions to the run's own target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge(MetricDefinition):
    """A model grades each answer by a rubric; what it can't tell is missing, not 0."""

    summary: ClassVar[str] = "A model's grade by a rubric, from 0 to 1."

    rubric: Annotated[
        Text,
        Setting(f"What a good answer is, in your words; or one of {', '.join(RUBRICS)}."),
    ]
    judge: Annotated[
        TargetDefinition | None,
        Setting("The model that judges, declared as `target` is; null: the run's own target, if that is not nano."),
    ] = None
    points: Annotated[int, Setting("Points of the best answer; the worst has 1.", ge=2, le=100)] = 5
    repeats: Annotated[int, Setting("How often the judge is asked about an answer; the mean counts.", ge=1, le=20)] = 1
    reason: Annotated[bool, Setting("The judge also says why, for reports; costs its tokens.")] = True

    @property
    def asks_target(self) -> bool:
        """Where no judge is named."""
        return self.judge is None

    @property
    def needs_reference(self) -> bool:
        """For the rubric that compares with it; others see it where there is one."""
        return self.rubric == COMPARES_WITH_REFERENCE

    @property
    def takes_reference_alone(self) -> bool:
        """A judge is checked by asking it."""
        return False

    def problems(self) -> Iterator[Problem]:
        """A single word is meant to be a built-in rubric."""
        if len(self.rubric.split()) == 1 and self.rubric not in RUBRICS:
            near = nearest(self.rubric, list(RUBRICS))
            message = f"got {show(self.rubric)}, expected a sentence, or one of {', '.join(RUBRICS)}"
            yield Problem("rubric", message, f"did you mean {near}" if near else "say what a good answer is")

    def metric(self, name: str) -> "JudgeMetric":
        """The judge under its name."""
        return JudgeMetric(name, self)


@dataclass(frozen=True, slots=True)
class JudgeMetric:
    """A judge under its name in the config.

    Attributes:
        name: As the config calls it.
        definition: The rubric, and how it is asked.
    """

    name: str
    definition: Judge

    @property
    def calls_per_answer(self) -> int:
        """One question an answer, as often as it is repeated."""
        return self.definition.repeats

    def open(self, context: MetricContext) -> "JudgeScorer":
        """Ready to ask."""
        return JudgeScorer(self.definition, context)


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """A judge that is open."""

    definition: Judge
    context: MetricContext

    def score_many(self, batch: Sequence[Pair]) -> list[Score | CompletionError]:
        """Ask about all answers at once; the mean of the grades of each, and the first reason of the lowest."""
        judge = self.definition
        params = judge.judge.request_params if judge.judge else _OWN_PARAMS
        asked = [self._question(example, completion.text) for example, completion in batch]
        questions = [
            Question(position, messages, params, repeat)
            for position, messages in enumerate(asked)
            for repeat in range(judge.repeats)
        ]
        answers = self.context.ask(questions)
        return [self._score(answers[at : at + judge.repeats]) for at in range(0, len(answers), judge.repeats)]

    def _question(self, example: Example, answer: str) -> Messages:
        judge = self.definition
        rubric = RUBRICS.get(judge.rubric, judge.rubric)
        return points_question(rubric, example, answer, most=judge.points, reason=judge.reason)

    def _score(self, answers: Sequence[Completion | CompletionError]) -> Score | CompletionError:
        said = [answer for answer in answers if isinstance(answer, Completion)]
        replies = [read_points(answer.text, self.definition.points) for answer in said if not answer.fault]
        told = [(reply.points, reply.reason) for reply in replies if reply.points is not None]
        if not told:
            return _untold(answers, replies)
        points = mean(points for points, _ in told)
        _, why = min(told, key=lambda each: each[0])
        return Score((points - 1) / (self.definition.points - 1), self._reason(points, why))

    def _reason(self, points: float, why: str) -> str:
        if points == self.definition.points:
            return ""
        grade = f"{points:.3g} of {self.definition.points}"
        return f"{grade}: {excerpt(why)}" if why else grade


def _untold(answers: Sequence[Completion | CompletionError], replies: Sequence[Reply]) -> CompletionError:
    """Why no grade came of any of the answers."""
    lost = next((answer for answer in answers if isinstance(answer, CompletionError)), None)
    if lost is not None:
        return lost
    why = next((reply.reason for reply in replies if reply.reason), "")
    said = next((a for a in answers if isinstance(a, Completion)), Completion(""))
    told = f"it can't tell: {excerpt(why)}" if why else said.fault or f"said {in_quotes(said.text)}"
    return CompletionError("score", f"the judge gave no grade: {told}")
