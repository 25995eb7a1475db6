"""The numbered list of edits that an agent chooses from; ``building.py`` makes it of what the user wrote."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from promptrl.errors import ConfigError, Problem
from promptrl.prompts.describe import describe_changes
from promptrl.prompts.edits.base import BoolArray, Edit, Factor
from promptrl.prompts.edits.choices import ChoiceFactor
from promptrl.prompts.edits.features import Change
from promptrl.prompts.edits.numbering import number_features
from promptrl.prompts.edits.options import OptionFactor
from promptrl.prompts.edits.wordings import SentenceFactor, WordedPart
from promptrl.prompts.edits.words import SLOT as WORDS
from promptrl.prompts.prompt import Prompt
from promptrl.prompts.space_problems import slot_problems


class EditSpace:
    """All edits of one prompt, numbered: the agent's discrete action space. The last action is *stop*.

    Attributes:
        baseline: The prompt that the user came with.
        edits: Action ``i`` applies ``edits[i]``.
        slot_order: Every slot of the system message in the order of the config, also those that a prompt leaves out.
        factors: The parts of the prompt that can be changed.
        pinned: The slots that no edit may change.
        worded: The plain text whose sentences may be worded anew; None where there is none.
        is_retired: Whether an edit is not taken any more, shape (n_edits,).
        declared: Their features, and what each edit does to them.
        is_choice: Whether an edit sets one of several features that exclude each other, shape (n_edits,).
        is_repeat: Whether an edit sets a feature that an earlier one sets too, shape (n_edits,).

    Args:
        baseline: Likewise.
        factors: Likewise; their edits are numbered one factor after the other.
        slot_order: Likewise.
        pinned: Likewise.
        worded: Likewise.

    Raises:
        ValueError: A factor's features contradict themselves, or two of its choices are one.
    """

    def __init__(
        self,
        baseline: Prompt,
        factors: Sequence[Factor],
        slot_order: Sequence[str],
        pinned: frozenset[str] = frozenset(),
        worded: WordedPart | None = None,
    ) -> None:
        self.baseline = baseline
        self.pinned = pinned
        self.worded = worded
        self.slot_order = tuple(slot_order)
        self.edits: tuple[Edit, ...] = tuple(edit for factor in factors for edit in factor.edits)
        self.factors = tuple(factors)
        self.declared = number_features(self.factors)
        self._refuse_equal_choices()
        setters = {edit for group in self.declared.groups for edit in group.setters}
        choices = {edit for group in self.declared.groups if group.group.is_exclusive for edit in group.setters}
        sets = [isinstance(change, Change) and change.op != "clear" for change in self.declared.changes]
        self.is_choice: BoolArray = np.array([edit in choices for edit in range(self.n_edits)], dtype=np.bool_)
        retired = [
            factor.is_retired if isinstance(factor, ChoiceFactor) else [False] * len(factor.edits) for factor in factors
        ]
        self.is_retired: BoolArray = np.concatenate([*retired, []]).astype(np.bool_)
        self.is_repeat: BoolArray = np.array([s and e not in setters for e, s in enumerate(sets)], dtype=np.bool_)

    def __eq__(self, other: object) -> bool:
        """Whether the same prompt is changed by the same edits under the same numbers."""
        if not isinstance(other, EditSpace):
            return NotImplemented
        return (self.baseline, self.edits, self.slot_order) == (other.baseline, other.edits, other.slot_order)

    def _refuse_equal_choices(self) -> None:
        """Two choices that lead to one prompt would be searched as two, each with an effect of its own."""
        for group in (numbered for numbered in self.declared.groups if numbered.group.is_exclusive):
            edits = [self.edits[at] for at in group.setters if self.edits[at].is_valid(self.baseline)]
            by_prompt = {edit.apply(self.baseline): edit for edit in edits}
            for edit in edits:
                if (other := by_prompt[edit.apply(self.baseline)]) is not edit:
                    raise ValueError(f"{edit.label} and {other.label} lead to the same prompt")

    @property
    def n_edits(self) -> int:
        """How many edits there are."""
        return len(self.edits)

    @property
    def n_actions(self) -> int:
        """How many actions the agent has: the edits and, last, *stop*."""
        return len(self.edits) + 1

    @property
    def stop(self) -> int:
        """The number of the *stop* action."""
        return len(self.edits)

    def mask(self, prompt: Prompt) -> BoolArray:
        """Which actions change this prompt, shape (n_actions,); *stop* is always allowed."""
        return np.concatenate([*(factor.mask(prompt) for factor in self.factors), [np.True_]])

    def holds(self, prompt: Prompt) -> BoolArray:
        """Which edits would bring nothing new, as the prompt holds their content already, shape (n_edits,).

        An edit that takes something out is held by a prompt without it.
        """
        return np.concatenate([*(factor.holds(prompt) for factor in self.factors), np.zeros(0, dtype=np.bool_)])

    def with_option(self, prompt: Prompt, slot: str, text: str | None = None) -> Prompt:
        """The prompt with an option in a slot; None = what the baseline has there.

        Raises:
            KeyError: There is no such option.
        """
        for factor in self.factors:
            if isinstance(factor, ChoiceFactor) and factor.slot == slot:
                for edit in factor.edits:
                    if text is None or edit.text == text:
                        return edit.apply(prompt)
        raise KeyError(f"{slot} = {text!r}")

    def edits_of(self, prompt: Prompt) -> tuple[int, ...]:
        """The edits that the prompt holds and the baseline does not; what several edits set counts once."""
        held = self.holds(prompt) & ~self.holds(self.baseline) & ~self.is_repeat
        return tuple(int(at) for at in np.flatnonzero(held))

    def apply(self, prompt: Prompt, action: int) -> Prompt:
        """The prompt after an action; unchanged after *stop* or an edit that is not valid.

        Raises:
            IndexError: There is no such action.
        """
        if not 0 <= action < self.n_actions:
            raise IndexError(f"action {action}, expected 0 to {self.stop}")
        if action == self.stop or not self.edits[action].is_valid(prompt):
            return prompt
        return self.edits[action].apply(prompt)

    def size(self) -> int | None:
        """How many prompts there are; None when order is searched too, or the text says a sentence twice."""
        counts = [factor.count() for factor in self.factors]
        known = [count for count in counts if count is not None]
        return prod(known) if len(known) == len(counts) else None

    def enumerate(self) -> Iterator[Prompt]:
        """Every prompt once, the baseline first, lazily.

        Raises:
            ValueError: ``size`` is None.
        """
        if self.size() is None:
            raise ValueError("this space has no known size, so its prompts can't be enumerated")
        return self._variants(self.baseline, self.factors)

    def draw(self, rng: np.random.Generator) -> Prompt:
        """A prompt with each of its parts set at random, independently of the others."""
        prompt = self.baseline
        for factor in self.factors:
            prompt = factor.draw(prompt, rng)
        return prompt

    def describe(self, from_prompt: Prompt, to_prompt: Prompt) -> list[str]:
        """One line for people for each difference, in rendering order."""
        return describe_changes(from_prompt, to_prompt)

    def extended(
        self,
        *,
        options: Mapping[str, Sequence[str]] | None = None,
        retired: Mapping[str, Sequence[str]] | None = None,
        factors: Sequence[Factor] = (),
        slots: Sequence[str] = (),
    ) -> "Extension":
        """A larger space of the same baseline, in which every edit means what it means here.

        Args:
            options: Further options by slot. A slot that can't be changed yet can also be left as it is in the
                baseline; one that is new comes last, but for added words, and is left out in the baseline. Where the
                sentences of a text may be worded anew, each of them is a slot (``text.1``).
            retired: Options that are not chosen any more, by slot.
            factors: Further parts that can be changed.
            slots: Slots of the system message that these bring along, in rendering order.

        Raises:
            ConfigError: An option is no option, is there already, or its slot is edited in another way.
            ValueError: A factor's features contradict themselves or others.
        """
        wanted = {slot: tuple(texts) for slot, texts in (options or {}).items() if texts}
        sentences = self.worded.numbers() if self.worded else {}
        wordings = {slot: wanted.pop(slot) for slot in list(wanted) if slot in sentences}
        present = self._options()
        choices = {slot: (*present.get(slot, (self.baseline.slot(slot),)), *texts) for slot, texts in wanted.items()}
        problems = [*slot_problems(choices), *self._taken(choices)]
        problems += self.worded.problems(wordings) if self.worded else []
        if problems:
            raise ConfigError(problems)
        order = self._order_with([*choices, *slots])
        worded = self.worded.grown(order, wordings) if self.worded else None
        gone = {slot: frozenset(texts) for slot, texts in (retired or {}).items()}
        old = [_regrown(factor, choices, worded, order, gone) for factor in self.factors]
        new: list[Factor] = [OptionFactor(slot, texts, order) for slot, texts in choices.items() if slot not in present]
        new += [SentenceFactor(worded, sentences[slot]) for slot in wordings if worded and slot not in present]
        space = EditSpace(
            self.baseline, [*old, *new, *(f.in_order(order) for f in factors)], order, self.pinned, worded
        )
        starts = np.cumsum([0, *(len(factor.edits) for factor in old)])
        places = [start + np.arange(len(f.edits)) for start, f in zip(starts, self.factors, strict=False)]
        return Extension(space, np.concatenate([*places, [space.stop]]).astype(np.intp))

    def with_options(self, options: Mapping[str, Sequence[str]]) -> "Extension | None":
        """A larger space with those of the options that are not here yet, as ``extended`` makes it; None = all are."""
        present = self._options()
        lacking = {
            slot: tuple(text for text in texts if text not in present.get(slot, (self.baseline.slot(slot),)))
            for slot, texts in options.items()
        }
        return self.extended(options=lacking) if any(lacking.values()) else None

    def _options(self) -> dict[str, tuple[str, ...]]:
        return {factor.slot: factor.options for factor in self.factors if isinstance(factor, ChoiceFactor)}

    def _taken(self, slots: Iterable[str]) -> Iterator[Problem]:
        """Slots whose content must stay, or is changed by other edits than the choice of an option."""
        taken = {
            edit.slot
            for factor in self.factors
            if not isinstance(factor, OptionFactor) and not (factor.groups and all(g.is_order for g in factor.groups))
            for edit in factor.edits
        } | ({self.worded.slot} if self.worded else set())
        for slot in slots:
            if slot in self.pinned:
                yield Problem(f"prompt.slots.{slot}", "must stay as it is: edits.keep names it", "use another slot")
            elif slot in taken:
                yield Problem(f"prompt.slots.{slot}", "other edits change its content already", "use another slot")

    def _order_with(self, slots: Iterable[str]) -> tuple[str, ...]:
        """The order of slots with further ones last, but before added words."""
        new = [slot for slot in dict.fromkeys(slots) if slot not in self.slot_order]
        end = self.slot_order.index(WORDS) if WORDS in self.slot_order else len(self.slot_order)
        return (*self.slot_order[:end], *new, *self.slot_order[end:])

    def _variants(self, prompt: Prompt, factors: Sequence[Factor]) -> Iterator[Prompt]:
        if not factors:
            yield prompt
            return
        for variant in factors[0].variants(prompt):
            yield from self._variants(variant, factors[1:])


def _regrown(
    factor: Factor,
    choices: Mapping[str, Sequence[str]],
    worded: WordedPart | None,
    order: tuple[str, ...],
    retired: Mapping[str, frozenset[str]],
) -> Factor:
    """A factor of a space in the one that it grows to."""
    gone = retired.get(factor.slot, frozenset()) if isinstance(factor, ChoiceFactor) else frozenset()
    if isinstance(factor, OptionFactor):
        return OptionFactor(factor.slot, choices.get(factor.slot, factor.options), order, factor.retired | gone)
    if isinstance(factor, SentenceFactor) and worded:
        return factor.of(worded, gone)
    return factor.in_order(order)


@dataclass(frozen=True, slots=True)
class Extension:
    """A space that grew out of a smaller one.

    Attributes:
        space: It.
        actions: The number there of each action of the smaller one, *stop* included, shape (its n_actions,).
    """

    space: EditSpace
    actions: npt.NDArray[np.intp]
