"""What a factor declares of its edits: the features of a prompt that they set and clear.

A *feature* is one thing a prompt can hold or lack: an option of a slot, a demonstration, a phrase that was dropped, a
place that was changed. Whoever edits prompts without rendering them (imagined episodes, the baselines' variables, the
surrogate's prior) works from these declarations alone, so a new kind of edit is known to all of them at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptrl.errors import ConfigError, Problem

if TYPE_CHECKING:
    from promptrl.prompts.edits.base import Factor


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that a prompt can hold.

    Attributes:
        text: What it brings in or takes out, for similarity; empty where wording says nothing of its effect.
        tokens: About how many tokens a prompt that holds it has more; negative where it has fewer.
    """

    text: str
    tokens: float


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Features that follow one rule; without any, each is held or not for itself.

    Attributes:
        kind: A label without further meaning: features of one kind share a variance, and may be alike by wording.
        slot: The part of the prompt that they are about.
        features: In the order of their numbers.
        is_exclusive: Whether a prompt holds one at most, so that to set one clears the one that is held.
        capacity: How many a prompt can hold at once; None = all of them.
        alike: Part of the prior variance of their effects that all of them have in common, in [0, 1); where there is
            any, two of them have no effect as a pair.
        any_kind: Kind of a further feature, held where any of these is; empty = there is none.
        is_order: Whether they say where things stand rather than what is there: chosen after everything else.
    """

    kind: str
    slot: str
    features: tuple[Feature, ...]
    is_exclusive: bool = False
    capacity: int | None = None
    alike: float = 0.0
    any_kind: str = ""
    is_order: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit does to features.

    ``set`` needs the feature not to be held, and room in its group. ``clear`` needs it to be held. ``swap`` needs it
    not to be held and its group to be full: it sets the feature and clears the last one that is held.

    Attributes:
        op: What it does.
        feature: To which one, numbered through the groups of its factor or space.
    """

    op: Literal["set", "clear", "swap"]
    feature: int


@dataclass(frozen=True, slots=True)
class NotImagined:
    """Says that an edit is taken on real prompts only.

    Attributes:
        reason: Why features can't say what it does, for people.
        only_undoes: Whether it leads nowhere that is not reached without it, so that nothing is missed.
    """

    reason: str
    only_undoes: bool = False


Declared = Change | NotImagined


@dataclass(frozen=True, slots=True)
class NumberedGroup:
    """A group of features in an edit space.

    Attributes:
        group: It.
        first: Number of its first feature.
        setters: The edit that sets each feature, the first where there are several.
    """

    group: FeatureGroup
    first: int
    setters: tuple[int, ...]

    @property
    def numbers(self) -> range:
        """The numbers of its features."""
        return range(self.first, self.first + len(self.setters))


@dataclass(frozen=True, slots=True)
class DeclaredFeatures:
    """The features of an edit space.

    Attributes:
        groups: In the order of their features, factor by factor.
        changes: What each edit does to features.
    """

    groups: tuple[NumberedGroup, ...]
    changes: tuple[Declared, ...]


def number_features(factors: Sequence["Factor"]) -> DeclaredFeatures:
    """The features of all factors, numbered one factor after the other.

    Raises:
        ValueError: A factor's declaration contradicts itself; the message names it.
    """
    groups: list[NumberedGroup] = []
    changes: list[Declared] = []
    first = 0
    for factor in factors:
        setters = _setters(factor, len(changes))
        _check(factor, setters)
        changes += [
            change if isinstance(change, NotImagined) else Change(change.op, first + change.feature)
            for change in factor.changes
        ]
        offset = 0
        for group in factor.groups:
            size = len(group.features)
            found = tuple(setters[number] for number in range(offset, offset + size))
            groups.append(NumberedGroup(group, first + offset, found))
            offset += size
        first += offset
    _check_slots(groups)
    return DeclaredFeatures(tuple(groups), tuple(changes))


def check_imagined(factors: Sequence["Factor"], part: str) -> None:
    """Make sure that every factor can be set by its features.

    Args:
        factors: Of an edit space.
        part: What needs it, for the message.

    Raises:
        ConfigError: An edit that leads somewhere is not imagined, so that it would be left untried.
    """
    problems = []
    for factor in factors:
        untold = [c for c in factor.changes if isinstance(c, NotImagined) and not c.only_undoes]
        reasons = dict.fromkeys(change.reason for change in untold)
        if untold or not any(group.features for group in factor.groups):
            message = f"{name_factor(factor)}: {part} can't try it: {'; '.join(reasons)}"
            problems.append(
                Problem("edits", message, "leave it out, or search by an agent with algorithm.planning none")
            )
    if problems:
        raise ConfigError(problems)


def name_factor(factor: "Factor") -> str:
    """The kinds and slots of a factor's edits, for messages: ``insert_word, delete_word of words``."""
    kinds = dict.fromkeys(edit.kind for edit in factor.edits)
    return f"{', '.join(kinds)} of {', '.join(dict.fromkeys(edit.slot for edit in factor.edits))}"


def _check_slots(groups: Sequence[NumberedGroup]) -> None:
    slots = [group.group.slot for group in groups if group.group.is_exclusive]
    for slot in {slot for slot in slots if slots.count(slot) > 1}:
        raise ValueError(f"two factors set the slot {slot!r}")


def _setters(factor: "Factor", first_edit: int) -> dict[int, int]:
    """The first edit that sets each feature, by its number in the space; features by their number in the factor."""
    setters: dict[int, int] = {}
    for number, change in enumerate(factor.changes, first_edit):
        if isinstance(change, Change) and change.op == "set":
            setters.setdefault(change.feature, number)
    return setters


def _check(factor: "Factor", setters: dict[int, int]) -> None:
    groups = [group for group in factor.groups for _ in group.features]
    touched = {change.feature for change in factor.changes if isinstance(change, Change)}
    cleared = {change.feature for change in factor.changes if isinstance(change, Change) and change.op == "clear"}
    swapped = {change.feature for change in factor.changes if isinstance(change, Change) and change.op == "swap"}
    if len(factor.changes) != len(factor.edits):
        problem = f"declares what {len(factor.changes)} of its {len(factor.edits)} edits do"
    elif not touched <= set(range(len(groups))):
        problem = "changes a feature that it does not declare"
    elif len(setters) < len(groups):
        problem = "declares a feature that no edit sets"
    elif any(groups[feature].is_exclusive for feature in cleared):
        problem = "clears a feature that another one of its group replaces"
    elif any(groups[feature].capacity is None for feature in swapped):
        problem = "swaps in a group that is never full"
    else:
        return
    raise ValueError(f"{name_factor(factor)}: {problem}")
