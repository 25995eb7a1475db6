"""What of today's prompt must stay as it is, word for word and in its place: the pieces that ``edits.keep`` names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from promptrl.errors import Problem, show
from promptrl.prompts.files import TEXT_SLOT
from promptrl.prompts.prompt import Prompt, UserTemplate
from promptrl.prompts.sentences import PhraseTable, split_phrases


def with_pins(table: PhraseTable, keep: Sequence[str]) -> PhraseTable:
    """The phrases of a text, those pinned that a kept text is part of or runs through."""
    text = table.render(table.everything)
    found = [match.span() for wanted in keep for match in _pattern(wanted).finditer(text)]
    pinned, end = set[int](), 0
    for at, phrase in enumerate(table.phrases):
        start = end + len(table.gaps[at])
        end = start + len(phrase)
        if any(first < end and last > start for first, last in found):
            pinned.add(at)
    return replace(table, pinned=frozenset(pinned))


def pinned_slots(slots: Mapping[str, Sequence[str]], keep: Sequence[str]) -> frozenset[str]:
    """The slots whose first option, the baseline's, holds a kept text."""
    return frozenset(
        name for name, options in slots.items() if any(_pattern(wanted).search(options[0]) for wanted in keep)
    )


def pinned_pieces(prompt: Prompt, keep: Sequence[str]) -> tuple[str, ...]:
    """What stays of the baseline because of kept texts: options whole, sentences of a plain text or user message."""
    slots = dict(prompt.slots)
    texts = [slots.pop(TEXT_SLOT, ""), *(message.content for message in prompt.user.messages)]
    tables = [with_pins(split_phrases(text), keep) for text in texts]
    options = [text for text in slots.values() if any(_pattern(wanted).search(text) for wanted in keep)]
    return (*options, *(table.phrases[at] for table in tables for at in sorted(table.pinned)))


def pin_problems(
    keep: Sequence[str], slots: Mapping[str, Sequence[str]] | None, text: str | None, user: UserTemplate | None
) -> Iterator[Problem]:
    """Of kept texts that the prompt does not have; arguments as for ``build_edit_space``."""
    texts = [options[0] for options in (slots or {}).values() if options]
    texts += [text] if text else []
    texts += [message.content for message in user.messages] if user else []
    pieces = [phrase for found in texts for phrase in split_phrases(found).phrases]
    for at, wanted in enumerate(keep):
        if not wanted.strip():
            yield Problem(f"edits.keep.{at}", f"got {wanted!r}, expected a sentence of the prompt or a part of one")
        elif not any(_pattern(wanted).search(found) for found in texts):
            message = f"{show(wanted)} is nowhere in today's prompt"
            near = max(pieces, key=lambda piece: _likeness(wanted, piece), default="")
            yield Problem(f"edits.keep.{at}", message, f"the nearest sentence is {show(near)}" if near else "")


def _pattern(wanted: str) -> re.Pattern[str]:
    """Where a text stands, however its lines are wrapped."""
    return re.compile(r"\s+".join(re.escape(word) for word in wanted.split()))


def _likeness(wanted: str, piece: str) -> float:
    """Between 0 and 1: how much of the wanted text the piece has, and then how little else."""
    matcher = SequenceMatcher(None, wanted.lower(), piece.lower(), autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / max(1, len(wanted)) + matcher.ratio() / 2
