"""The ``target`` block: which model runs the prompt, and how it is called; made from the definition of each type."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Union

from pydantic import Field

from promptrl.config.blocks import Expect
from promptrl.config.definitions import DefinedBlock, define_block
from promptrl.llm.targets.definition import CalledTargetDefinition, TargetDefinition
from promptrl.llm.targets.embeddings import EmbeddingsDefinition
from promptrl.llm.targets.likelihood import LikelihoodDefinition
from promptrl.llm.targets.registry import TARGETS

MODEL_KEYS = frozenset({"target", "judge", "embeddings", "by", "proposer"})
"""Keys whose block declares a model: the target, who judges for a metric, who proposes edits."""
MODELS_IN = ("target", "reward", "edits")
"""Keys of the top below which such blocks may stand."""


class TargetBlock(DefinedBlock):
    """What every type of target takes."""

    if TYPE_CHECKING:
        type: str

    @property
    def definition(self) -> TargetDefinition:
        """The type of target with the settings of this block; paths stand as written."""
        definition: TargetDefinition = super().definition
        return definition

    def paths(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Those that the definition names: whether a text is a path can depend on the text."""
        definition = self.definition
        yield from (((name,), getattr(definition, name)) for name in definition.paths)


_ANY = define_block(TargetDefinition, TargetBlock)
_CALLED = define_block(CalledTargetDefinition, _ANY)


def _target_block(kind: str, definition: type[TargetDefinition]) -> type[TargetBlock]:
    base = _CALLED if issubclass(definition, CalledTargetDefinition) else _ANY
    return define_block(definition, base, type=(Literal[kind], Field(description=definition.summary)))


BLOCKS = {kind: _target_block(kind, definition) for kind, definition in TARGETS.items()}

if TYPE_CHECKING:
    TargetConfig = TargetBlock
else:
    TargetConfig = Annotated[
        Union[tuple(BLOCKS.values())],  # noqa: UP007 - built from a tuple
        Field(discriminator="type"),
    ]

CHOSEN = {
    TargetDefinition: Annotated[TargetConfig, Expect(like="target")],
    EmbeddingsDefinition: Annotated[
        define_block(EmbeddingsDefinition, TargetBlock),
        Expect("a mapping, as of a target of type openai", like="target"),
    ],
    LikelihoodDefinition: Annotated[
        define_block(LikelihoodDefinition, TargetBlock),
        Expect("a mapping, as of a target of type local", like="target"),
    ],
}
"""For a part that asks a model of its own: any target block declares it, or that of a model which reads."""
