"""What an edit is, and what the parts of a prompt that edits change have in common.

An edit is one small pure change. The edits of one part of a prompt (a slot, the demonstrations, the phrases, the
added words, the order) form a factor, which answers for all its edits at once: an agent asks for the masks of many
prompts at every step.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from promptrl.prompts.edits.features import Declared, FeatureGroup
from promptrl.prompts.prompt import Prompt

BoolArray = npt.NDArray[np.bool_]


class Edit(Protocol):
    """One change to a prompt."""

    @property
    def kind(self) -> str:
        """What sort of change it is: a name in lower case with underscores."""

    @property
    def slot(self) -> str:
        """The part of the prompt that it changes; also ``text``, ``user``, ``demonstrations`` or ``words``."""

    @property
    def text(self) -> str:
        """The content that it brings in or takes out, in full; empty when there is none."""

    @property
    def label(self) -> str:
        """For reports, on one line, long texts shortened."""

    @property
    def token_cost(self) -> float:
        """About how many tokens its content takes; negative for an edit that removes it."""

    def is_valid(self, prompt: Prompt) -> bool:
        """Whether it would change this prompt within the bounds of the space."""

    def is_held(self, prompt: Prompt) -> bool:
        """Whether the prompt already is as this edit would make it."""

    def apply(self, prompt: Prompt) -> Prompt:
        """The changed prompt. Only for a prompt on which the edit is valid."""


class Factor(Protocol):
    """One part of a prompt that can be set apart from the others, with the edits that change it."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """In the order of their numbers."""

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """The features that its edits set and clear, numbered group by group."""

    @property
    def changes(self) -> tuple[Declared, ...]:
        """What each edit does to them. A feature is held by the prompts by which an edit that sets it is held."""

    def mask(self, prompt: Prompt) -> BoolArray:
        """``is_valid`` of every edit, shape (n_edits,)."""

    def holds(self, prompt: Prompt) -> BoolArray:
        """``is_held`` of every edit, shape (n_edits,)."""

    def count(self) -> int | None:
        """How many states this part can take; None when the order of its pieces counts too."""

    def variants(self, prompt: Prompt) -> Iterator[Prompt]:
        """The prompt with this part in each of its states, that of the baseline first.

        Only where ``count`` is a number.
        """

    def draw(self, prompt: Prompt, rng: np.random.Generator) -> Prompt:
        """The prompt with this part set at random, whatever it was."""

    def in_order(self, order: tuple[str, ...]) -> "Factor":
        """The same edits where the slots of the system message stand in this order, more slots among them."""


def quoted(text: str, width: int = 60) -> str:
    """A text in quotes on one line, shortened to about ``width`` characters."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= width else f'"{line[: width - 1].rstrip()}…"'


def rough_tokens(text: str) -> float:
    """About how many tokens a text takes: a quarter of its bytes in UTF-8."""
    return len(text.encode("utf-8", errors="replace")) / 4
