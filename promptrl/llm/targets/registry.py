"""The types of targets by their name in YAML."""

from collections.abc import Mapping

from promptrl.llm.targets.definition import TargetDefinition
from promptrl.llm.targets.local import LocalTargetDefinition
from promptrl.llm.targets.openai import OpenAITargetDefinition
from promptrl.llm.targets.python import PythonTargetDefinition
from promptrl.llm.targets.replay import ReplayTargetDefinition

TARGETS: Mapping[str, type[TargetDefinition]] = {
    "openai": OpenAITargetDefinition,
    "local": LocalTargetDefinition,
    "replay": ReplayTargetDefinition,
    "python": PythonTargetDefinition,
}
