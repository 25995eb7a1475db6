"""What the agent sees: one row of features per edit, the last row for *stop*; the same columns for every edit space.

``FEATURES`` is the table of columns. Columns have fixed scales, the same for every edit, and nothing in them depends
on how many edits there are, so a policy trained on one space reads another. The observation is the table flattened
row by row: feature ``f`` of edit ``e`` stands at ``e * N_FEATURES + f``.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.edits.base import EDIT_KINDS, rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.estimates import Draw, Estimates, prompt_keys

LIMIT = 10.0
EFFECT_SCALE = 10.0
TOKEN_SCALE = 50.0
ANSWERS_SCALE = 5.0
NEIGHBOURHOODS_KEPT = 256


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
    *(Feature(f"kind_{kind}", f"1 if the edit is of kind {kind}", 0, 1) for kind in EDIT_KINDS),
)
N_FEATURES = len(FEATURES)
COLUMN = {feature.name: i for i, feature in enumerate(FEATURES)}


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The prompts one edit away from a prompt; row n (stop) is the prompt itself.

    Attributes:
        prompt_ids: n + 1 ids.
        keys: The ids as numbers.
        holds: Which edits each holds and a 1 for the intercept, uint8, shape (n + 1, n + 1).
        mask: True where the edit is valid, shape (n + 1,).
        static: The rows' features that no answer changes, float32, shape (n + 1, N_FEATURES).
    """

    prompt_ids: tuple[str, ...]
    keys: NDArray[np.uint64]
    holds: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    static: NDArray[np.float32]


class Observer:
    """Builds observations from an edit space and the run's estimates.

    Args:
        space: The edits; n of them give n + 1 rows.
        estimates: What is believed about prompts; shared with whoever adds answers.
    """

    def __init__(self, space: EditSpace, estimates: Estimates) -> None:
        self.space = space
        self.estimates = estimates
        self._template = edit_features(space)
        self._near: OrderedDict[str, Neighbourhood] = OrderedDict()

    @property
    def size(self) -> int:
        """Length of an observation."""
        return self.space.n_actions * N_FEATURES

    def mask(self, prompt: Prompt) -> NDArray[np.bool_]:
        """Valid actions, shape (n + 1,); stop always is."""
        return self.neighbourhood(prompt).mask

    def observe(self, prompt: Prompt, draw: Draw, *, step_share: float, budget_share: float) -> NDArray[np.float32]:
        """The feature table, flattened.

        Args:
            prompt: The present prompt.
            draw: This episode's truth.
            step_share: Edits used / edits allowed, in [0, 1].
            budget_share: Calls left / calls allowed, in [0, 1].

        Returns:
            float32, shape (n_actions * N_FEATURES,), each value in [-10, 10].
        """
        near = self.neighbourhood(prompt)
        known = self.estimates.find(near.prompt_ids)
        holds = near.holds.astype(np.float64)
        expected = self.estimates.expected(holds, known)
        imagined = self.estimates.imagined(draw, holds, known, near.keys)
        rows = near.static.copy()
        rows[:, COLUMN["effect"]] = EFFECT_SCALE * (expected - expected[-1])
        rows[:, COLUMN["effect_sd"]] = EFFECT_SCALE * self.estimates.effect_sd(holds - holds[-1], known, int(known[-1]))
        rows[:, COLUMN["effect_draw"]] = EFFECT_SCALE * (imagined - imagined[-1])
        rows[:, COLUMN["lookahead"]] = rows[:, COLUMN["effect_draw"]]
        rows[:, COLUMN["is_seen"]] = known >= 0
        rows[:, COLUMN["answers"]] = np.log1p(self.estimates.answers(known)) / ANSWERS_SCALE
        rows[:, COLUMN["step"]] = step_share
        rows[:, COLUMN["budget_left"]] = budget_share
        rows[:, COLUMN["gain"]] = EFFECT_SCALE * (expected[-1] - self.baseline_value())
        return np.clip(rows, -LIMIT, LIMIT).ravel()

    def neighbourhood(self, prompt: Prompt) -> Neighbourhood:
        """The prompts one edit away; the last few hundred asked for are kept."""
        key = prompt.prompt_id
        if key not in self._near:
            self._near[key] = self._neighbourhood(prompt)
            if len(self._near) > NEIGHBOURHOODS_KEPT:
                self._near.popitem(last=False)
        self._near.move_to_end(key)
        return self._near[key]

    def _neighbourhood(self, prompt: Prompt) -> Neighbourhood:
        space = self.space
        mask = space.mask(prompt)
        prompts = [space.apply(prompt, a) if mask[a] else prompt for a in range(space.stop)]
        prompts.append(prompt)
        ids = tuple(p.prompt_id for p in prompts)
        held = space.holds(prompt)
        holds = np.ones((len(prompts), space.n_actions), dtype=np.uint8)
        tokens = np.full(len(prompts), rough_tokens(prompt.text))
        for a, other in enumerate(prompts):
            holds[a, :-1] = held if other is prompt else space.holds(other)
            tokens[a] = tokens[-1] if other is prompt else rough_tokens(other.text)
        static = self._template.copy()
        static[:, COLUMN["is_valid"]] = mask
        static[:, COLUMN["token_cost"]] = (tokens - tokens[-1]) / TOKEN_SCALE
        static[:-1, COLUMN["is_held"]] = held
        return Neighbourhood(ids, prompt_keys(ids), holds, mask, static)

    def baseline_value(self) -> float:
        """Expected objective of the baseline."""
        near = self.neighbourhood(self.space.baseline)
        known = self.estimates.find(near.prompt_ids[-1:])
        return float(self.estimates.expected(near.holds[-1:].astype(np.float64), known)[0])


def edit_slots(space: EditSpace) -> tuple[str, ...]:
    """The distinct slots that edits speak of, in order of first appearance."""
    return tuple(dict.fromkeys(edit.slot for edit in space.edits))


def edit_features(space: EditSpace) -> NDArray[np.float32]:
    """The columns that depend on the edit alone, shape (n_actions, N_FEATURES)."""
    rows = np.zeros((space.n_actions, N_FEATURES), dtype=np.float32)
    slots = {slot: i for i, slot in enumerate(edit_slots(space))}
    for a, edit in enumerate(space.edits):
        rows[a, COLUMN["slot"]] = slots[edit.slot] / max(1, len(slots) - 1)
        rows[a, COLUMN[f"kind_{edit.kind}"]] = 1
    rows[space.stop, COLUMN["is_stop"]] = 1
    return rows
