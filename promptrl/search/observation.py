"""What the agent sees: one row of features per edit, the last row for *stop*; the same columns for every edit space.

``FEATURES`` is the table of columns, and ``Observations`` the one place that fills it, for prompts on the live model
and for imagined ones. Columns have one scale for every edit, and nothing in them depends on how many edits there are,
in which order they are numbered or which kinds of edit exist, so a policy trained on one space reads another. The
observation is the table flattened row by row: feature ``f`` of edit ``e`` stands at ``e * N_FEATURES + f``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.edits.features import NotImagined
from promptrl.prompts.space import EditSpace

FORMAT = 2
"""Counted up whenever a column changes its meaning: a policy reads only what it was trained on."""
LIMIT = 10.0
REWARD_SCALE = 1.0
TOKEN_SCALE = 50.0
ANSWERS_SCALE = 5.0
MIN_SCALE = 1e-3
KIND_COLUMNS = 16
COLUMNS_OF_KIND = 4
"""A kind of edit has a 1 in so many of the kind columns: 1,820 kinds can be told apart."""


@dataclass(frozen=True, slots=True)
class Column:
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


_SCALE = "in spreads: root mean squares of the effects that the episode's draw gives the baseline's valid edits"
_VALID = "; 0 where the edit is not valid"

FEATURES = (
    Column("is_stop", "1 in the last row: end the episode", 0, 1),
    Column("is_valid", "1 if the edit changes the present prompt (or is stop)", 0, 1),
    Column("effect", f"expected change by the edit, {_SCALE}{_VALID}"),
    Column("effect_sd", f"standard deviation of that change, likewise{_VALID}", 0),
    Column("effect_draw", f"the change in this episode's draw from the posterior, likewise{_VALID}"),
    Column(
        "lookahead", f"the same by the edit and the best one that has an effect with it as a pair, likewise{_VALID}"
    ),
    Column("is_seen", f"1 if the prompt it leads to has answers in this run{_VALID}", 0, 1),
    Column("answers", f"log(1 + answers of that prompt) / 5{_VALID}", 0),
    Column("token_cost", f"estimated prompt tokens it adds, divided by 50{_VALID}"),
    Column("is_held", "1 if the present prompt is as the edit would make it, where features can say so", 0, 1),
    Column("slot", "position of its slot among those that can be changed, first 0, last 1", 0, 1),
    Column("step", "share of the episode's edits already used", 0, 1),
    Column("budget_left", "share of the search's calls not yet spent", 0, 1),
    Column("gain", "expected value of the present prompt minus the baseline's, in the spreads of ``effect``"),
    *(
        Column(f"kind_{number}", f"1 in the {COLUMNS_OF_KIND} of these columns that the name of its kind chooses", 0, 1)
        for number in range(KIND_COLUMNS)
    ),
)
N_FEATURES = len(FEATURES)
COLUMN = {feature.name: i for i, feature in enumerate(FEATURES)}


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is known of every action at some prompts, in the unit of the objective or of its log odds.

    Attributes:
        is_valid: Shape (n, n_actions), as all but the last four.
        is_held: Whether the prompt is as the edit would make it.
        effect: Expected change.
        effect_sd: Its standard deviation.
        effect_draw: Change in the episode's draw.
        lookahead: Likewise with the best edit after it.
        answers: Of the prompt that it leads to.
        tokens: That it adds.
        gain: Expected value minus the baseline's, shape (n,).
        scale: What effects are divided by, as ``spread`` gives it, shape (n,).
        step: Share of the episode's edits used, shape (n,).
        budget_left: Share of the search's calls.
    """

    is_valid: NDArray[np.bool_]
    is_held: NDArray[np.bool_]
    effect: NDArray[np.float64]
    effect_sd: NDArray[np.float64]
    effect_draw: NDArray[np.float64]
    lookahead: NDArray[np.float64]
    answers: NDArray[np.integer]
    tokens: NDArray[np.float64]
    gain: NDArray[np.float64]
    scale: NDArray[np.float64]
    step: NDArray[np.float64]
    budget_left: float


