"""The pages that are made from the code name everything that the code has."""

import re

from docs.generated import commands_page, config_page
from promptrl.config import schema_rows


def test_the_page_of_config_keys_has_every_key() -> None:
    """Each stands in a table with what it takes and means, or heads a section."""
    page = config_page()
    for row in schema_rows():
        assert f"## `{row.key}`" in page or f"| `{row.key}` |" in page, row.key
        assert row.description.replace("|", "\\|") in page


def test_every_row_of_a_table_has_four_cells() -> None:
    """No text of a key breaks the table that it stands in."""
    rows = [line for line in config_page().splitlines() if line.startswith("| `")]
    assert rows
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_the_page_of_commands_has_every_command() -> None:
    """Those of groups too, each with its options."""
    page = commands_page()
    for command in ("train", "resume", "eval", "bench", "plan", "doctor", "runs list", "runs compare", "cache export"):
        assert f"`promptrl {command}`" in page
    assert "--fail-on" in page
