"""What each key takes and means: a table for people, a JSON Schema for editors, words for error messages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from promptrl.config.blocks import Block, Expect
from promptrl.config.experiment import ExperimentConfig

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


NOTHING_SPECIAL = Expect()


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """One key of the config, documented.

    Attributes:
        key: Dotted; ``N`` stands for a position in a list.
        type: What it takes, in words.
        default: As YAML; ``required`` when it must be given, empty for a block.
        description: What it means.
        when: The only ``type`` of its block (for ``algorithm``: ``name``) that has this key; empty: always there.
    """

    key: str
    type: str
    default: str
    description: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in the config that takes a value.

    Attributes:
        kind: The bare type: a class, a generic alias, a ``Literal``, or a union of blocks.
        constraints: Ranges and lengths that pydantic checks.
        expect: The annotation for messages.
        is_nullable: True when null is fine.
    """

    kind: Any
    constraints: tuple[Any, ...] = ()
    expect: Expect = NOTHING_SPECIAL
    is_nullable: bool = False

    @property
    def variants(self) -> dict[str, type[Block]]:
        """The blocks to choose from by ``type``, or what the key is called; empty when there is no choice."""
        key = self.type_key
        if not key:
            return {}
        return {tag: block for block in get_args(self.kind) for tag in get_args(block.model_fields[key].annotation)}

    @property
    def type_key(self) -> str:
        """The key that chooses among several blocks; empty when there is no choice."""
        if get_origin(self.kind) not in (Union, UnionType):
            return ""
        return "type" if all("type" in block.model_fields for block in get_args(self.kind)) else "name"

    @property
    def block(self) -> type[Block] | None:
        """The block that stands here, when there is just one."""
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, Block) else None

    @property
    def is_text(self) -> bool:
        """True when only text (or null) fits."""
        return self.kind is str

    @property
    def takes_text(self) -> bool:
        """True when text fits, perhaps in place of a list."""
        return self.is_text or self.expect.takes_text

    @property
    def choices(self) -> tuple[str, ...]:
        """The words of a closed choice."""
        return tuple(str(choice) for choice in get_args(self.kind)) if get_origin(self.kind) is Literal else ()

    def child(self, key: str, variant: str | None = None) -> "Place | None":
        """The place of a key or a list position below this one; None when there is none.

        Args:
            key: As in the YAML file.
            variant: The ``type`` of a block that has several; None: the one that is meant unless told.
        """
        block = self.variants.get(variant or self.expect.default_type) or self.block
        if block is not None:
            return next((place_of_field(info) for name, info in fields_of(block) if name == key), None)
        origin, arguments = get_origin(self.kind), get_args(self.kind)
        if origin is tuple:
            return place_of(arguments[0])
        return place_of(arguments[1]) if origin is dict else None


def place_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Place:
    """Understand a type annotation as written in a model."""
    constraints, expect, is_nullable = list(metadata), NOTHING_SPECIAL, False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extra = get_args(annotation)
            constraints += extra
            continue
        members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
        if NoneType not in members:
            break
        is_nullable = True
        rest = tuple(member for member in members if member is not NoneType)
        annotation = Union[rest]  # noqa: UP007 - built from a tuple
    for item in list(constraints):
        if isinstance(item, FieldInfo):
            constraints += item.metadata
        if isinstance(item, Expect):
            expect = item
    return Place(annotation, tuple(constraints), expect, is_nullable)


def place_of_field(info: FieldInfo) -> Place:
    """The place that a field of a block is."""
    return place_of(info.annotation, tuple(info.metadata))


