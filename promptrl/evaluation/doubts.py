"""Notices when scores can't tell prompts apart: all alike, of answers that are none, cut off, or the same for all rows.

A doubt states what was seen, shows an example and says what would help. It is no error: a task can be that hard.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from promptrl.evaluation.cut_answers import Cuts, CutTally
from promptrl.evaluation.outcome import Outcome, fault_of
from promptrl.safe_text import printable
from promptrl.tasks.dataset import Example, accepted_answers
from promptrl.tasks.metrics import Metric
from promptrl.tasks.metrics.base import RuleMetric, in_quotes
from promptrl.tasks.metrics.readings import Reading, find_reading
from promptrl.tasks.metrics.text import Choice

LEAST_SEARCHED = 50
"""Answers before a search speaks of doubts."""
LEAST_IN_ALL = 10
"""Answers of a whole run, or of an evaluation, likewise."""
FAULTY_SHARE = 0.5
GOOD = 0.75
"""The same answer for every row is right where so many rows expect it."""
LEAST_ROWS = 5
"""One answer to fewer rows than this may well be right."""
SAMPLES = 50
MAX_NAMED_LABELS = 8

DoubtKind = Literal["faults", "same_score", "cut_off", "same_answer"]

_FAULTS = {
    "no_answer": "cut off before the answer began (raise target.params.max_tokens)",
    "only_thoughts": "of thoughts alone (raise target.params.max_tokens)",
    "content_filter": "refused for the content",
    "context_overflow": "refused as too long for the model",
    "refused": "refused by the server",
    "empty": "without any text",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reason to think that scores say little of prompts.

    Attributes:
        kind: ``faults``: half of the answers or more are none; ``same_score``: a metric scores all of them alike;
            ``cut_off``: many were, and score next to nothing, or most of those of some prompts; ``same_answer``: all
            are, whatever the row.
        metric: Which one, if it is about one.
        is_blind: Whether no verdict can rest on these scores.
        count: Answers that show it.
        answers: Answers in all.
        row_id: The row of an example; None when there is none to show.
        answer: The model's answer to it, cut.
        reference: The known good answer, cut; None without one.
        text: What was seen and what would help, in sentences; quotes model text made harmless.
    """

    kind: DoubtKind
    metric: str | None
    is_blind: bool
    count: int
    answers: int
    row_id: str | None
    answer: str | None
    reference: str | None
    text: str

    @property
    def about(self) -> tuple[str, str | None]:
        """What tells it from other doubts, whatever the counts: kind and metric."""
        return self.kind, self.metric


@dataclass(frozen=True, slots=True)
class Grading:
    """What answers are graded against, as far as doubts speak of it.

    Attributes:
        rows: All rows that are asked, by id.
        metrics: Those that count: of positive weight, and that of the gate.
        gate_metric: What verdicts speak of.
        has_costs: Whether prompts are told apart by what they cost as well.
        max_tokens: Most tokens of an answer; None when the target decides.
    """

    rows: Mapping[str, Example]
    metrics: Sequence[Metric]
    gate_metric: str
    has_costs: bool = False
    max_tokens: int | None = None


@dataclass(slots=True)
class _Scores:
    """What one metric gave so far.

    Attributes:
        value: Of the first answer; None once another one differed.
        samples: The first answers.
        reading: What would accept them; looked for once, when there are enough of them.
    """

    value: float | None
    samples: list[Outcome] = field(default_factory=list)
    reading: Reading | Literal["unknown"] | None = "unknown"


