"""Makes the blocks of the config from the definitions of metrics and targets: they declare their settings once."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from dataclasses import Field as DataclassField
from types import GenericAlias, MappingProxyType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, Strict, WithJsonSchema, create_model

from promptrl.config.blocks import Block, Expect, Issue, Number, Switch, whole
from promptrl.settings import Definition, Setting, settings_of

_STRICT = {float: Number, bool: Switch}
_CONSTRAINTS = ("ge", "gt", "le", "lt", "min_length", "pattern")


B = TypeVar("B", bound="DefinedBlock")
Chosen = Mapping[type[Any], Any]
"""The blocks to choose from where a setting takes any definition of a kind, by the class that all of those share."""


class DefinedBlock(Block):
    """A block made from a definition.

    Attributes:
        defined_by: The definition.
    """

    defined_by: ClassVar[type[Any]]

    @property
    def definition(self) -> Any:
        """The definition with the settings of this block."""
        given = {name: getattr(self, _field_name(name)) for name in settings_of(self.defined_by)}
        return self.defined_by(**{name: _plain(value) for name, value in given.items()})

    def issues(self) -> Iterator[Issue]:
        """What the definition says is wrong."""
        if issubclass(self.defined_by, Definition):
            for problem in self.definition.problems():
                yield Issue(tuple(problem.key.split(".")), problem.message, problem.hint)


def define_block(definition: type[Any], base: type[B], chosen: Chosen = MappingProxyType({}), **own: Any) -> type[B]:
    """Make the block in which the settings of a definition stand.

    Args:
        definition: A dataclass with settings.
        base: The class to derive from; settings that it has already are left as they are.
        chosen: The blocks of settings that are a definition of any type.
        **own: Further fields that come first, as ``create_model`` takes them.

    Returns:
        A block called ``NameConfig`` for a definition called ``Name`` or ``NameDefinition``.
    """
    hints = get_type_hints(definition, include_extras=True)
    known = {field.name: field for field in fields(definition)}
    settings: dict[str, Any] = {
        _field_name(name): _field(name, hints[name], known[name], setting, chosen)
        for name, setting in settings_of(definition).items()
        if _field_name(name) not in base.model_fields
    }
    name = f"{definition.__name__.removesuffix('Definition')}Config"
    doc = (definition.__doc__ or "").partition("\n")[0]
    block = create_model(name, __base__=base, __doc__=doc, **{**own, **settings})
    block.defined_by = definition
    return block


def _field_name(setting: str) -> str:
    """The setting's name, unless pydantic has a meaning of its own for that."""
    return f"{setting}_" if hasattr(BaseModel, setting) else setting


def _field(name: str, hint: Any, field: DataclassField[Any], setting: Setting, chosen: Chosen) -> tuple[Any, Any]:
    """Type and pydantic's field for a setting; a default made by a factory is shown unless it is empty."""
    default: dict[str, Any] = {}
    if field.default is not MISSING:
        default = {"default": field.default}
    elif _bare(hint) in chosen and field.default_factory is not MISSING:
        default = {"default_factory": get_args(chosen[_bare(hint)])[0]}
    elif field.default_factory is not MISSING:
        made = field.default_factory()
        default = {"default": made} if made else {"default_factory": field.default_factory}
    alias = name if _field_name(name) != name else None
    return _type(hint, chosen), Field(**default, alias=alias, description=setting.description)


def _bare(hint: Any) -> Any:
    """The type that stands under its setting."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _type(hint: Any, chosen: Chosen) -> Any:
    """The type as pydantic is to check it: strictly, with the words for messages."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        constraints = [item for setting in arguments[1:] for item in _constraints(setting)]
        if arguments[0] is int:
            return Annotated[int, Strict(), *constraints, BeforeValidator(whole)]
        inner = _type(arguments[0], chosen)
        return Annotated[inner, *constraints] if constraints else inner
    if origin in (Union, UnionType):
        return Union[tuple(_type(argument, chosen) for argument in arguments)]  # noqa: UP007 - built from a tuple
    if origin is tuple:
        return GenericAlias(tuple, (_type(arguments[0], chosen), ...))
    if origin is dict:
        return GenericAlias(dict, tuple(_type(argument, chosen) for argument in arguments))
    if hint in chosen:
        return chosen[hint]
    if is_dataclass(hint) and isinstance(hint, type):
        return define_block(hint, DefinedBlock)
    return _STRICT.get(hint, hint)


def _constraints(setting: Setting) -> Iterator[Any]:
    given = {name: value for name in _CONSTRAINTS if (value := getattr(setting, name)) is not None}
    if given:
        yield Field(**given)
    if setting.expected:
        yield Expect(setting.expected, is_private=setting.is_private)
    if setting.is_json_file:
        yield WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]})
    if setting.fill is not None:
        yield AfterValidator(setting.fill)


def _plain(value: Any) -> Any:
    """The definitions that blocks stand for, in lists too."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.definition if isinstance(value, DefinedBlock) else value
