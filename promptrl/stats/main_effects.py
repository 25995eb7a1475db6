"""What each edit does on average: main effects, estimated from the randomised share of a run's answers.

The effect of an edit is the mean score of all prompts of the space that hold it minus the mean of all that don't: its
mean over uniform settings of the other slots. Only answers whose prompt was drawn uniformly say so without bias; what
an agent chose to ask is confounded with how good it thought the prompt. Rows and the other slots explain part of a
score. What they explain is predicted from the other folds by a ridge regression and taken off first: the prediction
never saw the answer that it corrects, and under uniform draws it is independent of the edit, so it takes noise away and
adds no bias (cross-fitted regression adjustment: Wager, Du, Taylor and Tibshirani 2016, PNAS 113:12673-12678).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

CONFIDENCE = 0.9
FOLDS = 8
MIN_ANSWERS = 50
MIN_UNLIKE = 5
"""Fewer scores beside the commonest one give no effects: where nearly all answers fail, intervals are too narrow."""
MIN_EACH = 10
"""An edit that fewer of the answers hold, or lack, gets no effect."""
PENALTIES = (2.0, 8.0, 32.0)
"""Ridge penalties to choose from, by error on the other folds; in answers."""
PRIOR_ANSWERS = 8.0
"""So many answers' worth of the pooled variance goes into each group's: a group of equal scores is not certain."""


@dataclass(frozen=True, slots=True)
class MainEffect:
    """What one edit does on average.

    Attributes:
        edit: Its number in the edit space.
        effect: Mean score with it minus mean score without it, over uniform settings of everything else.
        low: Lower end of the interval.
        high: Upper end.
        holding: Answers to prompts that hold it.
        lacking: Answers to prompts that don't.
    """

    edit: int
    effect: float
    low: float
    high: float
    holding: int
    lacking: int


def main_effects(
    holds: BoolArray,
    slots: Sequence[str],
    row_ids: Sequence[str],
    scores: Sequence[float],
    is_uniform: Sequence[bool],
    confidence: float = CONFIDENCE,
) -> list[MainEffect]:
    """Estimate the effect of every edit that enough of the uniformly drawn answers hold, and enough lack.

    Args:
        holds: Which edits the prompt of each answer holds, shape (n_answers, n_edits).
        slots: The slot of each edit; edits of one slot are not adjusted for each other.
        row_ids: The row of each answer.
        scores: Of each answer, in [0, 1].
        is_uniform: Whether the prompt was drawn uniformly from the space; other answers are left out.
        confidence: Coverage of the intervals aimed at, in (0, 1).

    Returns:
        Effects by number of the edit; none below ``MIN_ANSWERS`` uniform answers, or ``MIN_UNLIKE`` unlike scores.
    """
    kept = np.asarray(is_uniform, dtype=np.bool_)
    values = np.asarray(scores, dtype=np.float64)[kept]
    if values.size < MIN_ANSWERS or count_unlike(values) < MIN_UNLIKE:
        return []
    held = np.asarray(holds, dtype=np.bool_)[kept]
    places = np.asarray(slots)
    explained, by_rows = _predictions(held, np.asarray(row_ids)[kept], values)
    found = []
    for edit in range(held.shape[1]):
        mine = held[:, edit]
        if min(mine.sum(), (~mine).sum()) >= MIN_EACH:
            others = explained[:, places != places[edit]].sum(1) + by_rows
            found.append(_difference(edit, values - others, mine, confidence))
    return found


def count_unlike(scores: FloatArray) -> int:
    """How many scores are not the commonest one."""
    return int(scores.size - np.unique(scores, return_counts=True)[1].max(initial=0))


def _difference(edit: int, values: FloatArray, mine: BoolArray, confidence: float) -> MainEffect:
    """Difference of two means with Welch's interval, each variance drawn a little towards the pooled one."""
    groups = values[mine], values[~mine]
    degrees = [group.size - 1 + PRIOR_ANSWERS for group in groups]
    squares = [float(np.square(group - group.mean()).sum()) for group in groups]
    pooled = sum(squares) / (values.size - 2)
    errors = [(s + PRIOR_ANSWERS * pooled) / d / g.size for s, d, g in zip(squares, degrees, groups, strict=True)]
    variance = sum(errors)
    effect = float(groups[0].mean() - groups[1].mean())
    if variance <= 0:
        return MainEffect(edit, effect, effect, effect, groups[0].size, groups[1].size)
    freedom = variance**2 / sum(e**2 / d for e, d in zip(errors, degrees, strict=True))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * variance**0.5
    return MainEffect(edit, effect, effect - half, effect + half, groups[0].size, groups[1].size)


def _predictions(held: BoolArray, row_ids: npt.NDArray[np.str_], values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What each edit and the row add to each score, by a ridge regression on the other folds.

    Returns:
        Parts of the prediction by edit, shape (n_answers, n_edits), and by row, shape (n_answers,).
    """
    rows = np.unique(row_ids, return_inverse=True)[1]
    design = np.hstack([held.astype(np.float64), np.eye(rows.max() + 1)[rows]])
    design -= design.mean(0)
    n_edits = held.shape[1]
    widths = [n_edits, design.shape[1] - n_edits]
    fits = [
        _out_of_fold(design, values, np.repeat(penalties, widths))
        for penalties in itertools.product(PENALTIES, repeat=2)
    ]
    parts = min(fits, key=lambda fit: float(np.square(values - values.mean() - fit.sum(1)).sum()))
    return parts[:, :n_edits], parts[:, n_edits:].sum(1)


def _out_of_fold(design: FloatArray, values: FloatArray, penalty: FloatArray) -> FloatArray:
    """What each column contributes to each prediction, fitted without that answer's fold; shaped like ``design``."""
    folds = np.arange(values.size) % FOLDS
    contributions = np.empty_like(design)
    for fold in range(FOLDS):
        apart = folds == fold
        known, centred = design[~apart], values[~apart] - values[~apart].mean()
        weights = np.linalg.solve(known.T @ known + np.diag(penalty), known.T @ centred)
        contributions[apart] = design[apart] * weights
    return contributions
