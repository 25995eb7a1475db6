"""How a part that a config can choose (a type of metric, of target) declares its settings: once, in its own class.

A definition is a frozen dataclass. Each field that stands in YAML is annotated with a ``Setting``; ``config`` makes the
block for the file from that, and the table, the JSON Schema and the error messages from the block::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Distinct(Rule):
        n: Annotated[int, Setting("Words in an n-gram.", ge=1, le=10)] = 2
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from promptrl.errors import Problem


@dataclass(frozen=True, slots=True)
class Setting:
    """What a value in YAML means and which values fit; within a type (an item, a key) it needs no description.

    Attributes:
        description: What it means.
        ge: Least number.
        gt: Number that it must be above.
        le: Greatest number.
        lt: Number that it must be below.
        min_length: Least characters or items.
        pattern: What text must match.
        expected: What fits, in words; empty: derived from type and range.
        is_private: True when a wrong value may be a secret and must not be repeated.
        is_path: True for a path, relative to the config.
        is_json_file: True when a text is the path of a JSON file that holds the value.
        fill: Completes a value that was given.
    """

    description: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    pattern: str | None = None
    expected: str = ""
    is_private: bool = False
    is_path: bool = False
    is_json_file: bool = False
    fill: Callable[[Any], Any] | None = None


class Definition:
    """One type of a part that is chosen by name. Its settings are the annotated fields of the subclass.

    Attributes:
        summary: What it is or does, as a sentence; the first line of the class docstring says so too, in other words.
    """

    __slots__ = ()

    summary: ClassVar[str]

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with or between the settings, each of the right type; keys are relative to the block."""
        yield from ()


def settings_of(definition: type[Any]) -> Mapping[str, Setting]:
    """The settings of a definition, those of the classes above it too, by the names of their fields."""
    hints = get_type_hints(definition, include_extras=True)
    found = {field.name: _outermost(hints[field.name]) for field in fields(definition)}
    return {name: setting for name, setting in found.items() if setting is not None}


def _outermost(hint: Any) -> Setting | None:
    items = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((item for item in items if isinstance(item, Setting)), None)


NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
"""Of a metric or a slot."""
EXPERIMENT_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
"""Also of the folders of its runs."""

Text = Annotated[str, Setting(min_length=1)]
EnvironmentName = Annotated[
    str,
    Setting(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        expected="the name of an environment variable (never the secret itself)",
        is_private=True,
    ),
]
FunctionName = Annotated[
    str,
    Setting(
        "The function as module:function.",
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        expected="a function as module:function",
    ),
]
