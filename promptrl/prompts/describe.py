"""What changed between two prompts, in words for people."""

from collections.abc import Iterator
from dataclasses import fields
from difflib import SequenceMatcher

from promptrl.prompts.edits.base import quoted
from promptrl.prompts.prompt import Demonstration, Prompt, UserTemplate
from promptrl.prompts.sentences import split_phrases

_IN_WORDS = ("slots", "demonstrations", "user", "separator")
"""What of a prompt has words of its own here."""


def describe_changes(old: Prompt, new: Prompt) -> list[str]:
    """One line for each difference, in rendering order; empty when the prompts are equal."""
    return [
        *_slot_changes(old, new),
        *([f"separator = {new.separator!r} (was {old.separator!r})"] if new.separator != old.separator else []),
        *_demonstration_changes(old.demonstrations, new.demonstrations),
        *_template_changes(old.user, new.user),
        *_other_changes(old, new),
    ]


def _other_changes(old: Prompt, new: Prompt) -> Iterator[str]:
    """Whatever else a prompt has come to hold, so that no change goes without a line."""
    for name in (field.name for field in fields(new)):
        before, after = getattr(old, name), getattr(new, name)
        if name not in _IN_WORDS and before != after:
            yield f"{name} = {quoted(str(after))} (was {quoted(str(before))})"


def _template_changes(old: UserTemplate, new: UserTemplate) -> Iterator[str]:
    """Earlier messages by their number and role, the last one as ``user``."""
    before, after = (
        {f"message {at} ({message.role})": message.content for at, message in enumerate(template.earlier, 1)}
        | {"user": template.text}
        for template in (old, new)
    )
    for name in dict.fromkeys(sorted([*before, *after], key=lambda name: name == "user")):
        yield from _text_changes(name, before.get(name, ""), after.get(name, ""))


def _slot_changes(old: Prompt, new: Prompt) -> list[str]:
    new_names, old_names = [name for name, _ in new.slots], [name for name, _ in old.slots]
    lines = []
    for name in [*new_names, *(name for name in old_names if name not in new_names)]:
        lines += _text_changes(name, old.slot(name), new.slot(name))
    common = [name for name in new_names if name in old_names]
    if common != [name for name in old_names if name in new_names]:
        lines.append(f"order of slots: {', '.join(new_names)}")
    return lines


def _text_changes(name: str, old: str, new: str) -> list[str]:
    if old == new:
        return []
    if not new:
        return [f"{name} left out (was {quoted(old)})"]
    if not old:
        return [f"{name} = {quoted(new)} (was left out)"]
    old_phrases, new_phrases = split_phrases(old).phrases, split_phrases(new).phrases
    if len(old_phrases) < 2 or not set(old_phrases) & set(new_phrases):
        return [f"{name} = {quoted(new)} (was {quoted(old)})"]
    lines = []
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old_phrases, new_phrases, False).get_opcodes():
        if tag != "equal":
            lines += [f"{name}: − {quoted(phrase)}" for phrase in old_phrases[start:end]]
            lines += [f"{name}: + {quoted(phrase)}" for phrase in new_phrases[new_start:new_end]]
    return lines or [f"{name}: whitespace changed"]


def _demonstration_changes(old: tuple[Demonstration, ...], new: tuple[Demonstration, ...]) -> list[str]:
    old_sources, new_sources = [shown.source for shown in old], [shown.source for shown in new]
    lines = [f"demonstration + {_pair(shown)}" for shown in new if shown.source not in old_sources]
    lines += [f"demonstration − {_pair(shown)}" for shown in old if shown.source not in new_sources]
    if [source for source in old_sources if source in new_sources] != [
        source for source in new_sources if source in old_sources
    ]:
        lines.append("order of demonstrations changed")
    return lines


def _pair(shown: Demonstration) -> str:
    return f"{quoted(shown.question, 40)} → {quoted(shown.assistant, 20)}"
