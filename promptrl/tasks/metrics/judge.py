"""The metric judge: a model grades each answer by a rubric, on a scale or beside the baseline's answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Annotated, ClassVar, Literal

from promptrl.errors import ConfigError, Problem, nearest, show
from promptrl.llm.base import Completion, CompletionError, Messages, excerpt
from promptrl.llm.targets.definition import TargetDefinition
from promptrl.settings import Setting, Text
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics.base import MetricContext, MetricDefinition, Pair, Question, Score, in_quotes
from promptrl.tasks.metrics.judge_anchors import (
    Anchor,
    JudgeAnchor,
    JudgeLabels,
    Kind,
    given_anchors,
    label_problems,
    labelled_anchors,
    made_anchors,
)
from promptrl.tasks.metrics.judge_check import TIMES
from promptrl.tasks.metrics.judge_questions import (
    COMPARES_WITH_REFERENCE,
    RUBRICS,
    TELLS_ROWS_APART,
    choice_question,
    points_question,
)
from promptrl.tasks.metrics.judge_replies import Reply, read_choice, read_points

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
    against: Annotated[
        Literal["scale", "baseline"],
        Setting(
            "`scale`: points for each answer; `baseline`: is it better than the baseline's answer to the same row, "
            "asked in both orders: 1, 0, or 0.5 for neither."
        ),
    ] = "scale"
    points: Annotated[int, Setting("On a scale: points of the best answer; the worst has 1.", ge=2, le=100)] = 5
    repeats: Annotated[int, Setting("How often the judge is asked about an answer; the mean counts.", ge=1, le=20)] = 1
    reason: Annotated[bool, Setting("The judge also says why, for reports; costs its tokens.")] = True

    check: Annotated[
        Literal["stop", "warn", "off"],
        Setting(
            "Whether the judge is asked about answers whose verdict is known before the target is called: a blank, the "
            "reference, another row's reference, anchors, labels. `stop` ends a run whose judge fails them."
        ),
    ] = "stop"
    anchors: Annotated[tuple[JudgeAnchor, ...], Setting("Answers whose verdict you know, for that check.")] = ()
    labels: Annotated[JudgeLabels | None, Setting("Columns with answers that a person has judged, for that check.")] = (
        None
    )

    @property
    def asks_target(self) -> bool:
        """Where no judge is named."""
        return self.judge is None

    @property
    def needs_reference(self) -> bool:
        """For the rubric that compares with it; others see it where there is one."""
        return self.rubric == COMPARES_WITH_REFERENCE

    @property
    def needs_baseline(self) -> bool:
        """To compare with it."""
        return self.against == "baseline"

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
        for key, given in (("anchors", self.anchors), ("labels", self.labels)):
            if given and self.needs_baseline:
                yield Problem(key, "means nothing to a judge that compares", "write against: scale, or remove the key")

    @property
    def rubric_text(self) -> str:
        """The rubric as the judge is told it."""
        return RUBRICS.get(self.rubric, self.rubric)

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
        """One question, as often as it is repeated; against the baseline two, and one for its answer."""
        repeats = self.definition.repeats
        return 1 + 2 * repeats if self.definition.needs_baseline else repeats

    def anchors(self, rows: Sequence[Example]) -> list[Anchor]:
        """The answers that its check asks about; one that compares does so with the reference.

        Raises:
            ConfigError: The columns of labels are none.
        """
        judge = self.definition
        if problems := tuple(label_problems(judge.labels, [row.raw for row in rows])):
            raise ConfigError(problems)
        if judge.check == "off":
            return []
        made = list(made_anchors(rows))
        if judge.needs_baseline:
            return [one for one in made if one.row.reference is not None and not one.passes]
        return [*made, *given_anchors(judge.anchors), *labelled_anchors(judge.labels, rows)]

    def calls_of_check(self, rows: Sequence[Example]) -> int:
        """Most questions that its check asks; raises as ``anchors`` does."""
        return TIMES * len(self.anchors(rows)) * self.definition.repeats * (2 if self.definition.needs_baseline else 1)

    @property
    def binding(self) -> frozenset[Kind]:
        """The kinds of answers on which it must be right: one to another row may well be fluent, or polite."""
        rubric = self.definition.rubric
        kinds: frozenset[Kind] = frozenset({"reference", "blank", "anchor", "label"})
        return kinds | {"another"} if rubric in TELLS_ROWS_APART else kinds

    def open(self, context: MetricContext) -> "PointsScorer | PairsScorer":
        """Ready to ask."""
        return (PairsScorer if self.definition.needs_baseline else PointsScorer)(self.definition, context)


class RepeatingScorer:
    """A judge that is open.

    Args:
        definition: The rubric, and how it is asked.
        context: Asks.
    """

    def __init__(self, definition: Judge, context: MetricContext) -> None:
        self._judge = definition
        self._context = context

    def _ask(self, asked: Sequence[tuple[int, Messages]], repeats: int) -> list[list[Completion | CompletionError]]:
        """The answers to each question, which is about the pair at a position; all are asked at once."""
        judge = self._judge.judge
        params = judge.request_params if judge else _OWN_PARAMS
        questions = [Question(at, messages, params, repeat) for at, messages in asked for repeat in range(repeats)]
        answers = list(self._context.ask(questions))
        return [answers[at : at + repeats] for at in range(0, len(answers), repeats)]


class PointsScorer(RepeatingScorer):
    """A judge that gives points."""

    def score_many(self, batch: Sequence[Pair]) -> list[Score | CompletionError]:
        """The mean of the points of each answer, and the reason of the lowest."""
        return [score for (score,) in self.score_again(batch, 1)]

    def score_again(self, batch: Sequence[Pair], times: int) -> list[list[Score | CompletionError]]:
        """As ``score_many``, so many times, each with questions of its own."""
        repeats = self._judge.repeats
        asked = [(at, self._question(row, completion.text)) for at, (row, completion) in enumerate(batch)]
        answers = self._ask(asked, repeats * times)
        return [[self._score(said[at * repeats : (at + 1) * repeats]) for at in range(times)] for said in answers]

    def _question(self, example: Example, answer: str) -> Messages:
        judge = self._judge
        return points_question(judge.rubric_text, example, answer, most=judge.points, reason=judge.reason)

    def _score(self, answers: Sequence[Completion | CompletionError]) -> Score | CompletionError:
        most = self._judge.points
        replies = [read_points(answer.text, most) for answer in _sound(answers)]
        told = [(reply.points, reply.reason) for reply in replies if reply.points is not None]
        if not told:
            return _untold(answers, replies)
        points = mean(points for points, _ in told)
        _, why = min(told, key=lambda each: each[0])
        return Score((points - 1) / (most - 1), "" if points == most else _with_reason(f"{points:.3g} of {most}", why))


class PairsScorer(RepeatingScorer):
    """A judge that compares with what the baseline answers to the same row, in both orders."""

    def score_many(self, batch: Sequence[Pair]) -> list[Score | CompletionError]:
        """The part of the comparisons that an answer wins; one that says the same as the baseline's is as good."""
        baseline = self._context.baseline
        if baseline is None:
            raise RuntimeError("a comparison with the baseline, but there is none")
        questions = [Question(at, *baseline(row), of_target=True) for at, (row, _) in enumerate(batch)]
        others = self._context.ask(questions)
        return [
            other if isinstance(other, CompletionError) else score
            for other, (score,) in zip(others, self._compare(batch, [_text(other) for other in others], 1), strict=True)
        ]

    def score_again(self, batch: Sequence[Pair], times: int) -> list[list[Score | CompletionError]]:
        """Compare with the known good answer, so many times, each with questions of its own."""
        return self._compare(batch, [accepted_answers(row.reference)[0] for row, _ in batch], times)

    def _compare(
        self, batch: Sequence[Pair], others: Sequence[str | None], times: int
    ) -> list[list[Score | CompletionError]]:
        """With the other answer to each row; None, and one that says the same, is not asked about."""
        repeats, equal = self._judge.repeats, Score(0.5, "says the same as the baseline's")
        asked = [
            (at, choice_question(self._judge.rubric_text, row, first, second, reason=self._judge.reason))
            for at, ((row, completion), other) in enumerate(zip(batch, others, strict=True))
            if other is not None and other.strip() != completion.text.strip()
            for first, second in ((completion.text, other), (other, completion.text))
        ]
        answers = self._ask(asked, repeats * times)
        scores = {}
        for position, (at, _) in enumerate(asked[::2]):
            first, second = answers[2 * position : 2 * position + 2]
            turns = [slice(turn * repeats, (turn + 1) * repeats) for turn in range(times)]
            scores[at] = [self._score(first[turn], second[turn]) for turn in turns]
        return [scores.get(at, [equal] * times) for at in range(len(batch))]

    def _score(
        self, first: Sequence[Completion | CompletionError], second: Sequence[Completion | CompletionError]
    ) -> Score | CompletionError:
        """The part won by an answer that stood first in some comparisons and second in others; both must tell."""
        orders = [[read_choice(answer.text) for answer in _sound(answers)] for answers in (first, second)]
        won = [[r.points for r in order if r.points is not None] for order in orders]
        if not all(won):
            return _untold([*first, *second], [*orders[0], *orders[1]])
        value = (mean(won[0]) + 1 - mean(won[1])) / 2
        why = next((reply.reason for reply in orders[0] if reply.reason), "")
        return Score(value, "" if value == 1 else _with_reason(f"better than the baseline's in {value:.0%}", why))


def _sound(answers: Sequence[Completion | CompletionError]) -> list[Completion]:
    return [answer for answer in answers if isinstance(answer, Completion) and not answer.fault]


def _text(answer: Completion | CompletionError) -> str | None:
    return answer.text if isinstance(answer, Completion) else None


def _with_reason(grade: str, why: str) -> str:
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
