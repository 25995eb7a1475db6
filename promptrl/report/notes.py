"""What a run could not say of its edits, why, and what would help: sentences for the report and for scripts."""

from collections.abc import Sequence

import numpy as np

from promptrl.selection.pruning import MIN_CONFIRMING_ROWS, MIN_ROWS, SkipReason
from promptrl.stats.main_effects import MIN_ANSWERS, MIN_EACH, MIN_UNLIKE, count_unlike

_PRUNING: dict[SkipReason, str] = {
    "single": "Nothing was pruned: without its only edit the new prompt is yours.",
    "unasked": (
        f"Nothing was pruned: too few validation calls were left to leave out each edit on {MIN_ROWS} rows. "
        "A larger budget.max_calls helps."
    ),
    "unconfirmable": (
        f"Nothing was pruned: an edit seems to do nothing, but to be sure takes {MIN_CONFIRMING_ROWS} validation rows "
        "and more calls than were left. A larger budget.max_calls or more validation rows help."
    ),
    "needed": "Nothing was pruned: each edit is probably worth something on the rows it was left out on.",
    "refuted": "Nothing was pruned: on more rows the prompt without them scored less, or might have.",
}


def effects_note(uniform_scores: Sequence[float], missing: int) -> str | None:
    """Why some or all edits have no average effect.

    Args:
        uniform_scores: Of the answers to prompts drawn at random.
        missing: Edits without one.

    Returns:
        None when every edit has one.
    """
    uniform_answers = len(uniform_scores)
    if not uniform_answers:
        return (
            "No average effects: they take prompts drawn at random and marked so, and this search marks none. "
            "One with algorithm.planning: surrogate draws a tenth of what it asks."
        )
    if uniform_answers < MIN_ANSWERS:
        return (
            f"No average effects: they take {MIN_ANSWERS} answers to prompts drawn at random, and this run has "
            f"{uniform_answers}. About a tenth of the search's answers are such: a larger budget.max_calls helps."
        )
    if count_unlike(np.asarray(uniform_scores)) < MIN_UNLIKE:
        return (
            f"No average effects: they take {MIN_UNLIKE} scores that differ from the commonest, and nearly all of the "
            f"{uniform_answers} answers to prompts drawn at random scored alike. A larger budget.max_calls helps."
        )
    if missing:
        edits = "1 edit has" if missing == 1 else f"{missing} edits have"
        return (
            f"{edits} no average effect: of the {uniform_answers} answers to prompts drawn at random, fewer than "
            f"{MIN_EACH} hold such an edit, or lack it. A larger budget.max_calls helps."
        )
    return None


def pruning_note(reason: SkipReason | None) -> str | None:
    """Why the winner kept all its edits; None when it did not."""
    return None if reason is None else _PRUNING[reason]
