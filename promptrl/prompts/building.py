"""Builds the edit space of the prompt that a user wrote: which parts it has, and what may change in each."""

from collections.abc import Mapping, Sequence

from promptrl.errors import ConfigError, Problem
from promptrl.prompts.bank import load_bank, with_bank
from promptrl.prompts.edits.base import Factor
from promptrl.prompts.edits.demonstrations import DemonstrationFactor
from promptrl.prompts.edits.options import OptionFactor, SlotOrderFactor
from promptrl.prompts.edits.phrases import SYSTEM_SLOT, PhrasedPart, PhraseFactor
from promptrl.prompts.edits.wordings import WordedPart, sentence_factors
from promptrl.prompts.edits.words import SLOT as WORDS
from promptrl.prompts.edits.words import WordFactor
from promptrl.prompts.languages import language_of
from promptrl.prompts.pins import pin_problems, pinned_slots, with_pins
from promptrl.prompts.placeholders import placeholders
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from promptrl.prompts.sentences import split_phrases
from promptrl.prompts.space import EditSpace
from promptrl.prompts.space_problems import slot_problems, source_problems, word_problems


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
    keep: Sequence[str] = (),
    factors: Sequence[Factor] = (),
    rewording: bool = False,
) -> EditSpace:
    """Number the edits of the prompt that the user wrote.

    Args:
        slots: Options by slot, in rendering order; the first is the baseline's, an empty one leaves the slot out.
        text: The prompt of today as plain text, instead of slots: the system message, or the whole user message.
        user: Template of the user message, or of the last messages; None only when ``text`` is that.
        separator: Stands between slots. Next to a ``text`` of several lines a separator of blanks becomes a newline,
            lest an option of the bank continue the last line of a list.
        demonstrations: Candidates in canonical order; equal ones count once.
        max_demonstrations: Most of them in one prompt.
        bank: Offer the built-in options for slots that the prompt lacks, in its language where there are some.
        phrases: Offer to drop the phrases of ``text``.
        reorder: Search the order of slots, phrases and demonstrations too.
        tokens: Words that may be added at the end of the system message.
        keep: What must stay as it is, in its place: parts of sentences of ``text``, or of first options of slots.
        factors: Further parts of the prompt that can be changed.
        rewording: Whether options may come later: sentences of ``text`` may then be worded anew, and there may be no
            edits to begin with.

    Raises:
        ConfigError: With every problem found, each under its key.
    """
    asked = UserTemplate(user) if isinstance(user, str) else user
    _check_prompt(slots, text, asked, tokens, keep)
    options, separator = _system_message(slots, None if asked is None else text, separator)
    options = _with_bank(options, asked or UserTemplate(text or "")) if bank else options
    order = (*options, WORDS) if tokens else tuple(options)
    first = tuple((name, texts[0]) for name, texts in options.items())
    baseline = Prompt(first, (), asked or UserTemplate(text or ""), separator)
    pinned = pinned_slots(options, keep)
    parts = _option_factors({name: texts for name, texts in options.items() if name not in pinned}, order)
    worded = None
    table = with_pins(split_phrases(text or "", is_template=asked is None), keep)
    if text is not None and phrases and rewording:
        worded = WordedPart(PhrasedPart(table, order))
        parts += sentence_factors(worded)
    elif text is not None and phrases:
        parts.append(PhraseFactor(PhrasedPart(table, order), reorder=reorder))
    if demonstrations and max_demonstrations > 0:
        parts.append(DemonstrationFactor(tuple(dict.fromkeys(demonstrations)), max_demonstrations, reorder=reorder))
    parts += [WordFactor(tokens, order)] if tokens else []
    parts += [SlotOrderFactor(tuple(options), order, pinned)] if reorder and len(options) > 1 else []
    parts += [factor.in_order(order) for factor in factors]
    space = EditSpace(baseline, parts, order, pinned, worded)
    return space if rewording else _with_edits(space)


def _with_bank(options: Mapping[str, Sequence[str]], user: UserTemplate) -> dict[str, tuple[str, ...]]:
    said = [message.content for message in user.messages]
    language = language_of([*said, *(text for texts in options.values() for text in texts)])
    return with_bank(options, load_bank(language), said)


def _option_factors(options: Mapping[str, Sequence[str]], order: tuple[str, ...]) -> list[Factor]:
    return [OptionFactor(name, texts, order) for name, texts in options.items() if len(texts) > 1]


def _system_message(
    slots: Mapping[str, Sequence[str]] | None, text: str | None, separator: str
) -> tuple[Mapping[str, Sequence[str]], str]:
    """The options by slot, a plain system message being the one option of its slot, and what stands between slots."""
    if text is None:
        return slots or {}, separator
    is_listing = "\n" in text and not separator.strip(" \t")
    return {SYSTEM_SLOT: (text,)}, "\n" if is_listing else separator


def _check_prompt(
    slots: Mapping[str, Sequence[str]] | None,
    text: str | None,
    user: UserTemplate | None,
    tokens: Sequence[str] | None,
    keep: Sequence[str],
) -> None:
    """Raise a ``ConfigError`` with everything that is wrong with what the user wrote."""
    problems = [
        *source_problems(slots, text, user),
        *slot_problems(slots or {}, {WORDS: "edits.tokens"} if tokens else None),
        *word_problems(tokens or ()),
        *pin_problems(keep, slots, text, user),
    ]
    if user is None and not placeholders(text or ""):
        message = "missing: something must place the input into the user message"
        problems.append(Problem("prompt.user", message, 'for example user: "{input}"'))
    if problems:
        raise ConfigError(problems)


def _with_edits(space: EditSpace) -> EditSpace:
    """The space, unless it has no edits: then a ``ConfigError``."""
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
