"""An edit space as a list of independent choices: for uniform draws, and for optimisers of categorical variables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space import EditSpace


@dataclass(frozen=True, slots=True)
class Variable:
    """One choice.

    Attributes:
        name: Unique in its space.
        actions: What each value does: an edit, or None for nothing.
    """

    name: str
    actions: tuple[int | None, ...]


class Variables:
    """The choices that make a prompt out of the baseline.

    A slot is one variable; so is each phrase (kept or dropped), each place for a demonstration or an inserted word,
    and each move. How many places are filled is a variable too, so that few are as likely as many.

    Attributes:
        all: The variables, in the order in which they are applied.

    Args:
        space: The edits.
    """

    def __init__(self, space: EditSpace) -> None:
        self._space = space
        self._counts: dict[str, list[str]] = {}
        self.all: tuple[Variable, ...] = (
            *self._options(),
            *self._switches("drop_phrase"),
            *self._places("add_demonstration"),
            *self._places("insert_word"),
            *self._switches("move"),
        )

    def draw(self, rng: np.random.Generator) -> Prompt:
        """A random prompt, each variable uniform by itself."""
        return self.prompt({v.name: int(rng.integers(len(v.actions))) for v in self.all})

    def prompt(self, values: dict[str, int]) -> Prompt:
        """The prompt with a value of every variable; what is not valid by then has no effect."""
        idle = {place for name, places in self._counts.items() for place in places[values[name] :]}
        prompt = self._space.baseline
        for variable in self.all:
            action = variable.actions[values[variable.name]]
            if action is not None and variable.name not in idle:
                prompt = self._space.apply(prompt, action)
        return prompt

    def _of_kind(self, kind: str) -> list[int]:
        return [action for action, edit in enumerate(self._space.edits) if edit.kind == kind]

    def _options(self) -> list[Variable]:
        slots: dict[str, list[int]] = {}
        for action in self._of_kind("option"):
            slots.setdefault(self._space.edits[action].slot, []).append(action)
        return [Variable(f"option {slot}", tuple(actions)) for slot, actions in slots.items()]

    def _switches(self, kind: str) -> list[Variable]:
        return [Variable(f"{kind} {action}", (None, action)) for action in self._of_kind(kind)]

    def _places(self, kind: str) -> list[Variable]:
        """A count, and for each place what stands there."""
        actions = self._of_kind(kind)
        places = [Variable(f"{kind} {place + 1}", tuple(actions)) for place in range(self._capacity(actions))]
        if not places:
            return []
        count = Variable(f"{kind} count", (None,) * (len(places) + 1))
        self._counts[count.name] = [place.name for place in places]
        return [count, *places]

    def _capacity(self, actions: Sequence[int]) -> int:
        """How many of these edits fit into one prompt, one after the other."""
        prompt, count = self._space.baseline, 0
        while valid := [action for action in actions if self._space.mask(prompt)[action]]:
            prompt, count = self._space.apply(prompt, valid[0]), count + 1
        return count
