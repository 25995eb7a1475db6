"""The built-in bank of options for the slots that prompts usually have (``bank.yaml``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import yaml


@dataclass(frozen=True, slots=True)
class BankSlot:
    """A slot of the bank.

    Attributes:
        name: Of the slot.
        place: ``start``: before all other slots; ``end``: after the user's slots, unless one is known to come later.
        aliases: Other names of the same slot.
        options: Texts to put in; leaving the slot out isn't listed.
    """

    name: str
    place: Literal["start", "end"]
    aliases: tuple[str, ...]
    options: tuple[str, ...]


def load_bank() -> tuple[BankSlot, ...]:
    """The slots of the bank in rendering order."""
    entries = yaml.safe_load(files("promptrl.prompts").joinpath("bank.yaml").read_text("utf-8"))
    return tuple(
        BankSlot(entry["slot"], entry["place"], tuple(entry["aliases"]), tuple(entry["options"])) for entry in entries
    )


def with_bank(slots: Mapping[str, Sequence[str]], bank: Sequence[BankSlot]) -> dict[str, tuple[str, ...]]:
    """The slots in rendering order, with those of the bank that they lack.

    A bank slot starts left out. It goes before the first slot that the bank knows to come later; else to the end, or to
    the front when that is its place.

    Args:
        slots: Options by slot name, in rendering order.
        bank: In rendering order.
    """
    rank = {name: at for at, entry in enumerate(bank) for name in (entry.name, *entry.aliases)}
    present = {rank[name.lower()] for name in slots if name.lower() in rank}
    merged = {name: tuple(options) for name, options in slots.items()}
    for at, entry in enumerate(bank):
        if at in present:
            continue
        names = list(merged)
        later = (position for position, name in enumerate(names) if rank.get(name.lower(), -1) > at)
        position = 0 if entry.place == "start" else next(later, len(names))
        names.insert(position, entry.name)
        merged[entry.name] = ("", *entry.options)
        merged = {name: merged[name] for name in names}
    return merged
