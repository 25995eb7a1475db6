"""Who may propose edits, by the name of the type in YAML: every type of target, and recorded proposals."""

from collections.abc import Mapping

from promptrl.llm.targets.definition import TargetDefinition
from promptrl.llm.targets.registry import TARGETS
from promptrl.prompts.proposer.recorded import RecordedProposerDefinition

PROPOSERS: Mapping[str, type[TargetDefinition]] = {**TARGETS, "recorded": RecordedProposerDefinition}
