"""The block ``algorithm``: which keys it has depends on ``algorithm.name``; made from the algorithms' definitions."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from promptrl.config.blocks import Expect, Issue
from promptrl.config.definitions import DefinedBlock, define_block
from promptrl.search.algorithms import ALGORITHMS, DEFAULT_ALGORITHM, Algorithm
from promptrl.settings import settings_of

_MEANING = (
    "The agent that searches, or a baseline without one, for comparison. "
    + "; ".join(f"`{algorithm.name}`: {algorithm.summary}" for algorithm in ALGORITHMS.values())
    + "."
)


class AlgorithmBlock(DefinedBlock):
    """What all algorithms share."""

    name: str

    @property
    def algorithm(self) -> Algorithm:
        """What the registry says of the algorithm of this name."""
        return ALGORITHMS[self.name]


def _blocks() -> tuple[type[AlgorithmBlock], ...]:
    """One block for all algorithms with the same settings."""
    names: dict[type[Any], list[str]] = {}
    for algorithm in ALGORITHMS.values():
        names.setdefault(algorithm.settings, []).append(algorithm.name)
    return tuple(
        define_block(settings, AlgorithmBlock, name=(_one_of(same), Field(description=_MEANING)))
        for settings, same in names.items()
    )


def _one_of(names: list[str]) -> Any:
    return Literal[tuple(names)]


def _with_name(block: Any) -> Any:
    """Name the default where a block names no algorithm."""
    return {"name": DEFAULT_ALGORITHM, **block} if isinstance(block, dict) else block


_BLOCKS = _blocks()

if TYPE_CHECKING:
    AlgorithmConfig = AlgorithmBlock
else:
    AlgorithmConfig = Annotated[
        Union[_BLOCKS],  # noqa: UP007 - built from a tuple
        Field(discriminator="name"),
        BeforeValidator(_with_name),
        Expect("a mapping", default_type=DEFAULT_ALGORITHM),
    ]


def default_algorithm() -> AlgorithmConfig:
    """The block of a config that says nothing of it."""
    settings = ALGORITHMS[DEFAULT_ALGORITHM].settings
    return next(block for block in _BLOCKS if block.defined_by is settings)(name=DEFAULT_ALGORITHM)


def take_out_empty_name(data: dict[str, Any]) -> list[Issue]:
    """Remove an ``algorithm.name`` without a value, so that the rest of the block is checked all the same."""
    block = data.get("algorithm")
    if not isinstance(block, dict) or block.get("name", DEFAULT_ALGORITHM) is not None:
        return []
    del block["name"]
    message = f"is empty, expected one of {', '.join(ALGORITHMS)}"
    return [Issue(("algorithm", "name"), message, "leave the key out or give it a value")]


def drop_unread(data: Any) -> None:
    """Take out of a config's data the keys of ``algorithm`` that the one named does not read, or not as it is set."""
    block = data.get("algorithm") if isinstance(data, dict) else None
    if not isinstance(block, dict):
        return
    name = block.get("name", DEFAULT_ALGORITHM)
    chosen = ALGORITHMS.get(name) if isinstance(name, str) else None
    if chosen is None:
        return
    known = {key for algorithm in ALGORITHMS.values() for key in settings_of(algorithm.settings)}
    for key in known - settings_of(chosen.settings).keys():
        block.pop(key, None)
    if block.get("planning") == "none":
        block.pop("imagined_steps", None)
