"""What all blocks of a config share: their base class, the types of their fields, and words for what is expected."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with a block.

    Attributes:
        path: Keys from the block (or, once translated, from the top of the file) down; list positions as digits.
        message: The value found and what was expected.
        hint: The way out, if there is an obvious one.
    """

    path: tuple[str, ...]
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Expect:
    """Annotation of a field for error messages and the schema.

    Attributes:
        text: What the field takes, in words; empty: derived from its type and range.
        later: Values that a coming version will take; ``text`` and ``mapping`` stand for all such values.
        is_private: True when a wrong value may be a secret and must not be repeated.
        takes_text: True when text may stand for a list.
        is_path: True for a path that is relative to the config.
        default_type: Which of several blocks is meant when none is named; empty: one must be.
        like: The key of the top whose block this one is like: what it takes is told there.
    """

    text: str = ""
    later: tuple[str, ...] = ()
    is_private: bool = False
    takes_text: bool = False
    is_path: bool = False
    default_type: str = ""
    like: str = ""


class Block(BaseModel):
    """A mapping of the config with fixed keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def issues(self) -> Iterator[Issue]:
        """Yield what is wrong between the fields of this block, each of which is valid by itself."""
        yield from ()

    def paths(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The paths in this block that are relative to the config, each with its keys from here down."""
        for name, info in type(self).model_fields.items():
            key, value = info.alias or name, getattr(self, name)
            blocks = list(_blocks_at(key, value))
            for keys, block in blocks:
                yield from (((*keys, *further), path) for further, path in block.paths())
            if not blocks and value is not None and any(expect.is_path for expect in _expects(info)):
                yield (key,), value

    def below(self) -> Iterator[tuple[tuple[str, ...], "Block"]]:
        """The blocks right below this one, alone or in a list, each with its keys from here down."""
        for name, info in type(self).model_fields.items():
            yield from _blocks_at(info.alias or name, getattr(self, name))

    @model_validator(mode="after")
    def _raise_issues(self) -> Self:
        if issues := tuple(self.issues()):
            text = "; ".join(f"{'.'.join(issue.path)}: {issue.message}" for issue in issues)
            raise PydanticCustomError("issues", "{text}", {"text": text, "issues": issues})
        return self


def _blocks_at(key: str, value: Any) -> Iterator[tuple[tuple[str, ...], Block]]:
    """What stands at a key, as far as it is a block or a list of blocks."""
    if isinstance(value, Block):
        yield (key,), value
    elif isinstance(value, tuple):
        yield from (((key, str(at)), item) for at, item in enumerate(value) if isinstance(item, Block))


def _expects(info: FieldInfo) -> Iterator[Expect]:
    """The annotations of a field, those of the types that its own is made of too."""
    waiting = [*info.metadata, info.annotation]
    while waiting:
        item = waiting.pop()
        waiting += get_args(item)
        if isinstance(item, Expect):
            yield item


def whole(value: Any) -> Any:
    """Take ``1e6`` for a whole number: YAML has no other short way to write a million."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, Strict(), BeforeValidator(whole)]
Count = Annotated[int, Strict(), Field(ge=1), BeforeValidator(whole)]
Number = Annotated[float, Strict()]
Switch = Annotated[bool, Strict()]
Text = Annotated[str, Field(min_length=1)]
_PATH = "a path (~ is your home, $NAME is not filled in), without NUL characters"
PathText = Annotated[str, Field(min_length=1, pattern=r"^[^\x00$][^\x00]*$"), Expect(_PATH)]
FilePath = Annotated[PathText, Expect(_PATH, is_path=True)]
"""Relative to the config; the resolved one has it absolute."""
