"""The config of an experiment: what may stand in the YAML file, how it is read, and what each key means.

Used by the command line and the experiment only; everything below them takes plain arguments. Blocks that are rarely
spoken of by name are imported from their own modules.
"""

from promptrl.config.experiment import BudgetConfig, ExperimentConfig, GateConfig
from promptrl.config.loading import LoadedConfig, load_config, load_data, load_text
from promptrl.config.schema import SchemaRow, json_schema, schema_rows

__all__ = [
    "BudgetConfig",
    "ExperimentConfig",
    "GateConfig",
    "LoadedConfig",
    "SchemaRow",
    "json_schema",
    "load_config",
    "load_data",
    "load_text",
    "schema_rows",
]
