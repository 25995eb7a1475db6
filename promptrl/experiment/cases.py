"""Chooses the answers that a proposer of edits can learn most from: failures, rows that an edit turned, successes."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from promptrl.evaluation.outcome import Outcome
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.proposer.briefing import ToldCase, ToldContrast
from promptrl.prompts.space import EditSpace
from promptrl.search.growth import Beliefs
from promptrl.tasks.dataset import Example, accepted_answers, as_text

FAILURES, CONTRASTS, SUCCESSES = 6, 3, 3
RIGHT = 0.999
"""A score from which on an answer is no failure."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases for one call, numbered through.

    Attributes:
        failures: What went wrong where the search had not expected it.
        contrasts: Rows that one edit turned right.
        successes: What went well.
        row_ids: Of each case, by its number from 1.
    """

    failures: tuple[ToldCase, ...] = ()
    contrasts: tuple[ToldContrast, ...] = ()
    successes: tuple[ToldCase, ...] = ()
    row_ids: tuple[str, ...] = ()


def choose_cases(
    outcomes: Sequence[Outcome],
    prompts: Mapping[str, Prompt],
    rows: Mapping[str, Example],
    space: EditSpace,
    beliefs: Beliefs,
) -> Cases:
    """Choose among the answers of a search.

    Args:
        outcomes: Its answers.
        prompts: By id, those of the answers among them.
        rows: Likewise.
        space: All edits.
        beliefs: What the search believes.
    """
    known = [outcome for outcome in outcomes if outcome.prompt_id in prompts and outcome.row_id in rows]
    surprise = _surprises(known, prompts, beliefs)
    wrong = sorted((at for at, o in enumerate(known) if o.score < RIGHT), key=lambda at: -surprise[at])
    right = sorted((at for at, o in enumerate(known) if o.score >= RIGHT), key=lambda at: surprise[at])
    failures = _spread([known[at] for at in wrong], FAILURES, rows)
    turned = list(_turned(known, prompts, space))[-CONTRASTS:]
    successes = _spread([known[at] for at in right], SUCCESSES, rows)
    chosen = [*failures, *(good for _, good, _ in turned), *successes]
    numbers = range(1, len(chosen) + 1)
    told = [_told(number, outcome, rows) for number, outcome in zip(numbers, chosen, strict=True)]
    contrasts = [
        ToldContrast(case.case, edit, case.shown, case.expected, bad.completion.text, good.completion.text)
        for case, (bad, good, edit) in zip(told[len(failures) :], turned, strict=False)
    ]
    return Cases(
        tuple(told[: len(failures)]),
        tuple(contrasts),
        tuple(told[len(failures) + len(turned) :]),
        tuple(outcome.row_id for outcome in chosen),
    )


def example_cases(rows: Iterable[Example], names: Sequence[str]) -> tuple[ToldCase, ...]:
    """Rows with their known good answers, for a proposer that is asked before anything else was."""
    spread = _first_of_groups(list(rows), FAILURES, _expected)
    return tuple(ToldCase(number, _shown(row, names), _expected(row)) for number, row in enumerate(spread, start=1))


def _surprises(known: Sequence[Outcome], prompts: Mapping[str, Prompt], beliefs: Beliefs) -> list[float]:
    """By how much each answer is worse than the prompt and the row's other answers made expect."""
    ids = list(dict.fromkeys(outcome.prompt_id for outcome in known))
    expected = dict(zip(ids, beliefs.expected([prompts[i] for i in ids]), strict=True)) if ids else {}
    lacking = np.array([expected[outcome.prompt_id] - outcome.objective for outcome in known])
    by_row: defaultdict[str, list[int]] = defaultdict(list)
    for at, outcome in enumerate(known):
        by_row[outcome.row_id].append(at)
    surprise = lacking.copy()
    for places in by_row.values():
        total = lacking[places].sum()
        surprise[places] -= (total - lacking[places]) / len(places)  # shrunken: as if one more answer were as expected
    return [float(value) for value in surprise]


def _turned(
    known: Sequence[Outcome], prompts: Mapping[str, Prompt], space: EditSpace
) -> Iterable[tuple[Outcome, Outcome, str]]:
    """A wrong and a right answer to one row whose prompts differ by one edit, and the edit; the latest last."""
    held = {i: frozenset(space.edits_of(prompt)) for i, prompt in prompts.items()}
    by_row: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in known:
        by_row[outcome.row_id].append(outcome)
    for of_row in by_row.values():
        for first, second in pairwise(sorted(of_row, key=lambda o: (len(held[o.prompt_id]), o.prompt_id))):
            bad, good = sorted((first, second), key=lambda o: o.score)
            gained, lost = held[good.prompt_id] - held[bad.prompt_id], held[bad.prompt_id] - held[good.prompt_id]
            if good.score >= RIGHT > bad.score and len(gained) <= 1 and len(lost) <= 1 and gained | lost:
                slots = {space.edits[at].slot for at in gained | lost}
                if len(slots) == 1:
                    yield bad, good, "; ".join(space.describe(prompts[bad.prompt_id], prompts[good.prompt_id]))


def _spread(outcomes: Sequence[Outcome], most: int, rows: Mapping[str, Example]) -> list[Outcome]:
    """The first ones, of different rows, and of different groups of rows as far as there are such."""
    first = list({outcome.row_id: outcome for outcome in reversed(outcomes)}.values())[::-1]
    return _first_of_groups(first, most, lambda outcome: _expected(rows[outcome.row_id]))


def _first_of_groups(items: Sequence[T], most: int, group: Callable[[T], object]) -> list[T]:
    """Up to so many items in their order: the first of each group, then the second of each, and so on."""
    places: defaultdict[object, int] = defaultdict(int)
    ranked = []
    for at, item in enumerate(items):
        ranked.append((places[group(item)], at))
        places[group(item)] += 1
    return [items[at] for _, at in sorted(ranked)[:most]]


def _told(number: int, outcome: Outcome, rows: Mapping[str, Example]) -> ToldCase:
    row = rows[outcome.row_id]
    reasons = dict.fromkeys([*outcome.reasons.values(), outcome.reason])
    return ToldCase(
        number, row.fields, _expected(row), outcome.completion.text, "; ".join(reason for reason in reasons if reason)
    )


def _shown(row: Example, names: Sequence[str]) -> Mapping[str, str]:
    return {name: text for name, text in row.fields.items() if name in names}


def _expected(row: Example) -> str | None:
    return None if row.reference is None else as_text(accepted_answers(row.reference)[0])
