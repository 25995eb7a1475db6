"""An edit space as a list of independent choices: for uniform draws, and for optimisers of categorical variables."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from promptrl.prompts.edits.numbering import NumberedGroup, check_imagined
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

    Features that exclude each other are one variable. Where only so many can be held, each place is one, and so is how
    many places are filled, so that few are as likely as many. Any other feature is a variable of its own: held or not.

    Attributes:
        all: The variables, in the order in which they are applied: the order of things after what there is.

    Args:
        space: The edits.

    Raises:
        ConfigError: A factor can't be set by features.
    """

    def __init__(self, space: EditSpace) -> None:
        check_imagined(space.factors, "a search by independent choices")
        self._space = space
        self._counts: dict[str, list[str]] = {}
        groups = sorted(space.declared.groups, key=lambda group: group.group.is_order)
        self.all: tuple[Variable, ...] = tuple(variable for group in groups for variable in self._of(group))

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

    def _of(self, group: NumberedGroup) -> Iterator[Variable]:
        kind = group.group.kind
        if group.group.is_exclusive:
            yield Variable(f"{kind} {group.group.slot}", group.setters)
        elif group.group.capacity is not None:
            yield from self._places(kind, group)
        else:
            yield from (Variable(f"{kind} {action}", (None, action)) for action in group.setters)

    def _places(self, kind: str, group: NumberedGroup) -> list[Variable]:
        """A count, and for each place what stands there."""
        name = kind if f"{kind} count" not in self._counts else f"{kind} of {group.group.slot}"
        places = [Variable(f"{name} {place + 1}", group.setters) for place in range(group.group.capacity or 0)]
        count = Variable(f"{name} count", (None,) * (len(places) + 1))
        self._counts[count.name] = [place.name for place in places]
        return [count, *places]
