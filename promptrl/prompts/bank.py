"""The built-in banks of options for the slots that prompts usually have (``banks/``), one for each language."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import yaml

from promptrl.prompts.languages import language_of
from promptrl.prompts.sentences import split_phrases

LANGUAGES = ("en", "de", "fr", "es")
"""The banks that there are, the first for prompts in other languages."""
ALIKE = 0.6
"""Part of their words that two sentences share, from which on one need not be offered beside the other."""
_SMALL = "a an and any before for if in is it of on or so that the to with you your"


@dataclass(frozen=True, slots=True)
class BankSlot:
    """A slot of the bank.

    Attributes:
        name: Of the slot.
        place: ``start``: before all other slots; ``end``: after the user's slots, unless one is known to come later.
        aliases: Other names of the same slot.
        options: Texts to put in; leaving the slot out isn't listed.
        said: Pattern of what a prompt says, letter case aside, that speaks of the subject already; empty: unknown.
    """

    name: str
    place: Literal["start", "end"]
    aliases: tuple[str, ...]
    options: tuple[str, ...]
    said: str = ""

    def is_said(self, texts: Iterable[str]) -> bool:
        """Whether a prompt with these texts speaks of the subject, or says nearly the same as an option."""
        return any(
            (self.said and re.search(self.said, " ".join(phrase.split()), re.IGNORECASE))
            or any(_likeness(phrase, option) >= ALIKE for option in self.options)
            for text in texts
            for phrase in split_phrases(text).phrases
        )


def has_bank(texts: Iterable[str]) -> bool:
    """Whether there is a bank in the language of a prompt with these texts."""
    return language_of(texts) in LANGUAGES


def load_bank(language: str | None = None) -> tuple[BankSlot, ...]:
    """The slots of the bank in rendering order; of the English one where the language has none."""
    name = language if language in LANGUAGES else LANGUAGES[0]
    entries = yaml.safe_load(files("promptrl.prompts").joinpath("banks", f"{name}.yaml").read_text("utf-8"))
    return tuple(
        BankSlot(entry["slot"], entry["place"], tuple(entry["aliases"]), tuple(entry["options"]), entry["said"])
        for entry in entries
    )


def with_bank(
    slots: Mapping[str, Sequence[str]], bank: Sequence[BankSlot], said: Sequence[str] = ()
) -> dict[str, tuple[str, ...]]:
    """The slots in rendering order, with those of the bank that they lack and whose subject is new.

    A bank slot starts left out. It goes before the first slot that the bank knows to come later; else to the end, or to
    the front when that is its place.

    Args:
        slots: Options by slot name, in rendering order.
        bank: In rendering order.
        said: Whatever else the prompt says.
    """
    rank = {name: at for at, entry in enumerate(bank) for name in (entry.name, *entry.aliases)}
    present = {rank[name.lower()] for name in slots if name.lower() in rank}
    texts = [*said, *(option for options in slots.values() for option in options)]
    merged = {name: tuple(options) for name, options in slots.items()}
    for at, entry in enumerate(bank):
        if at in present or entry.name in slots or entry.is_said(texts):
            continue
        names = list(merged)
        later = (position for position, name in enumerate(names) if rank.get(name.lower(), -1) > at)
        position = 0 if entry.place == "start" else next(later, len(names))
        names.insert(position, entry.name)
        merged[entry.name] = ("", *entry.options)
        merged = {name: merged[name] for name in names}
    return merged


def _likeness(first: str, second: str) -> float:
    """Part of the words of two sentences that they share, small words aside and endings cut; 0 to 1."""
    mine, theirs = (
        {word[:5] for word in re.findall(r"\w+", text.lower()) if word not in _SMALL.split()}
        for text in (first, second)
    )
    return 2 * len(mine & theirs) / max(1, len(mine) + len(theirs))
