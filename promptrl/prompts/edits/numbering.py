"""Numbers the features of all factors of a space through, and refuses declarations that contradict themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

from promptrl.errors import ConfigError, Problem
from promptrl.prompts.edits.base import Factor
from promptrl.prompts.edits.features import Change, Declared, FeatureGroup, NotImagined


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


def number_features(factors: Sequence[Factor]) -> DeclaredFeatures:
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


def check_imagined(factors: Sequence[Factor], part: str) -> None:
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


def name_factor(factor: Factor) -> str:
    """The kinds and slots of a factor's edits, for messages: ``insert_word, delete_word of words``."""
    kinds = dict.fromkeys(edit.kind for edit in factor.edits)
    return f"{', '.join(kinds)} of {', '.join(dict.fromkeys(edit.slot for edit in factor.edits))}"


def _check_slots(groups: Sequence[NumberedGroup]) -> None:
    slots = [group.group.slot for group in groups if group.group.is_exclusive]
    for slot in {slot for slot in slots if slots.count(slot) > 1}:
        raise ValueError(f"two factors set the slot {slot!r}")


def _setters(factor: Factor, first_edit: int) -> dict[int, int]:
    """The first edit that sets each feature, by its number in the space; features by their number in the factor."""
    setters: dict[int, int] = {}
    for number, change in enumerate(factor.changes, first_edit):
        if isinstance(change, Change) and change.op == "set":
            setters.setdefault(change.feature, number)
    return setters


def _check(factor: Factor, setters: dict[int, int]) -> None:
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
