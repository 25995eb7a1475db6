"""What a judge made of answers whose verdict is known, and whether it can be trusted with a run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from promptrl.llm.base import CompletionError
from promptrl.tasks.metrics.base import Score
from promptrl.tasks.metrics.judge_anchors import Anchor, Kind

TIMES = 2
"""How often each answer is judged anew, which shows the judge's own noise."""
PASSING = 0.5
"""Of the scale: what passes has at least as much."""
_MOST_WRONG: Mapping[Kind, float] = {"reference": 0.5, "blank": 0.5, "another": 0.5, "anchor": 1 / 3, "label": 0.4}
"""Part of the verdicts of a kind that may be wrong; a judge that errs once in five has less, nearly always."""
_TOLD: Mapping[Kind, str] = {
    "reference": "fails the known good answer",
    "blank": "passes a blank answer",
    "another": "passes the answer to another row",
    "anchor": "disagrees with the anchors",
    "label": "disagrees with the labels",
}


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """How a judge did.

    Attributes:
        metric: Its name.
        verdicts: By kind of answer: how many verdicts were wrong, of how many.
        untold: Verdicts that it could not tell.
        noise: Standard deviation of its score when it judges the same answer again; None when it told nothing twice.
        flips: Part of the answers that it passed once and failed once; None likewise.
        faults: Why it can't be trusted, in words; empty when it can.
    """

    metric: str
    verdicts: Mapping[Kind, tuple[int, int]]
    untold: int
    noise: float | None
    flips: float | None
    faults: tuple[str, ...]

    @property
    def who(self) -> str:
        """The judge, by its name where that says more."""
        return "the judge" if self.metric == "judge" else f"the judge {self.metric}"


def checked(
    metric: str,
    anchors: Sequence[Anchor],
    grades: Sequence[Sequence[Score | CompletionError]],
    binding: frozenset[Kind],
) -> JudgeCheck:
    """Compare grades with what is known.

    Args:
        metric: Its name.
        anchors: The answers.
        grades: Of each of them, as often as it was judged.
        binding: The kinds of answers on which it must be right.
    """
    told = [[score.value for score in given if isinstance(score, Score)] for given in grades]
    verdicts = {kind: _wrong(kind, anchors, told) for kind in dict.fromkeys(anchor.kind for anchor in anchors)}
    pairs = [(given[0], given[1]) for given in told if len(given) == TIMES]
    return JudgeCheck(
        metric=metric,
        verdicts=verdicts,
        untold=sum(map(len, grades)) - sum(map(len, told)),
        noise=math.sqrt(mean((first - second) ** 2 for first, second in pairs) / 2) if pairs else None,
        flips=mean((first >= PASSING) != (second >= PASSING) for first, second in pairs) if pairs else None,
        faults=tuple(_faults(verdicts, anchors, told, binding)),
    )


def _wrong(kind: Kind, anchors: Sequence[Anchor], told: Sequence[Sequence[float]]) -> tuple[int, int]:
    """How many verdicts on answers of a kind were wrong, of how many."""
    right = [*_right(kind, True, anchors, told), *_right(kind, False, anchors, told)]
    return right.count(False), len(right)


def _right(kind: Kind, passes: bool, anchors: Sequence[Anchor], told: Sequence[Sequence[float]]) -> list[bool]:
    """Of each verdict on the good, or the bad, answers of a kind whether it is right."""
    of_kind = [values for a, values in zip(anchors, told, strict=True) if (a.kind, a.passes) == (kind, passes)]
    return [(value >= PASSING) == passes for values in of_kind for value in values]


def _faults(
    verdicts: Mapping[Kind, tuple[int, int]],
    anchors: Sequence[Anchor],
    told: Sequence[Sequence[float]],
    binding: frozenset[Kind],
) -> Iterator[str]:
    for kind, (wrong, asked) in verdicts.items():
        if not asked:
            yield f"could not tell any verdict on answers of the kind {kind}"
        elif kind in binding and _share(kind, wrong / asked, anchors, told) > _MOST_WRONG[kind]:
            yield f"{_TOLD[kind]} in {wrong} of {asked} verdicts"


def _share(kind: Kind, wrong: float, anchors: Sequence[Anchor], told: Sequence[Sequence[float]]) -> float:
    """Part of the verdicts that are wrong; of labels the mean over good and bad answers: no constant does well."""
    sides = [_right(kind, passes, anchors, told) for passes in (True, False)]
    return 1 - mean(mean(side) for side in sides) if kind == "label" and all(sides) else wrong
