"""Builds observations from a space and the estimates of a run on the live model."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptrl.prompts.edits.base import rough_tokens
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace
from promptrl.search.live.estimates import Draw, Estimates, prompt_keys
from promptrl.search.observation import Observations, Prospects, spread
from promptrl.search.surrogate.data import Floats

NEIGHBOURHOODS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The prompts one edit away from a prompt; row n (stop) is the prompt itself.

    Attributes:
        prompt_ids: n + 1 ids.
        keys: The ids as numbers.
        holds: Which edits each holds and a 1 for the intercept, uint8, shape (n + 1, n + 1).
        mask: True where the edit is valid, shape (n + 1,).
        is_held: Which edits the prompt holds, stop not among them, shape (n + 1,).
        tokens: About how many tokens each of the prompts has more than the prompt, shape (n + 1,).
    """

    prompt_ids: tuple[str, ...]
    keys: NDArray[np.uint64]
    holds: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    is_held: NDArray[np.bool_]
    tokens: NDArray[np.float64]


class Featurizer:
    """Builds observations from an edit space and the run's estimates.

    Args:
        space: The edits; n of them give n + 1 rows.
        estimates: Posterior estimates of prompts; shared with whoever adds answers.
    """

    def __init__(self, space: EditSpace, estimates: Estimates) -> None:
        self.space = space
        self.estimates = estimates
        self._observations = Observations(space)
        self._near: OrderedDict[str, Neighbourhood] = OrderedDict()

    def mask(self, prompt: Prompt) -> NDArray[np.bool_]:
        """Valid actions, shape (n + 1,); stop always is."""
        return self.neighbourhood(prompt).mask

    def observe(self, prompt: Prompt, draw: Draw, *, step_share: float, budget_share: float) -> NDArray[np.float32]:
        """The feature table, flattened (``observation.FEATURES``).

        Args:
            prompt: The present prompt.
            draw: This episode's truth.
            step_share: Edits used / edits allowed, in [0, 1].
            budget_share: Calls left / calls allowed, in [0, 1].

        Returns:
            float32, shape (n_actions * N_FEATURES,), each value in [-10, 10].
        """
        near, baseline = self.neighbourhood(prompt), self.neighbourhood(self.space.baseline)
        known = self.estimates.find(near.prompt_ids)
        holds = near.holds.astype(np.float64)
        expected = self.estimates.expected(holds, known)
        effect_draw = self._effects(draw, near)
        prospects = Prospects(
            is_valid=near.mask[None],
            is_held=near.is_held[None],
            effect=(expected - expected[-1])[None],
            effect_sd=self.estimates.effect_sd(holds - holds[-1], known, int(known[-1]))[None],
            effect_draw=effect_draw[None],
            lookahead=effect_draw[None],  # the estimates know of no pairs
            answers=self.estimates.answers(known)[None],
            tokens=near.tokens[None],
            gain=expected[-1:] - self.baseline_value(),
            scale=spread(self._effects(draw, baseline)[None], baseline.mask[None]),
            step=np.array([step_share]),
            budget_left=budget_share,
        )
        return np.asarray(self._observations.fill(prospects)[0])

    def _effects(self, draw: Draw, near: Neighbourhood) -> Floats:
        """The change by each action that a draw imagines, shape (n + 1,)."""
        known = self.estimates.find(near.prompt_ids)
        imagined = self.estimates.imagined(draw, near.holds.astype(np.float64), known, near.keys)
        return np.asarray(imagined - imagined[-1])

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
        tokens = np.full(len(prompts), _content_tokens(prompt))
        for a, other in enumerate(prompts):
            holds[a, :-1] = held if other is prompt else space.holds(other)
            tokens[a] = tokens[-1] if other is prompt else _content_tokens(other)
        return Neighbourhood(ids, prompt_keys(ids), holds, mask, np.append(held, False), tokens - tokens[-1])

    def baseline_value(self) -> float:
        """Expected objective of the baseline."""
        near = self.neighbourhood(self.space.baseline)
        known = self.estimates.find(near.prompt_ids[-1:])
        return float(self.estimates.expected(near.holds[-1:].astype(np.float64), known)[0])


def _content_tokens(prompt: Prompt) -> float:
    """About how many tokens the contents of its messages take, placeholders as they stand."""
    shown = [text for d in prompt.demonstrations for text in (d.question, d.assistant)]
    asked = [message.content for message in prompt.user.messages]
    return sum(rough_tokens(text) for text in (prompt.system_text, *shown, *asked))
