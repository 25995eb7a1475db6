"""What a factor declares of its edits: the features of a prompt that they set and clear.

A *feature* is one thing a prompt can hold or lack: an option of a slot, a demonstration, a phrase that was dropped, a
place that was changed. Whoever edits prompts without rendering them (imagined episodes, the baselines' variables, the
surrogate's prior) works from these declarations alone, so a new kind of edit is known to all of them at once.
"""

from dataclasses import dataclass
from typing import Literal


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
