"""Builds observations from a space and the estimates of a run on the live model."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.live.estimates import Draw, Estimates, prompt_keys
from promptrl.search.observation import (
    ANSWERS_SCALE,
    COLUMN,
    EFFECT_SCALE,
    LIMIT,
    N_FEATURES,
    TOKEN_SCALE,
    edit_features,
)

NEIGHBOURHOODS_KEPT = 256


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
        estimates: Posterior estimates of prompts; shared with whoever adds answers.
    """

    def __init__(self, space: EditSpace, estimates: Estimates) -> None:
        self.space = space
        self.estimates = estimates
        self._template = edit_features(space)
        self._near: OrderedDict[str, Neighbourhood] = OrderedDict()

    @property
    def size(self) -> int:
        """Length of a flattened observation: ``n_actions * N_FEATURES``."""
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