def fields_of(block: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a block by the names they have in YAML."""
    for name, info in block.model_fields.items():
        yield info.alias or name, info


def expectation(place: Place) -> str:
    """What a place takes, in words: ``a whole number from 1 to 1024, or null``."""
    words = place.expect.text or _words(place)
    return f"{words}, or null" if place.is_nullable and words != "null" else words


def schema_rows(model: type[BaseModel] = ExperimentConfig, prefix: str = "") -> list[SchemaRow]:
    """Document every key of a block and of the blocks in it, in the order of the file."""
    rows: list[SchemaRow] = []
    for name, info in fields_of(model):
        place, key = place_of_field(info), f"{prefix}{name}"
        rows.append(SchemaRow(key, expectation(place), _default(info, place), info.description or ""))
        item = place.child("0") if get_origin(place.kind) is tuple else None
        if place.expect.like:
            continue
        if place.block:
            rows += schema_rows(place.block, f"{key}.")
        elif place.variants:
            rows += _variant_rows(place, f"{key}.")
        elif item and item.block:
            rows += schema_rows(item.block, f"{key}.N.")
        elif item and item.variants:
            rows += _variant_rows(item, f"{key}.N.")
    return rows


def json_schema() -> dict[str, Any]:
    """The config as a JSON Schema, for completion and checks in editors."""
    return {"$schema": JSON_SCHEMA_DIALECT, **ExperimentConfig.model_json_schema(by_alias=True)}


def _variant_rows(place: Place, prefix: str) -> list[SchemaRow]:
    """First ``type`` and what all variants share, then what only one of them or some have."""
    variants = place.variants
    by_variant = {tag: {row.key: row for row in schema_rows(block, prefix)} for tag, block in variants.items()}
    type_key = f"{prefix}{place.type_key}"
    kinds = {tag: rows[type_key].description for tag, rows in by_variant.items()}
    meaning = "; ".join(f"`{tag}`: {kind.rstrip('.')}" for tag, kind in kinds.items())
    if len(set(kinds.values())) == 1:
        meaning = next(iter(kinds.values()))
    default = json.dumps(place.expect.default_type) if place.expect.default_type else "required"
    shared, special = [SchemaRow(type_key, f"one of {', '.join(variants)}", default, meaning)], []
    done: dict[tuple[str, str, str], list[str]] = {}
    for tag, rows in by_variant.items():
        for row in rows.values():
            if row.key != type_key:
                default = "the type" if row.key == f"{prefix}name" else row.default
                done.setdefault((row.key, row.type, default), []).append(tag)
    for (key, kind, default), tags in done.items():
        description, when = by_variant[tags[0]][key].description, ", ".join(tags)
        if len(tags) == len(variants):
            shared.append(SchemaRow(key, kind, default, description))
        else:
            special.append(SchemaRow(key, kind, default, f"{_for_types(tags, list(variants))}: {description}", when))
    return [*shared, *special]


def _for_types(tags: list[str], all_tags: list[str]) -> str:
    others = [tag for tag in all_tags if tag not in tags]
    return f"For {', '.join(tags)}" if len(tags) <= len(others) else f"For all but {', '.join(others)}"


def _default(info: FieldInfo, place: Place) -> str:
    if info.is_required():
        return "required"
    if place.block or place.variants:
        return "null" if place.is_nullable else ""
    default = info.get_default(call_default_factory=True, validated_data={})
    return json.dumps(default, ensure_ascii=False)


def _words(place: Place) -> str:
    kind, origin, arguments = place.kind, get_origin(place.kind), get_args(place.kind)
    if place.choices:
        return place.choices[0] if len(place.choices) == 1 else f"one of {', '.join(place.choices)}"
    if kind is NoneType:
        return "null"
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        return ("a whole number" if kind is int else "a number") + _range(place)
    if kind is str:
        return "text that is not empty" if _bound(place, "min_length") else "text"
    if origin is tuple:
        least = _bound(place, "min_length")
        at_least = f", at least {least}" if least else ""
        item = place_of(arguments[0])
        return f"a list ({'mappings' if item.variants else expectation(item)}{at_least})"
    if origin is dict:
        return f"a mapping ({expectation(place_of(arguments[0]))} to {expectation(place_of(arguments[1]))})"
    return f"a mapping with `type`: {', '.join(place.variants)}" if place.variants else "a mapping"


def _range(place: Place) -> str:
    low, high, above, below = (_bound(place, name) for name in ("ge", "le", "gt", "lt"))
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = (
        ("of at least", low),
        ("above", above),
        ("of at most", high),
        ("below", below),
    )
    return "".join(" " + " and ".join([f"{word} {bound}" for word, bound in bounds if bound is not None])).rstrip()


def _bound(place: Place, name: str) -> Any:
    """The tightest constraint of that name; a field may narrow the range of its type."""
    bounds = [value for item in place.constraints if (value := getattr(item, name, None)) is not None]
    if not bounds:
        return None
    return min(bounds) if name in ("le", "lt") else max(bounds)
