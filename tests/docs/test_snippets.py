"""What pages show without running it can be pasted all the same: blocks of configs load, links lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

from promptrl.config import load_config
from tests.docs.pages import DOCS, blocks

CONFIG = """
name: snippets
target: {type: openai, model: gpt-4o-mini}
prompt: {user: "{ticket}", slots: {task: ["Classify the ticket."]}}
dataset: {path: tickets.jsonl, input: ticket, reference: category}
reward: {metrics: [{type: choice}]}
"""
SNIPPETS = [
    pytest.param(block.text, id=f"{page}-{number}")
    for page in (
        "how-to/servers.md",
        "how-to/prompts.md",
        "how-to/data.md",
        "how-to/judge.md",
        "how-to/graded-metrics.md",
        "tutorial/index.md",
    )
    for number, block in enumerate(blocks(page))
    if block.language == "yaml" and not block.title
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_block_of_a_config_fits_into_one(snippet: str, tmp_path: Path) -> None:
    """It takes the place of the block of that name."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(CONFIG), **yaml.safe_load(snippet)}), encoding="utf-8")
    assert load_config(path).config.name == "snippets"


def test_the_conversation_is_what_the_model_is_asked(tmp_path: Path) -> None:
    """A list of messages stands where the user message does."""
    (snippet,) = (block.text for block in blocks("how-to/prompts.md") if "role: assistant" in block.text)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(CONFIG), **yaml.safe_load(snippet)}), encoding="utf-8")
    assert [turn.role for turn in load_config(path).config.user_turns or ()] == ["user", "assistant", "user"]


def test_the_snippets_were_found() -> None:
    """The pages are read as they are written."""
    assert len(SNIPPETS) >= 16


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_out_of_the_top_pages_lead_to_files(page: str) -> None:
    """What lies outside docs/ is not checked by mkdocs."""
    top = DOCS.parent
    links = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)|src=\"([^\"]+)\"", (top / page).read_text(encoding="utf-8"))
    assert links
    assert [link for pair in links for link in pair if link and not (top / link).exists()] == []
