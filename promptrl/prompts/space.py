"""The numbered list of edits that an agent chooses from, and how it is built from what the user wrote."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from promptrl.errors import ConfigError, Problem
from promptrl.prompts.bank import load_bank, with_bank
from promptrl.prompts.describe import describe_changes
from promptrl.prompts.edits.base import BoolArray, Edit, Factor
from promptrl.prompts.edits.demonstrations import SLOT as DEMONSTRATIONS
from promptrl.prompts.edits.demonstrations import DemonstrationFactor
from promptrl.prompts.edits.features import Change, number_features
from promptrl.prompts.edits.options import OptionFactor, SlotOrderFactor
from promptrl.prompts.edits.phrases import SYSTEM_SLOT, PhrasedPart, PhraseFactor
from promptrl.prompts.edits.words import SLOT as WORDS
from promptrl.prompts.edits.words import WordFactor
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from promptrl.prompts.sentences import split_phrases


class EditSpace:
    """All edits of one prompt, numbered: the agent's discrete action space. The last action is *stop*.

    Attributes:
        baseline: The prompt that the user came with.
        edits: Action ``i`` applies ``edits[i]``.
        slot_order: Every slot of the system message in the order of the config, also those that a prompt leaves out.
        token_cost: About how many tokens each edit's content takes, float64, shape (n_edits,).
        factors: The parts of the prompt that can be changed.
        declared: Their features, and what each edit does to them.
        is_choice: Whether an edit sets one of several features that exclude each other, shape (n_edits,).
        is_repeat: Whether an edit sets a feature that an earlier one sets too, shape (n_edits,).

    Args:
        baseline: Likewise.
        factors: Likewise; their edits are numbered one factor after the other.
        slot_order: Likewise.

    Raises:
        ValueError: A factor's features contradict themselves.
    """

    def __init__(self, baseline: Prompt, factors: Sequence[Factor], slot_order: Sequence[str]) -> None:
        self.baseline = baseline
        self.slot_order = tuple(slot_order)
        self.edits: tuple[Edit, ...] = tuple(edit for factor in factors for edit in factor.edits)
        self.token_cost: npt.NDArray[np.float64] = np.array([edit.token_cost for edit in self.edits], dtype=np.float64)
        self.factors = tuple(factors)
        self.declared = number_features(self.factors)
        setters = {edit for group in self.declared.groups for edit in group.setters}
        choices = {edit for group in self.declared.groups if group.group.is_exclusive for edit in group.setters}
        sets = [isinstance(change, Change) and change.op != "clear" for change in self.declared.changes]
        self.is_choice: BoolArray = np.array([edit in choices for edit in range(self.n_edits)], dtype=np.bool_)
        self.is_repeat: BoolArray = np.array([s and e not in setters for e, s in enumerate(sets)], dtype=np.bool_)

    @property
    def n_edits(self) -> int:
        """How many edits there are."""
        return len(self.edits)

    @property
    def n_actions(self) -> int:
        """The edits and *stop*."""
        return len(self.edits) + 1

    @property
    def stop(self) -> int:
        """The number of the *stop* action."""
        return len(self.edits)

    def mask(self, prompt: Prompt) -> BoolArray:
        """Which actions change this prompt, shape (n_actions,); *stop* is always allowed."""
        return np.concatenate([*(factor.mask(prompt) for factor in self.factors), [np.True_]])

    def masks(self, prompts: Sequence[Prompt]) -> BoolArray:
        """``mask`` of several prompts, shape (n_prompts, n_actions)."""
        return np.stack([self.mask(prompt) for prompt in prompts])

    def holds(self, prompt: Prompt) -> BoolArray:
        """Which edits would bring nothing new, as the prompt holds their content already, shape (n_edits,).

        An edit that takes something out is held by a prompt without it.
        """
        return np.concatenate([factor.holds(prompt) for factor in self.factors])

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

    def _variants(self, prompt: Prompt, factors: Sequence[Factor]) -> Iterator[Prompt]:
        if not factors:
            yield prompt
            return
        for variant in factors[0].variants(prompt):
            yield from self._variants(variant, factors[1:])


def build_edit_space(
    *,
    slots: Mapping[str, Sequence[str]] | None,
    text: str | None,
    user: UserTemplate | str | None,
    separator: str,
    demonstrations: Sequence[Demonstration],
    max_demonstrations: int,
    bank: bool,
    phrases: bool,
    reorder: bool,
    tokens: Sequence[str] | None,
) -> EditSpace:
    """Number the edits of the prompt that the user wrote.

    Args:
        slots: Options by slot, in rendering order; the first is the baseline's, an empty one leaves the slot out.
        text: The prompt of today as plain text, instead of slots. With a placeholder it is the whole user message,
            else the system message.
        user: Template of the user message, or of the last messages; None only when ``text`` is that.
        separator: Stands between slots. Next to a ``text`` of several lines a separator of blanks becomes a newline,
            lest an option of the bank continue the last line of a list.
        demonstrations: Candidates in canonical order; equal ones count once.
        max_demonstrations: Most of them in one prompt.
        bank: Offer the built-in options for slots that the prompt lacks.
        phrases: Offer to drop the phrases of ``text``.
        reorder: Search the order of slots, phrases and demonstrations too.
        tokens: Words that may be added at the end of the system message.

    Raises:
        ConfigError: With every problem found, each under its key of the config.
    """
    asked = UserTemplate(user) if isinstance(user, str) else user
    problems = [
        *_source_problems(slots, text, asked),
        *_slot_problems(slots or {}, has_candidates=bool(demonstrations), has_tokens=bool(tokens)),
        *_token_problems(tokens or ()),
    ]
    if problems:
        raise ConfigError(problems)

    is_template = text is not None and bool(UserTemplate(text).placeholders)
    if text is not None and not is_template:
        options: Mapping[str, Sequence[str]] = {SYSTEM_SLOT: (text,)}
        separator = "\n" if "\n" in text and not separator.strip(" \t") else separator
    else:
        options = slots or {}
    if bank:
        options = with_bank(options, load_bank())
    order = (*options, WORDS) if tokens else tuple(options)
    baseline = Prompt(
        slots=tuple((name, texts[0]) for name, texts in options.items()),
        demonstrations=(),
        user=UserTemplate(text or "") if asked is None else asked,
        separator=separator,
    )

    factors: list[Factor] = [OptionFactor(name, texts, order) for name, texts in options.items() if len(texts) > 1]
    if text is not None and phrases:
        factors.append(PhraseFactor(PhrasedPart(split_phrases(text, is_template=is_template), order), reorder=reorder))
    candidates = tuple(dict.fromkeys(demonstrations))
    if candidates and max_demonstrations > 0:
        factors.append(DemonstrationFactor(candidates, max_demonstrations, reorder=reorder))
    if tokens:
        factors.append(WordFactor(tokens, order))
    if reorder and len(options) > 1:
        factors.append(SlotOrderFactor(tuple(options), order))

    space = EditSpace(baseline, factors, order)
    if not space.edits:
        message = "nothing in this prompt can be changed: no slot has two options, and there are no other edits"
        raise ConfigError([Problem("edits", message, "add options to a slot, or set edits.bank to builtin")])
    return space


def make_slot_space(slots: Mapping[str, Sequence[str]], user: str) -> EditSpace:
    """A space of slots alone, for landscapes made up or recorded; arguments as for ``build_edit_space``."""
    return build_edit_space(
        slots=slots,
        text=None,
        user=user,
        separator=" ",
        demonstrations=(),
        max_demonstrations=0,
        bank=False,
        phrases=False,
        reorder=False,
        tokens=None,
    )


def _source_problems(
    slots: Mapping[str, Sequence[str]] | None, text: str | None, user: UserTemplate | None
) -> Iterator[Problem]:
    if text is not None and slots:
        yield Problem("prompt.text", "given together with prompt.slots", "keep one of the two")
    if text is not None and not text.strip():
        yield Problem("prompt.text", "is empty, expected the prompt of today")
    names = UserTemplate(text).placeholders if text is not None else ()
    if names and user is not None:
        message = f"given although prompt.text holds {{{names[0]}}} and so is the whole user message"
        yield Problem("prompt.user", message, "remove prompt.user, or the placeholder from prompt.text")
    elif not names and user is None:
        message = "missing: something must place the input into the user message"
        yield Problem("prompt.user", message, 'for example user: "{input}"')
    elif user is not None and not user.placeholders:
        message = f"got {user.text!r}, expected at least one placeholder such as {{input}}"
        yield Problem("prompt.user", message, "else every example would be asked the same question")


def _slot_problems(slots: Mapping[str, Sequence[str]], *, has_candidates: bool, has_tokens: bool) -> Iterator[Problem]:
    for name, options in slots.items():
        key = f"prompt.slots.{name}"
        if (name == DEMONSTRATIONS and has_candidates) or (name == WORDS and has_tokens):
            used_by = "prompt.demonstrations" if name == DEMONSTRATIONS else "edits.tokens"
            yield Problem(key, f"this name is taken by {used_by}", "rename the slot")
        if not options:
            yield Problem(key, "has no option, expected at least one")
        for at, option in enumerate(options):
            if option in options[:at]:
                yield Problem(f"{key}.{at}", f"repeats option {list(options).index(option)} of this slot")
            elif option and not option.strip():
                yield Problem(f"{key}.{at}", f"got {option!r}, only whitespace", 'write "" to leave the slot out')


def _token_problems(tokens: Sequence[str]) -> Iterator[Problem]:
    for at, word in enumerate(tokens):
        if len(word.split()) != 1 or word != word.strip():
            yield Problem(f"edits.tokens.{at}", f"got {word!r}, expected one word without whitespace")
        elif word in tokens[:at]:
            yield Problem(f"edits.tokens.{at}", f"{word!r} is listed twice")
