"""What a proposer proposes: single labelled edits, and the parts of a prompt that they may change."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Op = Literal["add", "replace", "shorten", "merge", "paraphrase", "remove"]
OPS: tuple[Op, ...] = get_args(Op)
RULE_PREFIX = "rule_"
"""Every rule that is added is a slot of its own, so that rules combine: ``rule_1``, ``rule_2``, ..."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One edit that a proposer has thought of.

    Attributes:
        slot: The part of the prompt that it changes, as the proposer was told its name.
        op: What it does there.
        text: The new content; empty for "remove". Hostile text until the guards have seen it.
        hypothesis: Why it should help, in the proposer's words.
        rows: Numbers of the cases, as it was told them, that made it think so.
    """

    slot: str
    op: Op
    text: str
    hypothesis: str = ""
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the prompt that a proposal may change.

    Attributes:
        name: Of the slot, or of the sentence (``text.3``).
        text: What stands there in the baseline; empty where it is left out.
        options: Everything that may stand there by now, ``text`` among it.
        is_template: Whether placeholders in it are filled in, so that a new wording must have the same ones.
    """

    name: str
    text: str
    options: tuple[str, ...]
    is_template: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proposal goes: an option of a slot.

    Attributes:
        slot: Its name; of an added rule a new one.
        text: The option; empty leaves the slot out.
        replaces: What stands there in the baseline.
        is_template: As of the part.
        is_new: Whether it is a slot of its own, for a rule.
    """

    slot: str
    text: str
    replaces: str = ""
    is_template: bool = False
    is_new: bool = False


def place_of(proposal: Proposal, parts: Iterable[Part], rule: str) -> Place | None:
    """Where a proposal goes; None where there is no such part.

    What is added to a part that the baseline leaves out is an option of it. What is added to any other is a rule of
    its own, for it must not push out what stands there.

    Args:
        proposal: It.
        parts: All that may be changed.
        rule: Name of the slot for a new rule.
    """
    part = next((part for part in parts if part.name == proposal.slot), None)
    if proposal.op == "add" and (part is None or part.text or part.name.startswith(RULE_PREFIX)):
        return Place(rule, proposal.text, is_new=True)
    if part is None:
        return None
    return Place(part.name, proposal.text, part.text, part.is_template)


def rule_after(rule: str, count: int) -> str:
    """Name of the slot so many rules after one."""
    return f"{RULE_PREFIX}{int(rule.removeprefix(RULE_PREFIX)) + count}"


def next_rule(names: Iterable[str]) -> str:
    """Name of the slot for the next rule: the first number that is free above all that are taken."""
    numbers = [name.removeprefix(RULE_PREFIX) for name in names if name.startswith(RULE_PREFIX)]
    return rule_after(f"{RULE_PREFIX}{max((int(n) for n in numbers if n.isdecimal()), default=0)}", 1)
