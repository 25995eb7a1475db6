"""Pairs what two prompts answered, input by input.

What chance deals out are inputs: rows with one input, and several answers to one row, are no further evidence, so they
count once, as their mean. An answer that is missing could have been anything: what was asked for is known beside what
came, so that a claim can be held against the worst that the missing answers may have been.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from promptrl.evaluation.outcome import Outcome
from promptrl.stats.pairs import FloatArray, PairedDifferences
from promptrl.tasks.dataset import Example
from promptrl.tasks.splits import normalise_input

Outcomes = Sequence[Outcome | None]


def inputs_of(rows: Iterable[Example]) -> dict[str, str]:
    """The input of each row by its id; rows that share one are a single piece of evidence."""
    return {row.id: normalise_input(row) for row in rows}


def rows_by_input(rows: Sequence[Example], inputs: Mapping[str, str]) -> list[list[int]]:
    """The positions of the rows of each input, in the order of the first.

    Args:
        rows: The rows.
        inputs: Of them, from ``inputs_of``.
    """
    parts: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        parts.setdefault(inputs[row.id], []).append(position)
    return list(parts.values())


def means_by_input(values: FloatArray, parts: Sequence[Sequence[int]]) -> FloatArray:
    """The mean over the rows of each input, which are one piece of evidence together; NaN = no answer.

    Args:
        values: By position of the row, NaN = no answer.
        parts: Positions of the rows of each input, from ``rows_by_input``.
    """
    known = [[value for value in values[part] if not np.isnan(value)] for part in parts]
    return np.array([sum(some) / len(some) if some else np.nan for some in known])


def first_inputs(rows: Sequence[Example], most: float) -> Sequence[Example]:
    """The rows of the first inputs, whole inputs and no more rows than so many; of one input at least."""
    kept: list[int] = []
    for part in rows_by_input(rows, inputs_of(rows)):
        if kept and len(kept) + len(part) > most:
            break
        kept += part
    return [rows[at] for at in sorted(kept)]


def count_inputs(rows: Iterable[Example]) -> int:
    """How many different inputs the rows have."""
    return len(set(inputs_of(rows).values()))


def scores_by_input(outcomes: Outcomes, inputs: Mapping[str, str]) -> dict[str, float]:
    """The score of each input that was answered, in order: the mean over its rows, each the mean of its answers.

    Args:
        outcomes: In any order; None = no answer.
        inputs: From ``inputs_of``; a row that is not there has an input of its own.
    """
    return _means(_means_by_row(outcomes), inputs)


def answered_differences(challenger: Outcomes, reference: Outcomes, inputs: Mapping[str, str]) -> PairedDifferences:
    """Challenger minus reference by input, on the rows that both answered; whatever else was asked is left out.

    Args:
        challenger: Its outcomes, in any order; None = no answer.
        reference: Likewise.
        inputs: From ``inputs_of``; a row that is not there has an input of its own.
    """
    ours, theirs = _means_by_row(challenger), _means_by_row(reference)
    shared = [row for row in ours if row in theirs]
    first, second = (_means({row: scores[row] for row in shared}, inputs) for scores in (ours, theirs))
    return PairedDifferences.of(list(first.values()), list(second.values()))


def paired_differences_of(
    challenger: Outcomes, reference: Outcomes, inputs: Mapping[str, str], repeats: int = 1
) -> PairedDifferences:
    """Challenger minus reference by input, with what answers that are missing could make of it.

    Args:
        challenger: Its outcomes; None = no answer.
        reference: Likewise.
        inputs: Of all rows that both were asked, from ``inputs_of``.
        repeats: Answers that each row was asked for.
    """
    pairs = answered_differences(challenger, reference, inputs)
    missing = _missing(challenger, inputs, repeats), _missing(reference, inputs, repeats)
    if not any(missing):
        return pairs
    return pairs.within(_bounds(challenger, inputs, repeats), _bounds(reference, inputs, repeats), missing)


def _missing(outcomes: Outcomes, inputs: Mapping[str, str], repeats: int) -> int:
    return len(inputs) * repeats - sum(outcome is not None for outcome in outcomes)


def _bounds(outcomes: Outcomes, inputs: Mapping[str, str], repeats: int) -> tuple[FloatArray, FloatArray]:
    """The least and the most that each input's score can be, in the order of ``inputs``."""
    answers = _answers(outcomes, inputs)
    ends = []
    for filling in (0.0, 1.0):
        rows = {row: (sum(scores) + filling * (repeats - len(scores))) / repeats for row, scores in answers.items()}
        ends.append(np.array(list(_means(rows, inputs).values())))
    return ends[0], ends[1]


def _means_by_row(outcomes: Outcomes) -> dict[str, float]:
    return {row: sum(scores) / len(scores) for row, scores in _answers(outcomes, {}).items()}


def _answers(outcomes: Outcomes, rows: Iterable[str]) -> dict[str, list[float]]:
    """The scores of each row that was answered; of the given rows also where there are none."""
    answers: dict[str, list[float]] = {row: [] for row in rows}
    for outcome in outcomes:
        if outcome is not None:
            answers.setdefault(outcome.row_id, []).append(outcome.score)
    return answers


def _means(by_row: Mapping[str, float], inputs: Mapping[str, str]) -> dict[str, float]:
    """The mean over the rows of each input, in the order of the first."""
    groups: dict[str, list[float]] = {}
    for row, score in by_row.items():
        groups.setdefault(inputs.get(row, row), []).append(score)
    return {text: sum(scores) / len(scores) for text, scores in groups.items()}
