"""What the agent sees: one row of features per edit, the last row for *stop*; the same columns for every edit space.

``FEATURES`` is the table of columns. Columns have fixed scales, the same for every edit, and nothing in them depends
on how many edits there are, so a policy trained on one space reads another. The observation is the table flattened
row by row: feature ``f`` of edit ``e`` stands at ``e * N_FEATURES + f``.
"""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.space import EditSpace

LIMIT = 10.0
REWARD_SCALE = 1.0
EFFECT_SCALE = 10.0
TOKEN_SCALE = 50.0
ANSWERS_SCALE = 5.0
KIND_COLUMNS = (
    "option",
    "add_demonstration",
    "drop_demonstration",
    "swap_demonstration",
    "drop_phrase",
    "restore_phrase",
    "insert_word",
    "delete_word",
    "move",
)
"""The kinds that have a column of their own; another one is a mixture of them."""
COLUMNS_OF_OTHERS = 3


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the observation.

    Attributes:
        name: Unique.
        meaning: What it says about the edit of its row, with unit and scale.
        low: Least value.
        high: Greatest value.
    """

    name: str
    meaning: str
    low: float = -LIMIT
    high: float = LIMIT


FEATURES = (
    Feature("is_stop", "1 in the last row: end the episode", 0, 1),
    Feature("is_valid", "1 if the edit changes the present prompt (or is stop)", 0, 1),
    Feature("effect", "expected change of the objective, times 10; 0 for stop"),
    Feature("effect_sd", "standard deviation of that change, times 10", 0),
    Feature("effect_draw", "the change in this episode's draw from the posterior, times 10"),
    Feature("lookahead", "the same by the edit and the best one after it, where pairs of edits are imagined, times 10"),
    Feature("is_seen", "1 if the prompt it leads to has answers in this run", 0, 1),
    Feature("answers", "log(1 + answers of that prompt) / 5", 0),
    Feature("token_cost", "estimated prompt tokens it adds, divided by 50"),
    Feature("is_held", "1 if the present prompt holds what the edit would bring in", 0, 1),
    Feature("slot", "position of its slot among the slots, first 0, last 1", 0, 1),
    Feature("step", "share of the episode's edits already used", 0, 1),
    Feature("budget_left", "share of the search's calls not yet spent", 0, 1),
    Feature("gain", "expected objective of the present prompt minus the baseline's, times 10"),
    *(
        Feature(f"kind_{kind}", f"1 if the edit is of kind {kind}, or one that takes this column", 0, 1)
        for kind in KIND_COLUMNS
    ),
)
N_FEATURES = len(FEATURES)
COLUMN = {feature.name: i for i, feature in enumerate(FEATURES)}


def kind_columns(kind: str) -> tuple[str, ...]:
    """The kinds in whose columns an edit of a kind has a 1: its own, else some that its name chooses by a hash."""
    if kind in KIND_COLUMNS:
        return (kind,)
    order = sorted(KIND_COLUMNS, key=lambda column: sha256(f"{kind} {column}".encode()).digest())
    return tuple(order[:COLUMNS_OF_OTHERS])


def edit_slots(space: EditSpace) -> tuple[str, ...]:
    """The distinct slots that edits speak of, in order of first appearance."""
    return tuple(dict.fromkeys(edit.slot for edit in space.edits))


def edit_features(space: EditSpace) -> NDArray[np.float32]:
    """The columns that depend on the edit alone, shape (n_actions, N_FEATURES)."""
    rows = np.zeros((space.n_actions, N_FEATURES), dtype=np.float32)
    slots = {slot: i for i, slot in enumerate(edit_slots(space))}
    for a, edit in enumerate(space.edits):
        rows[a, COLUMN["slot"]] = slots[edit.slot] / max(1, len(slots) - 1)
        rows[a, [COLUMN[f"kind_{kind}"] for kind in kind_columns(edit.kind)]] = 1
    rows[space.stop, COLUMN["is_stop"]] = 1
    return rows
