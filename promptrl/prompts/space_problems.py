"""What can be wrong with the slots, the text and the words that a space of edits is built from; the config asks too."""

import re
from collections.abc import Iterator, Mapping, Sequence

from promptrl.errors import Problem, show
from promptrl.prompts.notation import doubled_names
from promptrl.prompts.prompt import UserTemplate
from promptrl.settings import NAME

RESERVED_SLOTS = ("demonstrations", "user")
"""Names that mean something else in a prompt."""


def source_problems(
    slots: Mapping[str, Sequence[str]] | None, text: str | None, user: UserTemplate | None
) -> Iterator[Problem]:
    """Of where the prompt comes from: slots or a text, and a user message that holds the input."""
    if text is not None and slots is not None:
        yield Problem("prompt.text", "can't stand beside `slots`", "keep one of the two")
    if text is not None and not text.strip():
        yield Problem("prompt.text", "is empty, expected the prompt of today")
    if user is not None and not user.placeholders:
        doubled = [name for message in user.messages for name in doubled_names(message.content)]
        hint = f"write {{{doubled[0]}}}, with one pair of braces" if doubled else ""
        yield Problem("prompt.user", "has no {column} placeholder: every example would get the same message", hint)


def slot_problems(slots: Mapping[str, Sequence[str]], taken: Mapping[str, str] | None = None) -> Iterator[Problem]:
    """Of the names and options of slots.

    Args:
        slots: Name to options.
        taken: Names that are in use, and by which key of the config.
    """
    for name, options in slots.items():
        key = f"prompt.slots.{name}"
        if not re.match(NAME, name):
            yield Problem("prompt.slots", f"got {name!r}, expected a name of letters, digits, _ and -, a letter first")
        elif name in RESERVED_SLOTS:
            yield Problem(key, "is not free as a slot name", f"prompt.{name} has a meaning of its own")
        elif taken and name in taken:
            yield Problem(key, f"this name is taken by {taken[name]}", "rename the slot")
        if not options:
            yield Problem(key, "has no option, expected at least one")
        for at, option in enumerate(options):
            if option in options[:at]:
                first = list(options).index(option)
                yield Problem(f"{key}.{at}", f"is the same text as option {first} of this slot")
            elif option and not option.strip():
                yield Problem(f"{key}.{at}", f"got {option!r}, only whitespace", 'write "" to leave the slot out')


def word_problems(tokens: Sequence[str]) -> Iterator[Problem]:
    """Of the words that may be inserted."""
    for at, word in enumerate(tokens):
        if len(word.split()) != 1 or word != word.strip():
            yield Problem(f"edits.tokens.{at}", f"got {word!r}, expected one word without whitespace")
        elif word in tokens[:at]:
            yield Problem(f"edits.tokens.{at}", f"the word {show(word)} is there twice")
