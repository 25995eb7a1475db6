"""The block ``edits.rewrite``: who proposes edits, how often, and what it must know."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field

from promptrl.config.blocks import Block, Count, Expect, Text, Whole
from promptrl.config.definitions import define_block
from promptrl.config.targets import BLOCKS, TargetBlock
from promptrl.prompts.proposer.registry import PROPOSERS

MAX_TOKENS = 2048
"""Of an answer, unless told: a handful of edits with their reasons."""


def _proposer_block(kind: str) -> type[TargetBlock]:
    definition = PROPOSERS[kind]
    return define_block(definition, TargetBlock, type=(Literal[kind], Field(description=definition.summary)))


def _with_room(block: Any) -> Any:
    """Let an answer be longer than those of a target, where the block says nothing of it."""
    if not isinstance(block, dict) or not isinstance(params := block.get("params", {}), dict):
        return block
    if "max_tokens" in params or "max_completion_tokens" in params:
        return block
    return {**block, "params": {**params, "max_tokens": MAX_TOKENS}}


_BLOCKS = {kind: BLOCKS.get(kind) or _proposer_block(kind) for kind in PROPOSERS}

if TYPE_CHECKING:
    ProposerConfig = TargetBlock
else:
    ProposerConfig = Annotated[
        Union[tuple(_BLOCKS.values())],  # noqa: UP007 - built from a tuple
        Field(discriminator="type"),
        BeforeValidator(_with_room),
        Expect(like="target"),
    ]


class RewriteConfig(Block):
    """Edits that a model writes while the search works."""

    proposer: ProposerConfig | None = Field(
        default=None,
        description="Who writes them: a block as `target` has it, or `{type: recorded, path: FILE}`; "
        "null: the run's own target.",
    )
    rounds: Whole = Field(default=6, ge=0, le=100, description="Calls of the proposer in a run at most; 0: none.")
    keep: Count = Field(
        default=4, le=32, description="Edits kept of each call, of twice as many that are asked for; each is tried."
    )
    max_prompt_tokens: Count | None = Field(
        default=None, description="About how many tokens the prompt may have with all of them; null: any number."
    )
    rules: Annotated[tuple[Text, ...], Expect("a list of texts")] = Field(
        default=(), description="What the proposer must know or must not do, in your words."
    )
