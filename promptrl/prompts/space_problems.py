"""What can be wrong with the slots, the text and the words that a space of edits is built from."""

from collections.abc import Iterator, Mapping, Sequence

from promptrl.errors import Problem
from promptrl.prompts.edits.demonstrations import SLOT as DEMONSTRATIONS
from promptrl.prompts.edits.words import SLOT as WORDS
from promptrl.prompts.prompt import UserTemplate


def source_problems(
    slots: Mapping[str, Sequence[str]] | None, text: str | None, user: UserTemplate | None
) -> Iterator[Problem]:
    """Of where the prompt comes from: slots or a text, and a user message that holds the input."""
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


def slot_problems(slots: Mapping[str, Sequence[str]], *, has_candidates: bool, has_tokens: bool) -> Iterator[Problem]:
    """Of the names and options of slots; where there are candidates or tokens, their names are taken."""
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


def word_problems(tokens: Sequence[str]) -> Iterator[Problem]:
    """Of the words that may be inserted."""
    for at, word in enumerate(tokens):
        if len(word.split()) != 1 or word != word.strip():
            yield Problem(f"edits.tokens.{at}", f"got {word!r}, expected one word without whitespace")
        elif word in tokens[:at]:
            yield Problem(f"edits.tokens.{at}", f"{word!r} is listed twice")
