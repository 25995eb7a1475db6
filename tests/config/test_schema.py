"""Every key is documented, for people and for editors."""

import json

from promptrl.config import ExperimentConfig, json_schema, schema_rows
from promptrl.config.blocks import Block
from promptrl.llm.targets.definition import CalledTargetDefinition
from promptrl.llm.targets.registry import TARGETS
from promptrl.search.algorithms import ALGORITHMS


def test_every_key_has_a_type_and_a_meaning() -> None:
    """The table is complete; no row appears twice for the same variants."""
    rows = schema_rows()
    assert all(row.key and row.type and row.description for row in rows)
    assert len({(row.key, row.when) for row in rows}) == len(rows)
    assert not [row for row in rows if "typing" in row.type or "class" in row.type]


def test_the_table_says_what_errors_say() -> None:
    """Ranges, choices, defaults and conditions of a few keys as a reader sees them."""
    rows = {(row.key, row.when): row for row in schema_rows()}
    assert rows["name", ""].default == "required"
    assert rows["budget.max_calls", ""].default == "2000"
    assert rows["budget.max_calls", ""].type == "a whole number of at least 1"
    assert rows["budget", ""].default == ""
    assert rows["prompt.user", ""].type == "text, or a list of messages with role and content, or null"
    assert rows["prompt.user.N.role", ""].type == "one of user, assistant"
    assert rows["gate.confidence", ""].type == "a number above 0.5 and below 1"
    called = ", ".join(kind for kind, target in TARGETS.items() if issubclass(target, CalledTargetDefinition))
    assert rows["target.concurrency", called].type == "a whole number from 1 to 1024"
    assert rows["target.model", "openai"].default == "required"
    assert rows["target.model", "local"].default == '"nano"'
    assert rows["target.model", "local"].description.startswith("For local: ")
    assert rows["target.params", ""].default == '{"temperature": 0, "max_tokens": 256}'
    assert sorted(rows["algorithm.name", ""].type.removeprefix("one of ").split(", ")) == sorted(ALGORITHMS)
    assert rows["reward.metrics.N.name", ""].default == "the type"
    assert rows["dataset.format", ""].type == "one of jsonl, json, csv, tsv, yaml, or null"


def test_a_block_can_be_documented_alone() -> None:
    """The README may show one block."""
    block = ExperimentConfig.model_fields["budget"].annotation
    assert isinstance(block, type)
    assert issubclass(block, Block)
    assert [row.key for row in schema_rows(block)] == ["max_calls", "max_usd", "max_tokens", "max_minutes"]


def test_the_json_schema_is_for_editors() -> None:
    """Names as in YAML, closed mappings, descriptions, and files allowed where they are read in."""
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == ["dataset", "name", "prompt", "reward", "target"]
    assert schema["properties"]["seed"]["description"]
    assert "schema" in schema["$defs"]["JsonSchemaConfig"]["properties"]
    assert {"type": "string"} in schema["$defs"]["EditsConfig"]["properties"]["tokens"]["anyOf"]
    assert [kind["type"] for kind in schema["$defs"]["PromptConfig"]["properties"]["user"]["anyOf"]] == [
        "string",
        "array",
        "null",
    ]
    assert len(schema["properties"]["target"]["oneOf"]) == len(TARGETS)
