"""The config of an experiment: what may stand in the YAML file, how it is read, and what each key means.

Used by the command line and the experiment only; everything below them takes plain arguments.
"""

from promptrl.config.blocks import Issue
from promptrl.config.datasets import DatasetConfig, FilesConfig, SplitsConfig
from promptrl.config.loading import LoadedConfig, load_config
from promptrl.config.metrics import CostConfig, MetricConfig, QualityConfig
from promptrl.config.models import (
    AlgorithmConfig,
    BudgetConfig,
    CacheConfig,
    ExperimentConfig,
    GateConfig,
    OutputConfig,
    RewardConfig,
)
from promptrl.config.prompts import DemonstrationsConfig, EditsConfig, PromptConfig
from promptrl.config.schema import SchemaRow, json_schema, schema_rows
from promptrl.config.targets import (
    LocalTargetConfig,
    OpenAITargetConfig,
    PriceConfig,
    PythonTargetConfig,
    ReplayTargetConfig,
    TargetConfig,
)

__all__ = [
    "AlgorithmConfig",
    "BudgetConfig",
    "CacheConfig",
    "CostConfig",
    "DatasetConfig",
    "DemonstrationsConfig",
    "EditsConfig",
    "ExperimentConfig",
    "FilesConfig",
    "GateConfig",
    "Issue",
    "LoadedConfig",
    "LocalTargetConfig",
    "MetricConfig",
    "OpenAITargetConfig",
    "OutputConfig",
    "PriceConfig",
    "PromptConfig",
    "PythonTargetConfig",
    "QualityConfig",
    "ReplayTargetConfig",
    "RewardConfig",
    "SchemaRow",
    "SplitsConfig",
    "TargetConfig",
    "json_schema",
    "load_config",
    "schema_rows",
]