class Observations:
    """Lays out what is known of the actions of a space.

    Args:
        space: The edits.
        kinds: Kinds to show instead of the edits' own.
    """

    def __init__(self, space: EditSpace, kinds: Sequence[str] | None = None) -> None:
        self._static = edit_features(space, kinds or [edit.kind for edit in space.edits])
        self._can_be_held = np.array([not isinstance(c, NotImagined) for c in space.declared.changes] + [False])

    def fill(self, prospects: Prospects) -> NDArray[np.float32]:
        """One observation for each prompt.

        Returns:
            float32, shape (n, n_actions * N_FEATURES), each value in [-10, 10].
        """
        n, scale = len(prospects.scale), prospects.scale[:, None]
        rows = np.repeat(self._static[None], n, axis=0)
        columns = {
            "is_valid": prospects.is_valid,
            "effect": prospects.effect / scale,
            "effect_sd": prospects.effect_sd / scale,
            "effect_draw": prospects.effect_draw / scale,
            "lookahead": prospects.lookahead / scale,
            "is_seen": prospects.answers > 0,
            "answers": np.log1p(prospects.answers) / ANSWERS_SCALE,
            "token_cost": prospects.tokens / TOKEN_SCALE,
        }
        for name, values in columns.items():
            rows[:, :, COLUMN[name]] = np.where(prospects.is_valid, values, 0)
        rows[:, :, COLUMN["is_held"]] = prospects.is_held & self._can_be_held
        rows[:, :, COLUMN["step"]] = prospects.step[:, None]
        rows[:, :, COLUMN["budget_left"]] = prospects.budget_left
        rows[:, :, COLUMN["gain"]] = prospects.gain[:, None] / scale
        return np.asarray(np.clip(rows, -LIMIT, LIMIT).reshape(n, -1), dtype=np.float32)


def spread(effects: NDArray[np.float64], is_valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Root mean square of the effects of the valid edits, so that they look alike whatever the task, shape (n,).

    Args:
        effects: Of each action at the baseline under a draw; 0 where it is not valid, shape (n, n_actions).
        is_valid: Likewise; the last action is *stop*.
    """
    counted = is_valid[:, :-1].sum(axis=1)
    found = np.sqrt(np.square(effects[:, :-1]).sum(axis=1) / np.maximum(1, counted))
    return np.asarray(np.maximum(MIN_SCALE, found), dtype=np.float64)


def edit_slots(space: EditSpace) -> tuple[str, ...]:
    """The distinct slots that edits speak of: those of the system message in their order, then the others by name."""
    slots = {edit.slot for edit in space.edits}
    return (*(slot for slot in space.slot_order if slot in slots), *sorted(slots - set(space.slot_order)))


def kind_code(kind: str) -> tuple[int, ...]:
    """The numbers of the kind columns in which an edit of a kind has a 1; the same for that name everywhere."""
    order = sorted(range(KIND_COLUMNS), key=lambda number: sha256(f"{number}:{kind}".encode()).digest())
    return tuple(sorted(order[:COLUMNS_OF_KIND]))


def edit_features(space: EditSpace, kinds: Sequence[str]) -> NDArray[np.float32]:
    """The columns that depend on the edit alone, given the kind of each, shape (n_actions, N_FEATURES)."""
    rows = np.zeros((space.n_actions, N_FEATURES), dtype=np.float32)
    slots = {slot: i for i, slot in enumerate(edit_slots(space))}
    for a, (edit, kind) in enumerate(zip(space.edits, kinds, strict=True)):
        rows[a, COLUMN["slot"]] = slots[edit.slot] / max(1, len(slots) - 1)
        rows[a, [COLUMN[f"kind_{number}"] for number in kind_code(kind)]] = 1
    rows[space.stop, COLUMN["is_stop"]] = 1
    return rows