class DoubtTally:
    """Counts what the doubts rest on, answer by answer: its time and size don't grow with what came before.

    Args:
        grading: What answers are graded against.
    """

    def __init__(self, grading: Grading) -> None:
        self._grading = grading
        self._answers = 0
        self._faults: Counter[str] = Counter()
        self._scores: dict[str, _Scores] = {}
        self._cuts = CutTally(grading.rows.values())
        self._first: Outcome | None = None
        self._is_same_answer = True
        self._gate_sum = 0.0
        self._rows: set[str] = set()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count answers, each once."""
        for outcome in outcomes:
            self._answers += 1
            fault = fault_of(outcome)
            self._cuts.add(outcome, is_sound=fault is None)
            if fault:
                self._faults[fault] += 1
            else:
                self._add_sound(outcome)

    def _add_sound(self, outcome: Outcome) -> None:
        text = outcome.completion.text.strip()
        self._first = self._first or outcome
        self._is_same_answer = self._is_same_answer and text == self._first.completion.text.strip()
        self._gate_sum += outcome.score
        self._rows.add(outcome.row_id)
        for metric in self._grading.metrics:
            value = outcome.scores[metric.name]
            scores = self._scores.setdefault(metric.name, _Scores(value))
            scores.value = value if scores.value == value else None
            if len(scores.samples) < SAMPLES:
                scores.samples.append(outcome)

    def doubts(self, least: int) -> tuple[Doubt, ...]:
        """What there is to say, once there are so many answers; empty when scores tell prompts apart."""
        if self._answers < least:
            return ()
        sound = self._answers - self._faults.total()
        found = [self._of_faults()]
        if sound >= least:
            found += [self._of_scores(metric, sound) for metric in self._grading.metrics]
            found += [self._of_cuts(), self._of_answers(sound)]
        return tuple(doubt for doubt in found if doubt)

    def _of_faults(self) -> Doubt | None:
        count = self._faults.total()
        if count < FAULTY_SHARE * self._answers:
            return None
        told = faults_told(dict(self._faults.most_common()), self._answers)
        return Doubt("faults", None, True, count, self._answers, None, None, None, told)

    def _of_scores(self, metric: Metric, sound: int) -> Doubt | None:
        scores = self._scores[metric.name]
        value, is_gate = scores.value, metric.name == self._grading.gate_metric
        is_as_wanted = value == 1 and (self._grading.has_costs or not is_gate)
        if value is None or is_as_wanted or (value and self._faults):
            return None
        if scores.reading == "unknown":
            scores.reading = self._reading(metric, scores.samples) if value == 0 else None
        example = scores.samples[scores.reading.first if isinstance(scores.reading, Reading) else 0]
        advice = _advice(metric, value, scores.reading)
        text = f"{self._all(sound)} score {_percent(value)} in {metric.name}, such as {self._shown(example)}. {advice}"
        return self._doubt("same_score", sound, text, example, metric.name, is_blind=is_gate and value < 1)

    def _of_cuts(self) -> Doubt | None:
        cuts, prompts = self._cuts.worst() or (Cuts(), None)
        if cuts.example is None:
            return None
        of_prompts = "" if prompts is None else " of one prompt" if prompts == 1 else f" of {prompts} prompts"
        limit = self._grading.max_tokens
        key = "target.params.max_tokens" if limit is None else f"target.params.max_tokens ({limit})"
        text = (
            f"{cuts.cut} of {cuts.answers} answers{of_prompts} were cut off and score {_percent(cuts.mean)} on "
            f"average, such as {self._shown(cuts.example)}: raise {key}."
        )
        return self._doubt("cut_off", cuts.cut, text, cuts.example)

    def _of_answers(self, sound: int) -> Doubt | None:
        """Not where most rows expect this answer, nor where another reading of it would be right."""
        is_right = self._gate_sum >= GOOD * sound or any(
            isinstance(scores.reading, Reading) for scores in self._scores.values()
        )
        if self._first is None or not self._is_same_answer or is_right or len(self._rows) < LEAST_ROWS:
            return None
        text = (
            f"{self._all(sound)} are {in_quotes(self._first.completion.text)}, whatever the row: does the prompt show "
            "the row's input, and ask about it?"
        )
        return self._doubt("same_answer", sound, text, self._first)

    def _all(self, sound: int) -> str:
        return f"All {sound} answers" + (" without a fault" if self._faults else "")

    def _doubt(
        self,
        kind: DoubtKind,
        count: int,
        text: str,
        example: Outcome,
        metric: str | None = None,
        *,
        is_blind: bool = False,
    ) -> Doubt:
        reference = self._reference(example)
        answer = in_quotes(example.completion.text)[1:-1]
        shown = None if reference is None else in_quotes(reference)[1:-1]
        told = printable(text)
        return Doubt(kind, metric, is_blind, count, self._answers, example.row_id, answer, shown, told)

    def _reference(self, outcome: Outcome) -> str | None:
        reference = self._grading.rows[outcome.row_id].reference
        return None if reference is None else next(iter(accepted_answers(reference)), None)

    def _shown(self, outcome: Outcome) -> str:
        reference = self._reference(outcome)
        expected = "" if reference is None else f" where the reference is {in_quotes(reference)}"
        return f"{in_quotes(outcome.completion.text)}{expected}"

    def _reading(self, metric: Metric, samples: Sequence[Outcome]) -> Reading | None:
        rows = self._grading.rows
        pairs = [(rows[outcome.row_id], outcome.completion) for outcome in samples]
        return find_reading(metric, pairs, list(rows.values()))


def _advice(metric: Metric, value: float, reading: object) -> str:
    """What would help where all answers score alike."""
    if value == 1:
        return "No edit can score more: take harder rows, or a stricter metric if that is too good to be true."
    labels = ""
    if isinstance(metric, RuleMetric) and isinstance(metric.rule, Choice):
        labels = f"The labels are {_named(sorted(metric.rule.choices or ()))}. "
    if isinstance(reading, Reading):
        accepted = f"{reading.accepted} of the first {reading.answers}"
        change = f"`{reading.change}` in reward.metrics would accept {accepted}"
        return f"{labels}{change}; or write the references as the model does."
    if labels:
        return f"{labels}Does the prompt name them?"
    return "If such answers are right, the metric or the references are not; else no edit has made a difference so far."


def find_doubts(outcomes: Iterable[Outcome], grading: Grading) -> tuple[Doubt, ...]:
    """What a whole run, or an evaluation, leaves in doubt."""
    tally = DoubtTally(grading)
    tally.add(outcomes)
    return tally.doubts(LEAST_IN_ALL)


def faults_told(counts: Mapping[str, int], answers: int) -> str:
    """How many answers were none and why, with what helps, in one sentence; empty when all were sound."""
    if not counts:
        return ""
    each = ", ".join(f"{count} {_FAULTS.get(fault, fault)}" for fault, count in counts.items())
    return f"{sum(counts.values())} of {answers} answers have a fault and scored 0: {each}."


def _percent(value: float) -> str:
    return "0" if value == 0 else f"{100 * value:.3g} %"


def _named(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - MAX_NAMED_LABELS} more" if len(labels) > MAX_NAMED_LABELS else ""
    return ", ".join(in_quotes(label) for label in labels[:MAX_NAMED_LABELS]) + more
